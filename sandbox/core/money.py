"""Balance transactions and the balance: every movement is one line, the balance their sum.

Laws: net = amount - fee; per currency, pending + available = sum of net.
Stripe: https://docs.stripe.com/reports/balance-transaction-types
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from . import currencies
from .operation import Operation, Page, Params, Plain, listing, op, page, retrieving
from .settings import DAY
from .store import Object
from .tasks import task

if TYPE_CHECKING:
    from .world import World


class Ledger:
    """Running sums per currency, and the available lines no automatic payout has taken yet."""

    def __init__(self) -> None:
        self.pending: defaultdict[str, int] = defaultdict(int)
        self.available: defaultdict[str, int] = defaultdict(int)
        self.unswept: defaultdict[str, list[str]] = defaultdict(list)

    def dump(self) -> dict[str, Any]:
        """Return plain JSON values, for a snapshot."""
        return {"pending": self.pending, "available": self.available, "unswept": self.unswept}

    def copy(self) -> Ledger:
        """Return another ledger that says the same."""
        other = Ledger()
        other.pending.update(self.pending)
        other.available.update(self.available)
        other.unswept.update({currency: list(ids) for currency, ids in self.unswept.items()})
        return other

    def load(self, state: dict[str, Any]) -> None:
        """Take over what a snapshot holds."""
        self.pending.update(state["pending"])
        self.available.update(state["available"])
        self.unswept.update(state["unswept"])


# type -> reporting_category where the type alone decides it.
CATEGORY = {
    "charge": "charge", "payment": "charge", "refund": "refund", "refund_failure": "refund_failure",
    "payout": "payout", "payout_failure": "payout_reversal", "payout_cancel": "payout_reversal",
    "stripe_fee": "fee", "topup": "topup", "adjustment": "other_adjustment",
}  # fmt: skip


def post(world: World, type: str, amount: int, currency: str, *, fee: int = 0, fee_text: str = "",
         source: str | None = None, category: str = "", description: str | None = None,
         rate: float | None = None, available_on: int | None = None) -> Object:  # fmt: skip
    """Write one line on the balance; `amount` is signed, `fee` positive when taken.

    Without `available_on` the money moves at once.
    """
    details = [
        {"amount": fee, "application": None, "currency": currency, "description": fee_text, "type": "stripe_fee"}
    ]
    now = world.now
    later = available_on is not None
    line = world.insert({
        "id": world.ids.new("txn_"), "object": "balance_transaction", "amount": amount,
        "available_on": available_on if available_on is not None else now, "balance_type": "payments",
        "created": now, "currency": currency, "description": description, "exchange_rate": rate, "fee": fee,
        "fee_details": details if fee else [], "net": amount - fee,
        "reporting_category": category or CATEGORY[type], "source": source,
        "status": "pending" if later else "available", "type": type, "_payout": None,
    })  # fmt: skip
    if later:
        world.ledger.pending[currency] += line["net"]
        world.main.schedule(available_on or 0, "release", line["id"])
    else:
        world.ledger.available[currency] += line["net"]
        world.ledger.unswept[currency].append(line["id"])
    return line


@task
def release(world: World, line_id: str) -> None:
    """Make a pending line available."""
    line = world.raw("balance_transaction", line_id)
    currency = line["currency"]
    world.change(line, status="available")
    world.ledger.pending[currency] -= line["net"]
    world.ledger.available[currency] += line["net"]
    world.ledger.unswept[currency].append(line_id)


def available_on(world: World) -> int | None:
    """Return when a payment of now becomes available: whole days, at midnight UTC; None is at once."""
    days = world.settings.delay_days
    return (int(world.main.now) // DAY + days) * DAY if days else None


def settle(world: World, amount: int, currency: str) -> tuple[int, str, float | None]:
    """Return an amount in its settlement currency, with the rate of today when it converts."""
    into = currencies.settlement_currency(currency, world.settings)
    if into == currency:
        return amount, currency, None
    rate = currencies.exchange_rate(currency, into, world.settings, int(world.main.now))
    return currencies.convert(amount, currency, into, rate), into, float(rate)


def stripe_fee(world: World, amount: int, currency: str, description: str) -> Object:
    """Write one of Stripe's own bills (Billing, Radar, ...); it has no event and no source."""
    return post(world, "stripe_fee", -amount, currency, description=description)


def topup(world: World, amount: int, currency: str, description: str = "Top-up") -> Object:
    """Put money from the bank on the balance."""
    return post(world, "topup", amount, currency, description=description)


def hold_reserve(world: World, amount: int, currency: str, description: str = "Risk reserve") -> Object:
    """Hold money back on the balance, or let it go with a negative amount; it has no event and no source."""
    return post(world, "reserved_funds", -amount, currency, category="risk_reserved_funds", description=description)


def balance(world: World) -> dict[str, Any]:
    """Return the balance object."""
    names = set(world.ledger.pending) | set(world.ledger.available) | set(world.settings.balance_currencies)
    default = world.settings.default_currency
    order = sorted(names, key=lambda c: (c != default, c))

    def amounts(sums: dict[str, int]) -> list[dict[str, Any]]:
        return [{"amount": sums.get(c, 0), "currency": c, "source_types": {"card": sums.get(c, 0)}} for c in order]

    return {
        "object": "balance", "available": amounts(world.ledger.available), "livemode": False,
        "pending": amounts(world.ledger.pending),
    }  # fmt: skip


def _list(world: World, params: Params) -> Page:
    table = world.store.table("balance_transaction")
    keys = table.keys()
    for param, name in (("payout", "_payout"), ("source", "source"), ("type", "type")):
        if param in params:
            keys = table.keys(name, params[param])
            break
    names = {"payout": "_payout", "source": "source", "type": "type", "currency": "currency"}
    wanted = {name: params[param] for param, name in names.items() if param in params}
    if "payout" in params:
        world.get("payout", params["payout"], "payout", status=400)
    test = (lambda o: all(o[n] == v for n, v in wanted.items())) if wanted else None
    return page(world, "balance_transaction", keys, params, "/v1/balance_transactions", test)


_LIST = listing(
    "balance_transaction", "/v1/balance_transactions", "created:range currency:str payout:str source:str type:str"
)
OPERATIONS = [
    Operation("GET", _LIST.path, _list, _LIST.params, listing=True, kind="balance_transaction"),
    retrieving("balance_transaction", "/v1/balance_transactions/{id}"),
    op("GET", "/v1/balance", lambda world, params: Plain(balance(world)), kind="balance"),
]
