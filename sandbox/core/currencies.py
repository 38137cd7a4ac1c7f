"""Minor units, minimum charges, fees and conversion; integers in, integers out.

Stripe: https://docs.stripe.com/currencies#zero-decimal
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .settings import Settings

ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
WHOLE_ONLY = frozenset("isk ugx".split())
TWO_DECIMAL = frozenset(
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd"
    " cad cdf chf cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd"
    " hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt"
    " mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub"
    " sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst"
    " xcd yer zar zmw".split()
)
KNOWN = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

# The least amount a card can be charged, in minor units of the presentment currency.
MINIMUM = {
    "usd": 50, "aed": 200, "aud": 50, "brl": 50, "cad": 50, "chf": 50, "czk": 1500, "dkk": 250,
    "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500, "inr": 50, "jpy": 50, "krw": 50, "mxn": 1000,
    "myr": 200, "nok": 300, "nzd": 50, "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
    "zar": 50,
}  # fmt: skip
MAXIMUM = 99_999_999


def exponent(currency: str) -> int:
    """Return how many decimals Stripe counts for `currency`: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def half_up(value: Decimal) -> int:
    """Round to whole minor units, halves away from zero."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def fee(amount: int, currency: str, settings: Settings, *, foreign: bool = False, converted: bool = False) -> int:
    """Return the processing fee of a settled charge, rounded once on the exact total."""
    percent = Decimal(settings.fee_percent)
    percent += Decimal(settings.fee_international_percent) if foreign else 0
    percent += Decimal(settings.fee_conversion_percent) if converted else 0
    exact = Decimal(amount) * percent / 100
    return half_up(exact + settings.fee_fixed_minor.get(currency, 0))


def settlement_currency(currency: str, settings: Settings) -> str:
    """Return the balance a payment in `currency` lands in."""
    return currency if currency in settings.balance_currencies else settings.default_currency


def exchange_rate(currency: str, into: str, settings: Settings, on: int) -> Decimal:
    """Return major units of `into` per major unit of `currency` on the day of `on`.

    Rates drift by up to one percent from day to day (`rate_drift_percent`), so that a refund or
    a dispute of a converted payment meets another rate than the payment did.
    """
    rates = settings.exchange_rates
    base = Decimal(rates.get(currency, "1")) / Decimal(rates.get(into, "1"))
    drift = Decimal(((on // 86400) * 7919) % 201 - 100) / 10000 * Decimal(settings.rate_drift_percent)
    return (base * (1 + drift)).quantize(Decimal("0.00000001")).normalize()


def convert(amount: int, currency: str, into: str, rate: Decimal) -> int:
    """Return `amount` of `currency` in minor units of `into`, half-up."""
    shift = Decimal(10) ** (exponent(into) - exponent(currency))
    return half_up(Decimal(amount) * rate * shift)


def minimum(currency: str, settings: Settings) -> int:
    """Return the least chargeable amount of `currency` in its minor units."""
    if currency in MINIMUM:
        return MINIMUM[currency]
    rate = Decimal(settings.exchange_rates.get(currency, "1"))
    shift = Decimal(10) ** (exponent(currency) - 2)
    return max(1, half_up(Decimal(50) / rate * shift))


def display(amount: int, currency: str) -> str:
    """Return `amount` in major units with its code, as error messages show it."""
    digits = exponent(currency)
    value = Decimal(amount).scaleb(-digits)
    return f"{value:.{digits}f} {currency}"
