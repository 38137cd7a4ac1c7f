"""The control page for people: objects, the clock, deliveries. What customers see is in `shop`.

Plain HTML without scripts; every change is a POST that redirects back.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import parse_qs

from sandbox.core import OLD, PINNED, World, money, render, wire
from sandbox.core.currencies import display
from sandbox.core.deliveries import Delivery
from sandbox.core.errors import StripeError, missing_object
from sandbox.core.settings import DAY, HOUR
from sandbox.core.store import Object

from . import shop
from .control import Answer
from .service import Service
from .style import frame

PER_PAGE = 50
MOST_LINKS = 12
STEPS = (("1 hour", HOUR), ("1 day", DAY), ("1 week", 7 * DAY), ("1 month", 31 * DAY))
TONES = {"delivered": "good", "failed": "bad", "lost": "bad", "pending": "wait"}
_ID = re.compile(
    r"&quot;((?:ch|pi|cus|re|du|po|txn|in|sub|price|prod|pm|evt|seti|inpay|promo|di|we|cs_test|cn|ii|clock|plink)_\w{6,})&quot;"
)
_KINDS = {
    "ch": "charge", "pi": "payment_intent", "cus": "customer", "re": "refund", "du": "dispute", "po": "payout",
    "txn": "balance_transaction", "in": "invoice", "sub": "subscription", "price": "price", "prod": "product",
    "pm": "payment_method", "evt": "event", "seti": "setup_intent", "inpay": "invoice_payment",
    "promo": "promotion_code", "di": "discount", "we": "webhook_endpoint", "cs": "checkout.session",
    "cn": "credit_note", "ii": "invoiceitem", "clock": "test_helpers.test_clock",
    "plink": "payment_link",
}  # fmt: skip


def answer(service: Service, method: str, parts: list[str], query: str, body: bytes) -> Answer:
    """Answer one call to a page or to one of its forms."""
    form = {k: v[0] for k, v in parse_qs(body.decode(errors="replace") if method == "POST" else query).items()}
    name = parts[0] if parts else ""
    if method == "POST" and name == "deliver":
        service.deliver(everything=True)
        return _back("/_sandbox/deliveries")
    with service.lock:
        service.tick()
        try:
            if name in shop.NAMES and len(parts) == 2:
                return (shop.act if method == "POST" else shop.show)(service.world, name, parts[1], form)
            if method == "POST":
                return _act(service, name, parts[1:], form)
            return _show(service.world, name, parts[1:], form)
        except StripeError as error:
            return _page(
                service.world, "That did not work", f"<section><p>{escape(error.message)}</p></section>", error.status
            )


def _show(world: World, name: str, rest: list[str], form: dict[str, str]) -> Answer:
    if name == "":
        return _overview(world)
    if name == "deliveries":
        return _page(world, "Deliveries", _deliveries(world, 200))
    if name == "objects" and len(rest) == 1:
        return _list(world, rest[0], form.get("after", ""))
    if name == "objects" and len(rest) >= 2:
        return _object(world, rest[0], rest[1], form.get("version", PINNED))
    return _page(
        world, "Nothing here", '<section><p>There is no such page. <a href="/_sandbox">Overview</a></p></section>', 404
    )


def _act(service: Service, name: str, rest: list[str], form: dict[str, str]) -> Answer:
    world = service.world
    if name == "clock":
        text = form.get("seconds", "")
        if not text.isdigit() or int(text) > 400 * DAY:
            raise StripeError(400, "The clock moves forward, by at most 400 days at a time.")
        service.advance(int(text))
        return _back("/_sandbox")
    if name == "deliveries" and rest:
        if rest[0] not in world.outbox.all:
            raise missing_object("delivery", rest[0], "id")
        world.outbox.resend(world, rest[0])
        return _back("/_sandbox/deliveries")
    raise StripeError(404, "There is no such form.")


# ---- pages


def _overview(world: World) -> Answer:
    kinds = "".join(
        f'<li><a href="/_sandbox/objects/{kind}">{escape(kind)}</a><span>{len(table.order):,}</span></li>'
        for kind, table in sorted(world.store.tables.items())
        if table.order
    )
    steps = "".join(f'<button name="seconds" value="{seconds}">+ {label}</button>' for label, seconds in STEPS)
    balance = money.balance(world)
    rows = "".join(
        f"<tr><td>{escape(ready['currency'].upper())}</td><td class=n>{_money(ready)}</td>"
        f"<td class=n>{_money(wait)}</td></tr>"
        for ready, wait in zip(balance["available"], balance["pending"], strict=True)
    )
    clock = (
        f'<section><h2>Clock</h2><p class="big">{_when(world.now)}</p>'
        f'<form class="row" method="post" action="/_sandbox/clock">{steps}</form></section>'
    )
    sums = (
        "<section><h2>Balance</h2><table><tr><th>Currency</th><th class=n>Available</th><th class=n>Pending</th></tr>"
        f"{rows}</table></section>"
    )
    empty = '<p class="soft">Nothing yet: point an SDK at this address.</p>'
    objects = f"<section><h2>Objects</h2>{f'<ul class=kinds>{kinds}</ul>' if kinds else empty}</section>"
    body = f'<div class="two">{clock}{sums}</div>{_shop(world)}{objects}{_faults(world)}{_deliveries(world, 12)}'
    return _page(world, world.settings.account_name, body)


def _shop(world: World) -> str:
    """Return the payment links one can follow to pay like a customer."""
    links = [link for link in world.all("payment_link") if link["active"]][::-1][:MOST_LINKS]
    if not links:
        return ""
    rows = "".join(
        f'<li><a href="/_sandbox/pay/{link["id"]}">{escape(", ".join(i["description"] for i in link["_line_items"]))}</a>'
        f"<span>{escape(display(sum(i['amount_total'] for i in link['_line_items']), link['currency']))}</span></li>"
        for link in links
    )
    hint = '<p class="soft">Follow a payment link and pay with a test card, as a customer does.</p>'
    return f"<section><h2>Shop</h2>{hint}<ul class=kinds>{rows}</ul></section>"


def _faults(world: World) -> str:
    if not world.faults.rules:
        return ""
    text = escape(wire.pretty(world.faults.dump()).decode())
    return f'<section><h2>Faults in force</h2><pre class="bad">{text}</pre></section>'


def _deliveries(world: World, limit: int) -> str:
    entries = list(world.outbox.all.values())[-limit:][::-1]
    if not entries:
        return (
            '<section><h2>Deliveries</h2><p class="soft">No webhook endpoint has been told anything yet.</p></section>'
        )
    rows = "".join(_delivery(world, entry) for entry in entries)
    head = "<tr><th>Event</th><th>To</th><th>State</th><th>Answers</th><th></th></tr>"
    now = '<form class="row" method="post" action="/_sandbox/deliver"><button>Send all that wait</button></form>'
    return f"<section><h2>Deliveries</h2>{now}<table>{head}{rows}</table></section>"


def _delivery(world: World, entry: Delivery) -> str:
    endpoint = world.store.row("webhook_endpoint", entry.endpoint)
    url = endpoint.obj["url"] if endpoint else "(deleted)"
    again = f'<form method="post" action="/_sandbox/deliveries/{entry.id}/resend"><button>Resend</button></form>'
    answers = ", ".join(str(status) if status else "no answer" for status in entry.answers) or "–"
    return (
        f'<tr><td><a href="/_sandbox/objects/event/{entry.event}">{escape(entry.type)}</a><br>'
        f'<span class="soft">{_when(entry.created)}</span></td><td>{escape(url)}</td>'
        f'<td class="{TONES[entry.state]}">{entry.state}</td><td>{answers}</td><td>{again}</td></tr>'
    )


def _list(world: World, kind: str, after: str) -> Answer:
    table = world.store.table(kind)
    rows, more = table.page(table.order, limit=PER_PAGE, after=after if after in table.rows else "")
    lines = "".join(_line(row.obj) for row in rows)
    head = "<tr><th>Id</th><th>What</th><th>State</th><th class=n>Amount</th><th>Created</th></tr>"
    older = f'<p><a href="?after={escape(rows[-1].obj["id"])}">Older →</a></p>' if more else ""
    body = f"<section><table>{head}{lines}</table>{older}</section>" if rows else "<section><p>None yet.</p></section>"
    return _page(world, f"{kind} ({len(table.order):,})", body)


def _line(obj: Object) -> str:
    what = obj.get("name") or obj.get("email") or obj.get("description") or obj.get("nickname") or obj.get("type") or ""
    state = obj.get("status") or ({True: "active", False: "archived"}[obj["active"]] if "active" in obj else "")
    amount = next(
        (obj[n] for n in ("amount", "total", "amount_total", "unit_amount") if isinstance(obj.get(n), int)), None
    )
    shown = display(amount, obj["currency"]) if amount is not None and obj.get("currency") else ""
    created = _when(obj["created"]) if "created" in obj else ""
    return (
        f'<tr><td><a href="/_sandbox/objects/{obj["object"]}/{escape(obj["id"])}"><code>{escape(obj["id"])}</code></a></td>'
        f"<td>{escape(str(what))}</td><td>{escape(str(state or ''))}</td><td class=n>{escape(shown)}</td>"
        f"<td>{created}</td></tr>"
    )


def _object(world: World, kind: str, id: str, version: str) -> Answer:
    row = world.store.row(kind, id)
    if row is None and kind == "charge":  # a receipt's address names the intent
        row = next((world.row(charge) for charge in world.all("charge", "payment_intent", id)), None)
    if row is None:
        raise missing_object(kind, id, "id")
    version = version if version in (OLD, PINNED) else PINNED
    text = escape(wire.pretty(render.view(world, row.obj, version)).decode())
    linked = _ID.sub(
        lambda m: f'&quot;<a href="/_sandbox/objects/{_KINDS[m[1].split("_")[0]]}/{m[1]}">{m[1]}</a>&quot;', text
    )
    other = OLD if version == PINNED else PINNED
    switch = f'<p class="soft">API version {version} · <a href="?version={other}">show as {other}</a></p>'
    return _page(world, f"{kind} {id}", f"{switch}<section><pre>{linked}</pre></section>")


def _page(world: World, title: str, body: str, status: int = 200) -> Answer:
    return Answer(frame(title, _when(world.now), body), status, "text/html; charset=utf-8")


def _back(location: str) -> Answer:
    return Answer(b"", 303, "text/html; charset=utf-8", location)


def _money(entry: dict[str, Any]) -> str:
    return escape(display(entry["amount"], entry["currency"]))


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
