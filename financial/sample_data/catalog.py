"""What the sample publisher sells and who buys it. Names only; nothing here is a real person or title.

Amounts are minor units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Price:
    """One price. `interval` is empty for a one-time price; `tiers` are (up to, unit amount), None is the last."""

    key: str
    currency: str
    amount: int | None
    interval: str = ""
    nickname: str = ""
    tiers_mode: str = ""
    tiers: tuple[tuple[int | None, int], ...] = ()
    active: bool = True
    interval_count: int = 1


@dataclass(frozen=True)
class Product:
    key: str
    name: str
    description: str
    prices: tuple[Price, ...]
    active: bool = True
    metadata: tuple[tuple[str, str], ...] = ()


PRODUCTS: tuple[Product, ...] = (
    Product(
        "orchard_paperback", "The Quiet Orchard (paperback)", "A novel of four harvests. 312 pages, sewn.",
        (
            Price("orchard_paperback_usd", "usd", 1800),
            Price("orchard_paperback_eur", "eur", 1700),
            Price("orchard_paperback_jpy", "jpy", 2600),
        ),
        metadata=(("isbn", "sample-0001"), ("format", "paperback")),
    ),
    Product(
        "orchard_ebook", "The Quiet Orchard (e-book)", "EPUB without copy protection.",
        (Price("orchard_ebook_usd", "usd", 999), Price("orchard_ebook_eur", "eur", 949)),
        metadata=(("isbn", "sample-0002"), ("format", "epub")),
    ),
    Product(
        "salt_roads", "Salt Roads (hardcover)", "A history of the old trade routes, with maps.",
        (Price("salt_roads_usd", "usd", 3400), Price("salt_roads_eur", "eur", 3200)),
        metadata=(("isbn", "sample-0003"), ("format", "hardcover")),
    ),
    Product(
        "salt_roads_audio", "Salt Roads (audiobook)", "Read by the author, eleven hours.",
        (Price("salt_roads_audio_usd", "usd", 1950),),
        metadata=(("isbn", "sample-0004"), ("format", "audio")),
    ),
    Product(
        "field_notes", "Field Notes on Rain", "Poems, letterpress, numbered.",
        (Price("field_notes_eur", "eur", 1400), Price("field_notes_jpy", "jpy", 2200)),
        metadata=(("isbn", "sample-0005"), ("format", "chapbook")),
    ),
    Product(
        "tote_bag", "Lanternfish tote bag", "Undyed cotton, screen printed.",
        (Price("tote_bag_usd", "usd", 2200), Price("tote_bag_jpy", "jpy", 3300)),
    ),
    Product(
        "manuscript_review", "Manuscript review", "A reader's report of ten pages within four weeks.",
        (Price("manuscript_review_usd", "usd", 24000),),
    ),
    Product(
        "workshop", "Weekend workshop", "Two days of bookbinding for twelve people.",
        (Price("workshop_eur", "eur", 18000), Price("workshop_jpy", "jpy", 24000)),
    ),
    Product(
        "quarterly", "Lanternfish Quarterly", "The magazine, four issues a year by post.",
        (
            Price("quarterly_usd", "usd", 4800, "year", "Quarterly, yearly"),
            Price("quarterly_eur", "eur", 4400, "year", "Quarterly, yearly"),
        ),
    ),
    Product(
        "reading_circle", "Reading Circle", "One book a month and the evening to talk about it.",
        (
            Price("reading_circle_usd_month", "usd", 800, "month", "Circle, monthly"),
            Price("reading_circle_usd_year", "usd", 8000, "year", "Circle, yearly"),
            Price("reading_circle_eur_month", "eur", 750, "month", "Circle, monthly"),
            Price("reading_circle_jpy_month", "jpy", 1200, "month", "Circle, monthly"),
        ),
    ),
    Product(
        "patron", "Patron of the press", "Your name in the back of every book.",
        (Price("patron_usd", "usd", 2500, "month", "Patron, monthly"),),
    ),
    Product(
        "classroom", "Classroom licence", "All e-books for a class; the price falls with the number of seats.",
        (
            Price(
                "classroom_usd", "usd", None, "month", "Classroom, per seat", "graduated",
                ((10, 400), (30, 300), (None, 200)),
            ),
        ),
    ),
    Product(
        "archive", "Library archive access", "Back issues since the first, for the readers of one library.",
        (
            Price(
                "archive_eur", "eur", None, "year", "Archive, per reader", "volume",
                ((50, 1200), (200, 900), (None, 700)),
            ),
            Price("archive_eur_quarter", "eur", 15000, "month", "Archive, flat by quarter", interval_count=3),
        ),
    ),
    Product(
        "chapbook_club", "Chapbook Club", "Closed: the last chapbook went out in spring.",
        (Price("chapbook_club_usd", "usd", 600, "month", "Chapbook Club", active=False),),
        active=False,
    ),
)  # fmt: skip

# Bought once; the rest of the weight falls on what is cheap.
ONE_TIME: dict[str, tuple[tuple[str, int], ...]] = {
    "usd": (
        ("orchard_paperback_usd", 30), ("orchard_ebook_usd", 34), ("salt_roads_usd", 16),
        ("salt_roads_audio_usd", 12), ("tote_bag_usd", 10), ("manuscript_review_usd", 3),
    ),
    "eur": (
        ("orchard_paperback_eur", 28), ("orchard_ebook_eur", 30), ("salt_roads_eur", 16),
        ("field_notes_eur", 22), ("workshop_eur", 5),
    ),
    "jpy": (("orchard_paperback_jpy", 40), ("field_notes_jpy", 34), ("tote_bag_jpy", 20), ("workshop_jpy", 6)),
}  # fmt: skip
# Subscribed to, with the number of seats that fits.
RECURRING: dict[str, tuple[tuple[str, int, int], ...]] = {
    "usd": (
        ("reading_circle_usd_month", 40, 1), ("reading_circle_usd_year", 16, 1), ("quarterly_usd", 18, 1),
        ("patron_usd", 12, 1), ("classroom_usd", 6, 24), ("chapbook_club_usd", 8, 1),
    ),
    "eur": (
        ("reading_circle_eur_month", 50, 1), ("quarterly_eur", 26, 1), ("archive_eur", 8, 60),
        ("archive_eur_quarter", 6, 1),
    ),
    "jpy": (("reading_circle_jpy_month", 1, 1),),
}  # fmt: skip

FIRST_NAMES = (
    "Ada Amara Anders Beatriz Bruno Carla Chiara Daniel Dina Edith Elias Emeka Esra Farah Felix Greta Hana Hugo Ines"
    " Ivan Jana Jonas Julia Kaito Karin Lars Leila Lina Louis Maja Marco Mei Mira Nadia Nils Nora Olga Oskar Paula"
    " Pedro Quentin Rosa Ruth Samir Sofia Tariq Tessa Uma Viktor Wanda Yara Yusuf Zoe"
).split()
LAST_NAMES = (
    "Abbott Almeida Bakker Baros Castell Cho Dahl Dufour Eriksen Falk Ferrand Gallo Haddad Hartley Ibarra Jansen Keller"
    " Kimura Lindqvist Lowell Marsh Moreau Nakata Novak Okafor Olsen Paredes Petit Quist Rahman Reyes Sato Silva Tanaka"
    " Thorne Ueda Vance Varga Weiss Winter Yamada Zeller"
).split()
PLACES: dict[str, tuple[tuple[str, str, str], ...]] = {  # city, postal code, country
    "usd": (("Portland", "97201", "US"), ("Austin", "78701", "US"), ("Madison", "53703", "US")),
    "eur": (("Berlin", "10115", "DE"), ("Lyon", "69001", "FR"), ("Utrecht", "3511", "NL"), ("Porto", "4000", "PT")),
    "jpy": (("Kyoto", "600-8216", "JP"), ("Sapporo", "060-0042", "JP")),
}  # fmt: skip
CARDS = (("visa", "4242"), ("visa", "0077"), ("mastercard", "4444"), ("amex", "0005"), ("discover", "9424"))

# Why a card is refused: code, weight, decline code, message.
DECLINES: tuple[tuple[str, int, str, str], ...] = (
    ("card_declined", 5, "insufficient_funds", "Your card has insufficient funds."),
    ("card_declined", 4, "generic_decline", "Your card was declined."),
    ("expired_card", 2, "expired_card", "Your card has expired."),
    ("incorrect_cvc", 1, "incorrect_cvc", "Your card's security code is incorrect."),
    ("processing_error", 1, "processing_error", "An error occurred while processing your card. Try again later."),
)

# How many subscriptions end up in which status; together 120.
SUBSCRIPTION_STATUSES: dict[str, int] = {
    "active": 68,
    "trialing": 10,
    "past_due": 7,
    "canceled": 22,
    "unpaid": 4,
    "incomplete": 3,
    "incomplete_expired": 3,
    "paused": 3,
}


def price_by_key() -> dict[str, Price]:
    """Return every price by its key."""
    return {price.key: price for product in PRODUCTS for price in product.prices}


def amount_of(price: Price, quantity: int) -> int:
    """Return what `quantity` costs at this price, minor units."""
    if price.amount is not None:
        return price.amount * quantity
    if price.tiers_mode == "volume":
        return quantity * next(unit for up_to, unit in price.tiers if up_to is None or quantity <= up_to)
    total, below = 0, 0
    for up_to, unit in price.tiers:
        seats = max(0, (quantity if up_to is None else min(quantity, up_to)) - below)
        total += seats * unit
        below = up_to or below
    return total


def metadata_of(product: Product) -> dict[str, Any]:
    """Return a product's metadata as Stripe holds it: text to text."""
    return {"sample": "yes", **dict(product.metadata)}
