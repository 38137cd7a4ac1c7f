"""Minor units, major units and how they are shown. Pure: no Django, no Stripe, no float.

Stripe counts in the smallest unit it uses for a currency, which is not always the ISO one: UGX and ISK have no cents in
life but two decimals at Stripe. Hence one table here, and Babel only for symbols and separators.

Stripe: https://docs.stripe.com/currencies
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, Inexact, localcontext
from functools import lru_cache
from typing import NamedTuple

from financial.errors import InexactAmount, InvalidAmount, UnknownCurrency

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Stripe sends these with two decimals that must be 00, although nobody pays with their cents.
WHOLE_UNITS_ONLY = frozenset({"isk", "ugx"})
TWO_DECIMAL = frozenset(
    "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop"
    " crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd"
    " kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mro mur mvr mwk mxn myr mzn nad ngn nio nok"
    " npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sll sos srd std svc szl thb tjs"
    " top try ttd twd tzs uah ugx usd uyu uzs wst xcd xcg yer zar zmw usdc".split()
)
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

# Smallest charge, in minor units, for a settlement in the same currency.
MINIMUM_CHARGE_MINOR = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30,
    "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000, "zar": 50,
}  # fmt: skip
MAXIMUM_CHARGE_MINOR = 999_999_999_999  # twelve digits, cards; other methods are refused by Stripe itself


def exponent(currency: str) -> int:
    """Return how many decimals Stripe counts for `currency`: 0, 2 or 3.

    Raises:
        UnknownCurrency: the code is not in the table.
    """
    code = currency.lower()
    if code in ZERO_DECIMAL:
        return 0
    if code in THREE_DECIMAL:
        return 3
    if code in TWO_DECIMAL:
        return 2
    raise UnknownCurrency(f"“{currency}” is not a currency Stripe charges in; use a three-letter code such as usd.")


def to_minor(amount: Decimal, currency: str) -> int:
    """Return `amount` in the minor units Stripe expects for `currency`.

    Major units in, minor units out: 12.50 eur -> 1250, 500 jpy -> 500, 5.12 kwd -> 5120, 5 isk -> 500.

    Raises:
        UnknownCurrency: the code is not in the table.
        InexactAmount: more decimals than the currency has; callers round first.

    Stripe: https://docs.stripe.com/currencies#zero-decimal
    """
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise InexactAmount(f"An amount is a finite Decimal in major units, not {amount!r}.")
    if amount.adjusted() > 15:
        raise InvalidAmount(f"{_shown(amount)} is larger than any amount Stripe accepts.")
    digits = exponent(currency)
    with localcontext() as exact:
        exact.prec = 60
        exact.traps[Inexact] = True  # what does not fit into 60 digits has more than two decimals, too
        try:
            whole = amount.scaleb(digits).quantize(Decimal(1))
        except Inexact:
            raise InexactAmount(
                f"{currency.upper()} amounts have {_decimals(digits)}; {_shown(amount)} has more."
            ) from None
    _refuse_unusable_digits(int(whole), amount, currency.lower())
    return int(whole)


def _decimals(digits: int) -> str:
    return {0: "no decimals", 2: "two decimals", 3: "three decimals"}[digits]


def _shown(amount: Decimal) -> str:
    """The amount as it was written, unless nobody would read it to its end."""
    written = str(amount)
    return written if len(written) <= 40 else f"{written[:40]}…"


def _refuse_unusable_digits(minor: int, amount: Decimal, code: str) -> None:
    if code in THREE_DECIMAL and minor % 10:
        raise InexactAmount(f"Stripe needs the last decimal of a {code.upper()} amount to be 0; {amount} is not.")
    if code in WHOLE_UNITS_ONLY and minor % 100:
        raise InexactAmount(f"{code.upper()} amounts have no decimals at Stripe; {amount} has.")


def to_major(amount_minor: int, currency: str) -> Decimal:
    """Return minor units as an exact Decimal in major units: 1250 eur -> 12.50, 500 jpy -> 500."""
    return Decimal(f"{amount_minor}E-{exponent(currency)}")  # a constructor is exact in any context


def charge_minor(amount: Decimal, currency: str) -> int:
    """Return the minor units of an amount to be charged, refusing what Stripe would refuse anyway.

    Raises:
        InvalidAmount: zero, negative, under the currency's minimum or over the maximum.
        UnknownCurrency, InexactAmount: as `to_minor`.
    """
    minor = to_minor(amount, currency)
    if minor <= 0:
        raise InvalidAmount("The amount must be greater than zero.")
    least = MINIMUM_CHARGE_MINOR.get(currency.lower(), 1)
    if minor < least:
        raise InvalidAmount(f"Stripe's smallest charge in {currency.upper()} is {display(least, currency)}.")
    if minor > MAXIMUM_CHARGE_MINOR:
        raise InvalidAmount(
            f"Stripe's largest charge in {currency.upper()} is {display(MAXIMUM_CHARGE_MINOR, currency)}."
        )
    return minor


def percent_and_fixed_minor(amount_minor: int, rate: Decimal, fixed_minor: int) -> int:
    """Return `rate` of the amount plus a fixed part, rounded once, half up, on the exact total.

    Minor units in and out: 500 at 0.029 + 30 -> 45 (44.5 rounded up).

    Stripe: https://support.stripe.com/questions/rounding-rules-for-stripe-fees
    """
    exact = rate * amount_minor + fixed_minor
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def display(amount_minor: int, currency: str, locale: str = "en_US") -> str:
    """Return minor units as people write them: 1050 usd -> $10.50, 500 jpy -> ¥500, 5120 kwd -> KWD 5.120.

    A code we do not know is shown as a bare count of minor units, so that nothing is ever hidden or guessed.
    """
    code = currency.lower()
    if code not in CURRENCIES:
        return f"{amount_minor} {currency.upper()} (minor units)"
    decimals = exponent(code)
    shown = 0 if code in WHOLE_UNITS_ONLY and amount_minor % 100 == 0 else decimals
    writing = _writing(code.upper(), shown, locale)
    whole, rest = divmod(abs(amount_minor), 10**decimals)
    digits = _grouped(whole, writing)
    if shown:
        digits += f"{writing.point}{rest:0{shown}}"
    before, after = writing.negative if amount_minor < 0 else writing.positive
    return f"{before}{digits}{after}"


def with_code(amount_minor: int, currency: str) -> str:
    """Return `display` with the ISO code beside it, for texts and buttons: $10.50 USD, KWD 5.120."""
    text, code = display(amount_minor, currency), currency.upper()
    return text if code in text else f"{text} {code}"


class _Writing(NamedTuple):
    """How a locale writes a currency: what stands around the digits, and between them; `size` of all groups but the last."""

    positive: tuple[str, str]
    negative: tuple[str, str]
    group: str
    size: int
    point: str


def _grouped(whole: int, writing: _Writing) -> str:
    if writing.size == 3:
        return f"{whole:,}".replace(",", writing.group)
    text = str(whole)
    head, groups = text[:-3], [text[-3:]]
    while head:
        head, last = head[: -writing.size], head[-writing.size :]
        groups.insert(0, last)
    return writing.group.join(groups)


@lru_cache(maxsize=512)
def _writing(code: str, decimals: int, locale: str) -> _Writing:
    """Read off two samples of Babel's how it writes amounts: asked for each, it takes twenty times as long."""
    from babel import Locale
    from babel.numbers import get_currency_symbol, parse_pattern

    parsed = Locale.parse(locale)
    pattern = parse_pattern(parsed.currency_formats["standard"].pattern)
    pattern.frac_prec = (decimals, decimals)
    spaced = get_currency_symbol(code, locale) == code

    def around(sample: int) -> tuple[tuple[str, str], str]:
        text: str = pattern.apply(Decimal(sample), parsed, currency=code, currency_digits=False).replace("-", "−")
        if spaced:
            text = text.replace(code, f"{code}\u00a0", 1).replace("\u00a0\u00a0", "\u00a0")
        first = text.index("1")
        last = text.rindex("0" if decimals else "1") + 1
        return (text[:first], text[last:]), text[first:last]

    (positive, digits), (negative, _) = around(1_111), around(-1_111)
    group = digits[1 : digits.index("1", 1)]
    return _Writing(positive, negative, group, pattern.grouping[1], digits.rstrip("0")[-1] if decimals else "")
