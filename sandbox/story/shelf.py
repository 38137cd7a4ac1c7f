"""What the publisher sells: books, magazines, courses, an API; and its prices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.core import catalog, coupons, payment_links

if TYPE_CHECKING:
    from sandbox.core import World

BOOKS = (
    ("The Slow Garden", "Hardcover, 240 pages. A year in a small garden.", 3200, 2900, 4200),
    ("Letters from the Tideline", "Paperback, 180 pages. Essays from the coast.", 1800, 1650, 2400),
    ("Bread, Patiently", "Hardcover, 310 pages. Sixty loaves and how to wait for them.", 3900, 3500, 5200),
    ("A Field Guide to Quiet", "Paperback, 200 pages. Walks within an hour of the city.", 2100, 1950, 2800),
    ("Maps for Indoor People", "Large format, 96 pages.", 4500, 4200, 5900),
    ("Winter Notebook", "Limited edition, numbered. Sold out of its first run.", 6400, 5900, 8400),
)
COURSES = (
    ("Course: Bookbinding at Home", "Eight lessons on video with a kit list.", 8900, 8200, 11800),
    ("Course: Writing Short Essays", "Six weeks, feedback in small groups.", 14900, 13900, 19800),
)
MAGAZINES = (
    ("Marginalia Magazine, digital", "Every issue as PDF and EPUB.", 600, 550, 800, 6000, 5500, 8000),
    ("Marginalia Magazine, print", "Six issues a year in your letterbox.", 1200, 1150, 1600, 12000, 11500, 16000),
    (
        "Marginalia Circle",
        "Print, digital, and two evenings with authors a year.",
        2500,
        2300,
        3300,
        25000,
        23000,
        33000,
    ),
    ("Study Room", "All courses while you are a member.", 1900, 1750, 2500, 19000, 17500, 25000),
)
CURRENCIES = ("usd", "eur", "jpy")


class Shelf:
    """The prices by what they are good for: (currency, kind) -> ids."""

    def __init__(self) -> None:
        self.once: dict[str, list[str]] = {c: [] for c in CURRENCIES}
        self.monthly: dict[str, list[str]] = {c: [] for c in CURRENCIES}
        self.yearly: dict[str, list[str]] = {c: [] for c in CURRENCIES}
        self.seats: list[str] = []


def stock(world: World) -> Shelf:
    """Create the products, prices and coupons."""
    shelf = Shelf()
    for name, text, *amounts in (*BOOKS, *COURSES):
        product = _product(world, name, text, "copy" if "Course" not in name else "seat")
        for currency, amount in zip(CURRENCIES, amounts, strict=True):
            price = _price(world, product, currency, amount)
            shelf.once[currency].append(price)
            if currency == "usd":
                world.change(world.raw("product", product), default_price=price)
    for name, text, *amounts in MAGAZINES:
        product = _product(world, name, text, "subscription")
        for place, currency in enumerate(CURRENCIES):
            monthly = _price(world, product, currency, amounts[place], "month")
            shelf.monthly[currency].append(monthly)
            shelf.yearly[currency].append(_price(world, product, currency, amounts[place + 3], "year"))
            if currency == "usd":
                world.change(world.raw("product", product), default_price=monthly)
    _api_plans(world, shelf)
    coupons.create(world, {"id": "WELCOME10", "percent_off": 10.0, "duration": "once", "name": "Welcome, 10 % off"})
    coupons.create(
        world,
        {
            "id": "LIBRARY25",
            "percent_off": 25.0,
            "duration": "repeating",
            "duration_in_months": 6,
            "name": "Libraries, 25 % off",
        },
    )
    coupons.create(
        world,
        {"id": "FRIEND5", "amount_off": 500, "currency": "usd", "duration": "forever", "name": "Friends of the press"},
    )
    coupons.create_code(world, {"promotion": {"coupon": "WELCOME10"}, "code": "WELCOME"})
    _shop_window(world, shelf)
    return shelf


def _shop_window(world: World, shelf: Shelf) -> None:
    """Offer a book and a magazine to whoever follows a link."""
    thanks = {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "It is on its way to you."}}
    book = {"price": shelf.once["usd"][0], "quantity": 1}
    magazine = {"price": shelf.monthly["usd"][1], "quantity": 1}
    common = {"allow_promotion_codes": True, "after_completion": thanks}
    payment_links.create(world, common | {"line_items": [book]})
    trial = {"subscription_data": {"trial_period_days": 14}}
    payment_links.create(world, common | trial | {"line_items": [magazine]})


def _api_plans(world: World, shelf: Shelf) -> None:
    api = _product(world, "Catalogue API", "Our catalogue as data, for shops and libraries.", "seat")
    graduated = [
        {"up_to": 5, "unit_amount": 900},
        {"up_to": 20, "unit_amount": 700},
        {"up_to": "inf", "unit_amount": 500},
    ]
    volume = [{"up_to": 10, "unit_amount": 800, "flat_amount": 500}, {"up_to": "inf", "unit_amount": 600}]
    for mode, tiers, nick in (
        ("graduated", graduated, "API seats, monthly"),
        ("volume", volume, "API seats by volume"),
    ):
        params: dict[str, Any] = {"currency": "usd", "product": api, "billing_scheme": "tiered", "tiers": tiers,
                                  "tiers_mode": mode, "recurring": {"interval": "month"}, "nickname": nick}  # fmt: skip
        shelf.seats.append(catalog.create_price(world, params)["id"])
    bundle = {"currency": "usd", "product": api, "unit_amount": 1500, "recurring": {"interval": "month"},
              "transform_quantity": {"divide_by": 10, "round": "up"}, "nickname": "API lookups, packs of 10"}  # fmt: skip
    shelf.seats.append(catalog.create_price(world, bundle)["id"])
    support = _product(world, "Reading Room support plan", "Answers within a working day.", "plan")
    shelf.yearly["usd"].append(_price(world, support, "usd", 48000, "year"))
    retired = _product(world, "Marginalia Podcast+", "Ended in spring; kept for old members.", "subscription")
    old = _price(world, retired, "usd", 400, "month")
    catalog.update_price(world, {"active": False}, old)
    catalog.update_product(world, {"active": False}, retired)


def _product(world: World, name: str, text: str, unit: str) -> str:
    product = catalog.create_product(world, {"name": name, "description": text, "unit_label": unit})
    return str(product["id"])


def _price(world: World, product: str, currency: str, amount: int, interval: str = "") -> str:
    params: dict[str, Any] = {"currency": currency, "product": product, "unit_amount": amount}
    if interval:
        params |= {"recurring": {"interval": interval}, "nickname": f"{interval}ly, {currency.upper()}"}
    return str(catalog.create_price(world, params)["id"])


def found(world: World) -> Shelf:
    """Return the shelf of an account that exists already, by the prices that are on sale."""
    shelf = Shelf()
    for price in world.all("price"):
        if not price["active"] or price["currency"] not in CURRENCIES:
            continue
        rhythm = (price["recurring"] or {}).get("interval")
        if price["billing_scheme"] == "tiered" or price["transform_quantity"]:
            shelf.seats.append(price["id"])
        elif rhythm in (None, "month", "year"):
            {None: shelf.once, "month": shelf.monthly, "year": shelf.yearly}[rhythm][price["currency"]].append(
                price["id"]
            )
    return shelf
