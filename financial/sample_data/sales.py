"""What is sold, to whom, and every attempt to pay for it. Pure."""

from __future__ import annotations

from decimal import Decimal

from financial.sample_data import catalog, shapes
from financial.sample_data.shapes import Payload
from financial.sample_data.state import DAY, HOUR, State, rounded, settled

CUSTOMERS = 200
SUCCEEDED_PAYMENTS = 1_500
UNPAID_SALES = {"requires_payment_method": 84, "canceled": 14, "requires_action": 6, "processing": 4}
UNSETTLED_SALES = 6  # of the last day: their balance transaction has not come yet, so their fee is an estimate
FEES = {"usd": (Decimal("0.029"), 30), "eur": (Decimal("0.029"), 25), "jpy": (Decimal("0.054"), 30)}


def stock(state: State) -> None:
    """Tell of every product and price."""
    for sold in catalog.PRODUCTS:
        product = shapes.product(
            id=f"prod_sample_{sold.key}",
            name=sold.name,
            description=sold.description,
            active=sold.active,
            created=state.start,
            updated=state.start,
            metadata=catalog.metadata_of(sold),
            default_price=f"price_sample_{sold.prices[0].key}",
        )
        state.told["product"].append(product)
        state.told["price"].extend(_price(price, product["id"], state.start) for price in sold.prices)


def _price(price: catalog.Price, product: str, created: int) -> Payload:
    known: Payload = {
        "id": f"price_sample_{price.key}",
        "product": product,
        "currency": price.currency,
        "unit_amount": price.amount,
        "nickname": price.nickname or None,
        "active": price.active,
        "created": created,
    }
    if price.interval:
        known |= {"type": "recurring", "recurring": shapes.recurring(price.interval, price.interval_count)}
    if price.tiers:
        known |= {"billing_scheme": "tiered", "tiers_mode": price.tiers_mode}
        known["tiers"] = [shapes.tier(up_to, amount) for up_to, amount in price.tiers]
    return shapes.price(**known)


def welcome(state: State) -> None:
    """Tell of every customer, no two of one name."""
    names: set[tuple[str, str]] = set()
    while len(names) < CUSTOMERS:
        name = (state.rng.choice(catalog.FIRST_NAMES), state.rng.choice(catalog.LAST_NAMES))
        if name not in names:
            names.add(name)
            state.told["customer"].append(_customer(state, *name))


def _customer(state: State, first: str, last: str) -> Payload:
    number = len(state.told["customer"]) + 1
    currency = state.pick((("usd", 60), ("eur", 30), ("jpy", 10)))[0]
    city, postal_code, country = state.rng.choice(catalog.PLACES[currency])
    return shapes.customer(
        id=state.next_id("cus", "customer"),
        name=f"{first} {last}",
        email=f"{first}.{last}@example.com".lower(),
        phone=f"+1555010{number:04d}",
        address=shapes.address(city, postal_code, country, f"{number} Sample Street"),
        created=state.moment(state.start, state.end - 40 * DAY),
        currency=currency,
        delinquent=False,
        invoice_prefix=f"SAMPLE{number:04d}",
        metadata={"sample": "yes"},
        payment_method=f"pm_sample_{number:06d}",
    )


def sell(state: State) -> list[Payload]:
    """Sell until the promised number of payments has succeeded; return the settled charges of what was sold."""
    done = sum(1 for payment in state.told["payment_intent"] if payment["status"] == "succeeded")
    outcomes = ["succeeded"] * (SUCCEEDED_PAYMENTS - done)
    outcomes += [status for status, count in UNPAID_SALES.items() for _ in range(count)]
    state.rng.shuffle(outcomes)
    first = len(state.told["charge"])
    for outcome in outcomes:
        _sale(state, outcome)
    charges = [charge for charge in state.told["charge"][first:] if charge["paid"]]
    for _ in range(UNSETTLED_SALES):
        _sale(state, "succeeded", at=state.end - state.moment(600, 20 * HOUR), is_settled=False)
    return charges


def _sale(state: State, outcome: str, *, at: int | None = None, is_settled: bool = True) -> None:
    customer = state.rng.choice(state.told["customer"])
    price = catalog.price_by_key()[state.pick(catalog.ONE_TIME[customer["currency"]])[0]]
    copies = state.rng.choices((1, 2, 3, 5), (80, 12, 5, 3))[0]
    if at is None:  # more of the sales are of late: the press grows
        since = customer["created"]
        at = since + int((state.end - DAY - since) * state.rng.random() ** 0.8)
    title = next(sold.name for sold in catalog.PRODUCTS if price in sold.prices)
    text = title if copies == 1 else f"{title} × {copies}"
    pay(state, customer, catalog.amount_of(price, copies), at, text, outcome, is_settled=is_settled)


def pay(
    state: State,
    customer: Payload,
    amount: int,
    at: int,
    description: str,
    outcome: str,
    *,
    is_settled: bool = True,
) -> None:
    """Tell of one payment that ends in the status `outcome`, with its charge and balance transaction if it has them."""
    known: Payload = {
        "id": state.next_id("pi", "payment_intent"),
        "amount": amount,
        "currency": customer["currency"],
        "customer": customer["id"],
        "created": at,
        "status": outcome,
        "description": description,
        "payment_method": customer["invoice_settings"]["default_payment_method"],
        "metadata": {"sample": "yes"},
    }
    if outcome == "canceled":
        known |= {"canceled_at": at + DAY, "cancellation_reason": "abandoned", "payment_method": None}
    elif outcome == "requires_action":
        known["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    elif outcome == "processing":
        known["processing"] = {"type": "card", "card": {}}
    elif outcome == "succeeded":
        known["latest_charge"] = _charge(state, known, customer, is_settled=is_settled)
    else:
        known |= _failure(state, known, customer)
    state.told["payment_intent"].append(shapes.payment_intent(**known))


def _failure(state: State, intent: Payload, customer: Payload) -> Payload:
    code, _, decline_code, message = state.pick(catalog.DECLINES)
    charge = _charge(state, intent, customer, failure=(code, message))
    error = shapes.payment_error(charge, code, decline_code, message)
    return {"latest_charge": charge, "last_payment_error": error, "payment_method": None}


def _charge(
    state: State,
    intent: Payload,
    customer: Payload,
    *,
    failure: tuple[str, str] | None = None,
    is_settled: bool = True,
) -> str:
    brand, last4 = catalog.CARDS[int(customer["id"].rsplit("_")[-1]) % len(catalog.CARDS)]
    card = shapes.card(brand, last4, customer["address"]["country"], exp_year=2030)
    billing = {name: customer[name] for name in ("address", "email", "name", "phone")}
    same = {name: intent[name] for name in "amount currency customer created description payment_method".split()}
    known = same | {
        "id": state.next_id("ch", "charge"),
        "payment_intent": intent["id"],
        "status": "failed" if failure else "succeeded",
        "balance_transaction": None,
    }
    if failure:
        known |= {"failure_code": failure[0], "failure_message": failure[1]}
    elif is_settled:
        known["balance_transaction"] = _settle(state, known)
    state.told["charge"].append(shapes.charge(card, billing, **known))
    return str(known["id"])


def _settle(state: State, charge: Payload) -> str:
    gross = settled(charge["amount"], charge["currency"])
    rate, fixed = FEES[charge["currency"]]
    return str(state.move("charge", "charge", charge, gross, fee=rounded(gross * rate + fixed))["id"])
