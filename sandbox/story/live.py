"""Something believable, now: a payment, a refused card, a new subscriber, a refund."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from sandbox.core.store import Object

from .account import BAD, Plan, Story
from .shelf import Shelf, found

if TYPE_CHECKING:
    from sandbox.core import World

_WEIGHTS = {"buy": 58, "arrive": 12, "subscribe": 14, "refund": 8, "decline": 8}


class Life:
    """Keeps an account that `build` made alive, one small event at a time."""

    def __init__(self, world: World, seed: int = 7) -> None:
        self.world = world
        self.dice = Random(f"live {seed} {world.ids.counter}")
        shelf: Shelf = found(world)
        self.story = Story(world, Plan(end=1 << 60), int(world.main.now), self.dice, shelf)

    def step(self) -> str:
        """Let one thing happen; return what it was."""
        what = self.dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        {"buy": self._buy, "arrive": self._arrive, "subscribe": self._subscribe, "refund": self._refund,
         "decline": self._decline}[what]()  # fmt: skip
        self.story.agenda.clear()
        return what

    def _customer(self) -> Object:
        keys = self.world.store.table("customer").order
        customer = self.world.raw("customer", self.dice.choice(keys)[2])
        if customer["invoice_settings"]["default_payment_method"] is None:
            self.story.new_card(customer, "pm_card_visa")
        return customer

    def _currency(self, customer: Object) -> str:
        country: str = (customer["address"] or {}).get("country") or ""
        usual: str = customer["currency"] or "usd"
        return {"US": "usd", "DE": "eur", "FR": "eur", "JP": "jpy"}.get(country, usual)

    def _buy(self) -> None:
        customer = self._customer()
        self.story.buy(customer, self._currency(customer))

    def _arrive(self) -> None:
        self.story.arrive()
        customer = self.world.raw("customer", self.world.store.table("customer").order[-1][2])
        if customer["invoice_settings"]["default_payment_method"]:
            self.story.buy(customer, self._currency(customer))

    def _subscribe(self) -> None:
        customer = self._customer()
        currency = self._currency(customer)
        if customer["currency"] in (None, currency):
            self.story.subscribe(customer, currency)

    def _refund(self) -> None:
        keys = self.world.store.table("charge").order[-200:]
        charge = self.world.raw("charge", self.dice.choice(keys)[2]) if keys else None
        if charge and charge["status"] == "succeeded":
            self.story.refund(charge["id"])

    def _decline(self) -> None:
        customer = self._customer()
        currency = self._currency(customer)
        amount = self.dice.choice((1800, 2100, 3200, 4500))
        self.story.attempt({"amount": amount, "currency": currency, "customer": customer["id"], "confirm": True,
                            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                            "description": "Order at tideline.example.com",
                            "payment_method": self.dice.choice(BAD)})  # fmt: skip
