"""The believable account, its determinism, and the command line."""

from __future__ import annotations

import gzip
import json
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.cli import main
from sandbox.core import World, money, payment_links, render, snapshot
from sandbox.core.rehearsal import rehearsing
from sandbox.core.settings import DAY
from sandbox.story.account import Plan, build
from sandbox.story.live import Life
from tests.sandbox.client import NEW_YEAR, Client, needs_schemas, schemas

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {"active", "trialing", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused"}


@pytest.fixture(scope="module")
def demo() -> World:
    return build(Plan(customers=340))


def _all(world: World, kind: str) -> list[dict[str, Any]]:
    return list(world.all(kind))


def test_the_demo_account_is_large_enough(demo: World) -> None:
    count = {kind: len(table.order) for kind, table in demo.store.tables.items()}

    assert 12 <= count["product"] <= 20
    assert count["price"] >= 20
    assert count["customer"] >= 200
    assert count["subscription"] >= 120
    assert sum(c["status"] == "succeeded" for c in _all(demo, "charge")) >= 1500
    assert count["refund"] > 20
    assert count["dispute"] > 5
    assert count["payout"] > 60


def test_the_demo_has_subscriptions_in_every_status(demo: World) -> None:
    assert {s["status"] for s in _all(demo, "subscription")} == STATUSES


def test_the_demo_has_every_kind_of_price(demo: World) -> None:
    prices = _all(demo, "price")

    assert {p["currency"] for p in prices} == {"usd", "eur", "jpy"}
    assert {p["tiers_mode"] for p in prices} == {None, "graduated", "volume"}
    assert {(p["recurring"] or {}).get("interval") for p in prices} == {None, "month", "year"}
    assert not all(p["active"] for p in prices)


def test_the_demo_has_something_to_buy(demo: World) -> None:
    links = list(demo.all("payment_link"))

    with rehearsing(demo):
        assert [payment_links.visit(demo, link)["mode"] for link in links] == ["payment", "subscription"]


def test_the_story_grows_churns_and_recovers(demo: World) -> None:
    paid = Counter((c["created"] - NEW_YEAR) // (91 * DAY) for c in _all(demo, "charge") if c["status"] == "succeeded")
    invoices = _all(demo, "invoice")
    canceled = [s for s in _all(demo, "subscription") if s["status"] == "canceled"]

    assert paid[-1] > 1.5 * paid[-6]
    assert sum(i["attempt_count"] > 1 and i["status"] == "paid" for i in invoices) >= 3
    assert {s["cancellation_details"]["reason"] for s in canceled} >= {"cancellation_requested", "payment_failed"}


def test_refunds_reach_into_later_months(demo: World) -> None:
    later = [
        r
        for r in _all(demo, "refund")
        if r["created"] // (30 * DAY) > demo.raw("charge", r["charge"])["created"] // (30 * DAY)
    ]

    assert later


def test_payouts_are_weekly_and_add_up(demo: World) -> None:
    automatic = [p for p in _all(demo, "payout") if p["automatic"]]

    assert {(p["created"] // DAY) % 7 for p in automatic} == {4}
    for payout in automatic:
        assert sum(line["net"] for line in demo.all("balance_transaction", "_payout", payout["id"])) == 0
    sums: defaultdict[str, int] = defaultdict(int)
    for line in _all(demo, "balance_transaction"):
        sums[line["currency"]] += line["net"]
    balance = money.balance(demo)
    for place, entry in enumerate(balance["available"]):
        assert entry["amount"] + balance["pending"][place]["amount"] == sums[entry["currency"]]


def test_names_and_mails_look_human(demo: World) -> None:
    customers = _all(demo, "customer")

    assert all(" " in c["name"] for c in customers)
    assert all(c["email"].split("@")[1] in ("example.com", "example.org", "example.net") for c in customers)
    assert len({c["email"] for c in customers}) == len(customers)


def test_events_are_those_of_the_last_thirty_days(demo: World) -> None:
    first = demo.store.table("event").order[0][0]

    assert demo.now - 30 * DAY <= first < demo.now - 28 * DAY


@needs_schemas
def test_the_story_has_stripes_shapes(demo: World) -> None:
    wrong: list[str] = []
    for kind, table in demo.store.tables.items():
        seen: Counter[Any] = Counter()
        for obj in table.objects():
            seen[obj.get("status"), obj.get("type")] += 1
            if seen[obj.get("status"), obj.get("type")] <= 1:
                version = demo.settings.api_version
                wrong += [f"{kind}: {e}" for e in schemas().errors(render.view(demo, obj, version), version)]
    assert wrong == []


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for file, seed in zip(files, ("7", "7", "8"), strict=True):
        assert main(["seed", "--months", "4", "--customers", "20", "--seed", seed, "--out", str(file)]) == 0

    a, b, c = (file.read_bytes() for file in files)
    assert a == b
    assert a != c


def test_a_snapshot_comes_back_as_it_was(tmp_path: Path, demo: World) -> None:
    path = tmp_path / "account.json.gz"
    snapshot.save_file(demo, path)

    again = snapshot.load_file(path)

    assert gzip.decompress(path.read_bytes())[:12] == b'{"format":3,'
    assert snapshot.dump(again) == snapshot.dump(demo)
    before, after = Client(demo), Client(again)
    for w in (demo, again):
        w.advance(0)
    assert before.get("/v1/invoices", limit=100) == after.get("/v1/invoices", limit=100)
    again.advance(40 * DAY)
    assert len(again.store.table("invoice").order) > len(demo.store.table("invoice").order)


def test_a_live_account_keeps_moving() -> None:
    world = build(Plan(customers=25, months=6))
    life = Life(world)
    before = len(world.store.table("event").order)

    did = Counter(life.step() for _ in range(60) if world.advance(5) >= 0)

    assert set(did) == {"buy", "arrive", "subscribe", "refund", "decline"}
    assert len(world.store.table("event").order) > before + 100


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--port", "99999"], "is no port"),
        (["serve", "--port", "ten"], "is no port"),
        (["--snapshot", "nowhere.json"], "cannot read the snapshot nowhere.json"),
        (["--demo", "--snapshot", "x"], "exclude each other"),
        (["--webhook-url", "ftp://x"], "must begin with http"),
        (["--webhook-secret", "whsec_1"], "needs --webhook-url"),
        (["--key", "sk_live_1"], "must be a test key"),
        (["--live", "0"], "at least 0.05"),
        (["--live", "1"], "--live needs an account"),
        (["--faults", "nowhere.json"], "cannot read the faults"),
        (["seed"], "--out"),
        (["seed", "--out", "x", "--months", "0"], "between 1 and 120"),
        (["seed", "--out", "no/such/folder/x"], "there is no folder"),
        (["seed", "--out", "x", "--end", "yesterday"], "is no day"),
        (["dance"], "invalid choice"),
    ],
)
def test_bad_command_lines_are_explained(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)

    assert stop.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "words"), [("nonsense", "cannot be used"), ("{}", "JSON list"), ('[{"kind": "x"}]', "unknown fault")]
)
def test_bad_fault_files_are_explained(
    tmp_path: Path, content: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "faults.json"
    path.write_text(content)

    with pytest.raises(SystemExit):
        main(["--faults", str(path)])

    assert words in capsys.readouterr().err


def test_a_file_that_is_no_snapshot_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "account.json"
    path.write_text('{"format": 99}')

    with pytest.raises(SystemExit):
        main(["--snapshot", str(path)])

    assert "is no snapshot of this sandbox" in capsys.readouterr().err


def test_a_taken_port_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit):
            main(["--port", str(taken.getsockname()[1])])

    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_a_cached_demo_is_used_again_and_brought_up_to_date(tmp_path: Path) -> None:
    arguments = ["--demo", "--cache", str(tmp_path), "--webhook-secret", "whsec_without_url"]
    for _ in range(2):
        with pytest.raises(SystemExit):  # stopped by the secret, after the account is there
            main(arguments)

    (kept,) = tmp_path.iterdir()
    assert snapshot.load_file(kept).now <= time.time()


def test_the_demo_starts_within_two_seconds_of_work() -> None:
    """Seconds of the processor, so that a busy machine does not fail the test."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "--demo", "--port", "0"], stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_serve_says_one_line_when_it_is_ready(tmp_path: Path) -> None:
    faults, saved = tmp_path / "faults.json", tmp_path / "saved.json"
    faults.write_text(json.dumps([{"kind": "rate_limit", "path": "/v1/products", "count": 1}]))
    command = [
        sys.executable,
        "-m",
        "sandbox",
        "--port",
        "0",
        "--faults",
        str(faults),
        "--save",
        str(saved),
        "--key",
        "sk_test_me",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.removeprefix("Sandbox Stripe listening on ").strip()
        headers = {"Authorization": "Bearer sk_test_me"}
        statuses = [requests.get(f"{url}/v1/products", headers=headers, timeout=5).status_code for _ in range(2)]
        requests.post(f"{url}/v1/customers", data={"name": "A"}, headers=headers, timeout=5)
    finally:
        process.terminate()
        rest = process.communicate(timeout=10)[0]

    assert line.startswith("Sandbox Stripe listening on http://127.0.0.1:")
    assert statuses == [429, 200]
    assert rest == ""
    assert len(snapshot.load_file(saved).store.table("customer").order) == 1
