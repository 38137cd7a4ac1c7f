"""What people type into the search box, read into plain values. Pure: no Django, no models, no clock.

Parts are parted by spaces and all of them must fit; a text in double quotes is one part. A part is an id, an operator
(`status:failed`, `amount>100`), a number (an amount, the last four digits of a card, or a word), or a word.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from financial import money

LENGTH_MAX = 200
PARTS_MAX = 12
# Prefix of an id, and the kind of object it names, in Stripe's words.
KINDS: Mapping[str, str] = {
    "pi": "payment_intent",
    "ch": "charge",
    "py": "charge",
    "cus": "customer",
    "sub": "subscription",
    "in": "invoice",
    "re": "refund",
    "pyr": "refund",
    "dp": "dispute",
    "du": "dispute",
    "po": "payout",
    "txn": "balance_transaction",
    "prod": "product",
    "price": "price",
    "plan": "price",
    "evt": "event",
}
_ID = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(KINDS)})_[A-Za-z0-9_]{{1,200}}")
_ADDRESS = re.compile(r"https?://\S+\Z", re.IGNORECASE)
_PART = re.compile(r'(?:[^\s":]+:)?"[^"]*"|\S+')
_OPERATOR = re.compile(r"(status|currency|amount|date|customer|last4)(:|>=|<=|>|<|=)(.*)\Z", re.IGNORECASE | re.DOTALL)
_EVENT_TYPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+\Z")
_SYMBOLS: Mapping[str, frozenset[str]] = {
    "$": frozenset("usd aud cad nzd sgd hkd mxn twd ars clp cop brl".split()),
    "€": frozenset({"eur"}),
    "£": frozenset({"gbp"}),
    "¥": frozenset({"jpy", "cny"}),
    "₹": frozenset({"inr"}),
    "₩": frozenset({"krw"}),
    "₺": frozenset({"try"}),
    "₱": frozenset({"php"}),
    "₪": frozenset({"ils"}),
    "฿": frozenset({"thb"}),
    "₫": frozenset({"vnd"}),
    "₴": frozenset({"uah"}),
    "₦": frozenset({"ngn"}),
}
_AMOUNT = re.compile(
    r"[-−+]?(?P<before>[A-Za-z]{3}|[$€£¥₹₩₺₱₪฿₫₴₦])?(?P<digits>[0-9][0-9.,']*)(?P<after>[A-Za-z]{3}|[$€£¥₹₩₺₱₪฿₫₴₦])?\Z"
)
_PLAIN = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,3})?\Z")
_ENGLISH = re.compile(r"[0-9]{1,3}(?:[,'][0-9]{3}){1,4}(?:\.[0-9]{1,3})?\Z")
_CONTINENTAL = re.compile(r"(?:[0-9]{1,15}|[0-9]{1,3}(?:\.[0-9]{3}){1,4}),[0-9]{1,2}\Z|[0-9]{1,3}(?:\.[0-9]{3}){2,4}\Z")
_DAY = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?\Z")
LOOKUPS = {":": "exact", "=": "exact", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


@dataclass(frozen=True)
class Amount:
    """An amount in major units, of these currencies, or of any where none is named."""

    value: Decimal
    currencies: frozenset[str] = frozenset()

    def minor_in(self, currency: str) -> int | None:
        """Return the minor units it is in `currency`; None where that currency has no such amount, or is not meant."""
        if currency not in money.CURRENCIES or (self.currencies and currency not in self.currencies):
            return None
        minor = self.value.scaleb(money.exponent(currency))
        return int(minor) if minor == minor.to_integral_value() else None


@dataclass(frozen=True)
class Bound:
    """`amount>100`: how amounts compare (a word of `LOOKUPS`) with one."""

    lookup: str
    amount: Amount


@dataclass(frozen=True)
class Number:
    """A part of digits: an amount, maybe the last four of a card, maybe only a word."""

    text: str
    amount: Amount | None
    last4: str = ""


@dataclass(frozen=True)
class Search:
    """What was typed. `problems` are sentences about what could not be understood; then nothing is to be found."""

    text: str = ""
    stripe_id: str = ""
    words: tuple[str, ...] = ()
    numbers: tuple[Number, ...] = ()
    customer: str = ""
    status: str = ""
    currency: str = ""
    last4: str = ""
    bounds: tuple[Bound, ...] = ()
    first: dt.date | None = None
    last: dt.date | None = None
    problems: tuple[str, ...] = field(default=())

    @property
    def kind(self) -> str:
        """What kind of object the id names; empty where there is none."""
        return kind_of(self.stripe_id)

    @property
    def single(self) -> str:
        """The text where it is one part that is no operator: it may be a number of an invoice or a trace id."""
        parts = (*self.words, *(number.text for number in self.numbers))
        return parts[0] if len(parts) == 1 and not self.operators else ""

    @property
    def event_type(self) -> str:
        return self.single if _EVENT_TYPE.match(self.single) else ""

    @property
    def operators(self) -> frozenset[str]:
        """The names of the operators used, but for `date`, which fits every kind of row."""
        used = {
            "status": self.status,
            "currency": self.currency,
            "amount": self.bounds,
            "customer": self.customer,
            "last4": self.last4,
        }
        return frozenset(name for name, value in used.items() if value)

    @property
    def is_empty(self) -> bool:
        return not (self.stripe_id or self.words or self.numbers or self.operators or self.first or self.last)


def kind_of(stripe_id: str) -> str:
    """Return what kind of object an id names, in Stripe's words; empty where the prefix is none we know."""
    return KINDS.get(stripe_id.partition("_")[0], "") if _ID.fullmatch(stripe_id) else ""


def read(text: str) -> Search:
    """Read what was typed or pasted; a Stripe Dashboard address stands for the id in it."""
    text = " ".join(text.replace("\0", " ")[:LENGTH_MAX].split())
    if found := _pasted_id(text):
        return Search(text=found, stripe_id=found)
    search = Search(text=text)
    parts = [_unquoted(part) for part in _PART.findall(text)][:PARTS_MAX]
    for part in _joined_currencies(parts):
        search = _with_part(search, part)
    return search


def _pasted_id(text: str) -> str:
    """Return the id that is all of the text, or the last one in an address; never what follows it in a client secret."""
    text = text.strip("\"'<>.,;()")
    if _ADDRESS.match(text):
        found = _ID.findall(text)
        return str(found[-1]).partition("_secret_")[0] if found else ""
    text = text.partition("_secret_")[0]
    return text if _ID.fullmatch(text) else ""


def _unquoted(part: str) -> str:
    return part.replace('"', "").strip()


def _joined_currencies(parts: list[str]) -> Iterator[str]:
    """Put "4900 jpy" and "EUR 49" together."""
    waiting = ""
    for part in parts:
        joined = waiting + part
        is_code = part.lower() in money.CURRENCIES
        if waiting and (is_code or waiting.isalpha()) and _amount(joined):
            yield joined
            waiting = ""
            continue
        if waiting:
            yield waiting
        waiting = part if _amount(part) or (is_code and part.isupper()) else ""
        if not waiting and part:
            yield part
    if waiting:
        yield waiting


def _with_part(search: Search, part: str) -> Search:
    if operator := _OPERATOR.match(part):
        name, sign, value = operator.group(1).lower(), operator.group(2), operator.group(3).strip()
        return _with_operator(search, name, sign, value)
    amount = _amount(part)
    last4 = part if len(part) == 4 and part.isascii() and part.isdigit() else ""
    if amount or last4:
        return replace(search, numbers=(*search.numbers, Number(part, amount, last4)))
    return replace(search, words=(*search.words, part))


def _with_operator(search: Search, name: str, sign: str, value: str) -> Search:
    if not value:
        return _refused(search, f"“{name}{sign}” needs a value behind it, without a space between.")
    if sign not in (":", "=") and name != "amount":
        return _refused(search, f"“{name}” takes a colon: {name}:{value}.")
    if name == "amount":
        amount = _amount(value)
        if amount is None:
            return _refused(search, f"“{value}” is not an amount; write one like 49, 49.00 or 1,234.50.")
        return replace(search, bounds=(*search.bounds, Bound(LOOKUPS[sign], amount)))
    if name == "date":
        return _with_days(search, value)
    if name == "currency" and value.lower() not in money.CURRENCIES:
        return _refused(search, f"“{value}” is not a currency; write a code like eur.")
    if name == "last4" and not (len(value) == 4 and value.isascii() and value.isdigit()):
        return _refused(search, "last4 takes the four last digits of a card: last4:4242.")
    if name == "customer":
        return replace(search, customer=value)
    return replace(search, status=value.lower()) if name == "status" else _with_code(search, name, value)


def _with_code(search: Search, name: str, value: str) -> Search:
    return replace(search, last4=value) if name == "last4" else replace(search, currency=value.lower())


def _refused(search: Search, problem: str) -> Search:
    return replace(search, problems=(*search.problems, problem))


def _amount(text: str) -> Amount | None:
    """Return the amount a text is, if it is one: 49, 49.00, €49, 1,234.50, 1.234,50, 49eur."""
    found = _AMOUNT.match(text)
    if not found:
        return None
    value = _decimal(found["digits"])
    named = [_currencies(sign) for sign in (found["before"], found["after"]) if sign]
    if value is None or len(named) > 1 or not all(named):
        return None
    return Amount(value, named[0] if named else frozenset())


def _currencies(sign: str) -> frozenset[str]:
    code = sign.lower()
    return _SYMBOLS.get(sign) or (frozenset({code}) if code in money.CURRENCIES else frozenset())


def _decimal(digits: str) -> Decimal | None:
    if digits.startswith("0") and len(digits) > 1 and digits[1].isdigit():
        return None  # 0042 is a number of something, no amount
    if _PLAIN.match(digits):
        return Decimal(digits)
    if _ENGLISH.match(digits):
        return Decimal(digits.replace(",", "").replace("'", ""))
    if _CONTINENTAL.match(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    return None


def _with_days(search: Search, value: str) -> Search:
    start, _, end = value.partition("..")
    first, last = _days(start), _days(end or start)
    if not first or not last or first[0] > last[1]:
        forms = "2026-10-05, 2026-10, 2026 or 2026-10-01..2026-10-15"
        return _refused(search, f"“{value}” is not a day, month or year; write {forms}.")
    return replace(search, first=first[0], last=last[1])


def _days(text: str) -> tuple[dt.date, dt.date] | None:
    """Return the first and the last day of what is named, a day, a month or a year."""
    found = _DAY.match(text)
    if not found or not 2000 <= int(found[1]) <= 2100:
        return None
    year, month, day = int(found[1]), int(found[2] or 0), int(found[3] or 0)
    try:
        start = dt.date(year, month or 1, day or 1)
    except ValueError:
        return None
    end_month = month or 12
    return start, dt.date(year, end_month, day or calendar.monthrange(year, end_month)[1])
