"""The command line: serve an account, or write one to a file.

python -m sandbox [serve] [--demo] [--port 12111] ...
python -m sandbox seed --months 18 --customers 2000 --seed 7 --out account.json.gz
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from sandbox.core import Settings, World, coupons, snapshot, wire
from sandbox.core.settings import DAY
from sandbox.core.webhook_endpoints import make
from sandbox.http.server import Server
from sandbox.story.account import Plan, build
from sandbox.story.live import Life
from sandbox.story.shelf import found

DEMO_CUSTOMERS = 340


class Usage(Exception):
    """Something the caller has to put right; the text is shown to them."""


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit status (2 for bad input)."""
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["serve", *arguments]
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except Usage as error:
        _fail(str(error))
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A small, stateful, honest Stripe.")
    commands = parser.add_subparsers(dest="command", metavar="{serve,seed}")
    serve = commands.add_parser("serve", help="serve an account (the default)")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=_port, default=12111, help="0 takes a free one")
    serve.add_argument("--demo", action="store_true", help="start with eighteen months of a small publisher")
    serve.add_argument("--snapshot", type=Path, metavar="FILE", help="start with the account in FILE")
    serve.add_argument("--save", type=Path, metavar="FILE", help="write the account to FILE when stopped")
    serve.add_argument("--cache", type=Path, metavar="DIR", help="keep the demo account of the day in DIR")
    serve.add_argument("--webhook-url", metavar="URL", help="send every event to URL")
    serve.add_argument("--webhook-secret", metavar="whsec_...", help="sign with this secret")
    serve.add_argument("--live", type=_positive, metavar="SECONDS", help="let something happen every so often")
    serve.add_argument("--faults", type=Path, metavar="FILE", help="a JSON list of fault rules")
    serve.add_argument("--seed", type=int, default=7)
    serve.add_argument("--key", default="", help="accept this secret key only")
    serve.add_argument("--settle", type=_seconds, metavar="SECONDS", help="delay of a charge's balance transaction")
    serve.add_argument("--delay-days", type=_days, metavar="DAYS", help="days until money is available")
    serve.set_defaults(run=_serve)
    seed = commands.add_parser("seed", help="write a believable account to a file")
    seed.add_argument("--months", type=_days, default=18)
    seed.add_argument("--customers", type=_days, default=2000)
    seed.add_argument("--seed", type=int, default=7)
    seed.add_argument("--end", type=_moment, default=Plan.end, metavar="YYYY-MM-DD", help="the account's last day")
    seed.add_argument("--out", type=Path, required=True, metavar="FILE", help="gzipped when it ends in .gz")
    seed.set_defaults(run=_seed)
    return parser


def _serve(options: argparse.Namespace) -> int:
    world = _account(options)
    _configure(world, options)
    if options.live and (not any(found(world).once.values()) or not world.store.table("customer").order):
        raise Usage("--live needs an account with customers and one-time prices: add --demo or --snapshot")
    try:
        server = Server(world, host=options.host, port=options.port)
    except OSError as error:
        raise Usage(f"cannot listen on {options.host}:{options.port}: {error.strerror or error}") from error
    if options.live:
        life = Life(world, options.seed)

        def step() -> None:
            with server.lock:
                life.step()

        server.every(options.live, step)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gc.freeze()  # the account stays; there is no need to search it for garbage again and again
    server.start()
    print(f"Sandbox Stripe listening on {server.url}", flush=True)
    try:
        server.wait()
    finally:
        server.stop()
        if options.save:
            snapshot.save_file(world, options.save)
    return 0


def _account(options: argparse.Namespace) -> World:
    if options.demo and options.snapshot:
        raise Usage("--demo and --snapshot exclude each other")
    if options.snapshot:
        return _load(options.snapshot)
    if options.demo:
        return _demo(options)
    return starter(seed=options.seed)


def starter(*, seed: int) -> World:
    """Return an account with nothing in it but a coupon called `x`, which probes of emulators expect."""
    world = World(Settings(), seed=seed, now=time.time())
    coupons.create(world, {"id": "x", "percent_off": 10.0, "duration": "once", "name": "Starter coupon"})
    return world


def _demo(options: argparse.Namespace) -> World:
    now = int(time.time())
    url = f"http://{options.host}:{options.port}"
    plan = Plan(seed=options.seed, customers=DEMO_CUSTOMERS, end=now, base_url=url)
    if options.cache is None:
        return build(plan)
    kept = options.cache / f"sandbox-demo-{snapshot.FORMAT}-{options.seed}-{now // DAY}.json"
    if kept.exists():
        world = _load(kept)
        world.tick(now)
        return world
    world = build(plan)
    snapshot.save_file(world, kept)
    return world


def _load(path: Path) -> World:
    try:
        return snapshot.load_file(path)
    except OSError as error:
        raise Usage(f"cannot read the snapshot {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Usage(f"{path} is no snapshot of this sandbox: {error}") from error


def _configure(world: World, options: argparse.Namespace) -> None:
    """Apply what the command line says about keys, faults, delays and webhooks."""
    changes: dict[str, object] = {}
    if options.key:
        if not options.key.startswith(("sk_test_", "rk_test_")):
            raise Usage("--key must be a test key: sk_test_... or rk_test_...")
        changes["only_key"] = options.key
    if options.settle is not None:
        changes["settle_seconds"] = options.settle
    if options.delay_days is not None:
        changes["delay_days"] = options.delay_days
    world.settings = replace(world.settings, **changes)  # type: ignore[arg-type]
    if options.faults:
        try:
            world.faults.load(wire.loads(options.faults.read_bytes()))
        except OSError as error:
            raise Usage(f"cannot read the faults {options.faults}: {error.strerror or error}") from error
        except ValueError as error:
            raise Usage(f"the faults {options.faults} cannot be used: {error}") from error
    if options.webhook_secret and not options.webhook_url:
        raise Usage("--webhook-secret needs --webhook-url")
    if options.webhook_url:
        if not options.webhook_url.startswith(("http://", "https://")):
            raise Usage("--webhook-url must begin with http:// or https://")
        make(world, options.webhook_url, ["*"], secret=options.webhook_secret or "")


def _seed(options: argparse.Namespace) -> int:
    if not 1 <= options.months <= 120:
        raise Usage("--months must be between 1 and 120")
    if not 1 <= options.customers <= 100_000:
        raise Usage("--customers must be between 1 and 100000")
    if options.out.parent != Path() and not options.out.parent.is_dir():
        raise Usage(f"there is no folder {options.out.parent}")
    world = build(Plan(seed=options.seed, months=options.months, customers=options.customers, end=options.end))
    snapshot.save_file(world, options.out)
    payments = len(world.store.table("payment_intent").order)
    print(f"{options.out}: {options.customers} customers, {payments} payments, {options.months} months")
    return 0


def _port(text: str) -> int:
    value = int(text) if text.isdigit() else -1
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def _positive(text: str) -> float:
    value = _seconds(text)
    if value < 0.05:
        raise argparse.ArgumentTypeError("must be at least 0.05 seconds")
    return value


def _days(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _moment(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day (YYYY-MM-DD)") from error


def _fail(message: str) -> NoReturn:
    print(f"python -m sandbox: error: {message}", file=sys.stderr)
    raise SystemExit(2)
