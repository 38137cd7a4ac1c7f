"""Bands of amounts, by which what payments cost is told apart. Pure: no Django, no Stripe."""

from __future__ import annotations

from financial import money

# In major units, each band from its own start up to the next.
BANDS = (0, 10, 50, 100, 500, 1000)


def band_of(amount_minor: int, currency: str) -> int:
    """Return the start of the band an amount is in, in major units: 1250 usd -> 10, 500 jpy -> 500."""
    return next((start for start in reversed(BANDS) if amount_minor >= starts_at(start, currency)), BANDS[0])


def starts_at(band: int, currency: str) -> int:
    """Return the start of a band in minor units; of a currency we do not know, as if it had two decimals."""
    return band * int(10 ** (money.exponent(currency) if currency in money.CURRENCIES else 2))


def band_words(band: int, currency: str) -> str:
    """Return what a band is called: `below $10.00`, `$10.00 – $50.00`, `$1,000.00 and more`."""
    begin = money.display(starts_at(band, currency), currency)
    if band == BANDS[-1]:
        return f"{begin} and more"
    end = money.display(starts_at(BANDS[BANDS.index(band) + 1], currency), currency)
    return f"{begin} – {end}" if band else f"below {end}"
