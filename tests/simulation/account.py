"""The account at Stripe: the sandbox's core, what others do to it, and which versions of each object there ever were."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import urlencode

import orjson

from financial.mirror.resources import BY_NAME, Resource, own_expand
from financial.mirror.translate import translate
from sandbox.core import Request, Response, World, disputes, expand, handle, money, payouts, refunds, render
from sandbox.core import webhook_endpoints as endpoints
from sandbox.core.errors import StripeError
from sandbox.core.settings import PINNED, Settings
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET

TOMBSTONE = "deleted"
HOT = 5  # moves meet on the newest objects, so that races do
SETTINGS = Settings(
    balance_currencies=("usd", "eur"),
    webhook_retry_seconds=(30, 120, 600, 3600),
    settle_seconds=20,  # a balance transaction comes later than its charge
    refund_seconds=30,
    dispute_seconds=30,
    delay_days=1,
)
Payload = dict[str, Any]


class WatchedWorld(World):
    """A world that knows what was touched since it was last asked."""

    def __init__(self, settings: Settings, *, seed: int, now: float) -> None:
        self.touched: dict[tuple[str, str], None] = {}
        super().__init__(settings, seed=seed, now=now)

    def insert(self, obj: Payload, event: str = "") -> Payload:
        self.touched[obj["object"], obj["id"]] = None
        return super().insert(obj, event)

    def change(self, obj: Payload, event: str = "", **values: Any) -> bool:
        self.touched[obj["object"], obj["id"]] = None
        return super().change(obj, event, **values)

    def delete(self, obj: Payload, event: str = "") -> Payload:
        self.touched[obj["object"], obj["id"]] = None
        return super().delete(obj, event)

    def touch(self, kind: str, id: str) -> None:
        self.touched[kind, id] = None
        super().touch(kind, id)

    def touch_all(self, *kinds: str) -> None:
        for kind in kinds:
            self.touched.update(dict.fromkeys((kind, id) for id in self.store.table(kind).rows))
        super().touch_all(*kinds)


def content(resource: Resource, payload: Mapping[str, Any]) -> str:
    """Return the digest of what a mirror row of this payload holds."""
    row = translate(dict(payload), resource.name, resource.columns)
    return digest({**row.public, **row.private})


def digest(payload: Mapping[str, Any]) -> str:
    """Return a digest of a payload's own content: of a price inside a subscription only the id counts.

    When such a price changes, Stripe tells of the price alone; its copies elsewhere are as old as what holds them.
    """
    own = {name: _named(value) for name, value in payload.items()}
    return hashlib.blake2b(orjson.dumps(own, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def _named(value: Any) -> Any:
    if isinstance(value, list):
        return [_named(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if value.get("object") in ("price", "plan") and "id" in value:
        return value["id"]
    return {name: _named(inner) for name, inner in value.items()}


class Account:
    """Every version of every object, in order, and everything one can do to them from outside."""

    def __init__(self, seed: int, dice: Random, now: float) -> None:
        self.world = WatchedWorld(SETTINGS, seed=seed, now=now)
        self.dice = dice
        self.versions: dict[tuple[str, str], list[str]] = {}
        self.told: dict[str, tuple[str, str, int]] = {}  # event -> its object, and the version it told of
        self.count = 0
        self._found()  # before anybody listens: only a listing shows it
        self._subscribe_to_everything()

    # The API

    def answer(self, request: Request, *, now: float) -> Response:
        """Answer one call as Stripe would at that moment, with the faults that are in force."""
        self.world.tick(now)
        response = handle(self.world, request)
        self.look()
        return response

    def tick(self, now: float) -> None:
        self.world.tick(now)
        self.look()

    def stand_still(self) -> None:
        """Let nothing happen by itself any more: no payout moves on because its hour has come."""
        self.world.main.tasks.clear()

    def payload(self, resource: Resource, stripe_id: str) -> Payload:
        """Return an object as a listing shows it."""
        row = self.world.store.table(resource.name).rows[stripe_id]
        shown = render.view(self.world, row.obj, PINNED)
        shown = expand.apply(self.world, shown, list(own_expand(resource)), PINNED)
        payload: Payload = orjson.loads(orjson.dumps(shown))
        return payload

    def look(self) -> None:
        """Remember the new versions of what was touched."""
        self._note_events()
        touched, self.world.touched = self.world.touched, {}
        for kind, stripe_id in touched:
            row = self.world.store.row(kind, stripe_id)
            if kind not in BY_NAME or row is None:
                continue
            resource = BY_NAME[kind]
            gone = row.obj.get("deleted")
            shown = TOMBSTONE if gone else content(resource, self.payload(resource, stripe_id))
            known = self.versions.setdefault((kind, stripe_id), [])
            if not known or known[-1] != shown:
                known.append(shown)

    def _note_events(self) -> None:
        """Remember what each new event shows: within one request an object may pass through several versions."""
        new = []
        for key in reversed(self.world.store.table("event").order):
            if key[2] in self.told:
                break
            new.append(self.world.raw("event", key[2]))
        for event in reversed(new):
            about = event["_object"]
            kind, stripe_id = about["object"], about["id"]
            known = self.versions.setdefault((kind, stripe_id), [])
            if kind in BY_NAME and not own_expand(BY_NAME[kind]) and not event["type"].endswith(".deleted"):
                payload = orjson.loads(orjson.dumps(render.event_view(self.world, event, PINNED)))["data"]["object"]
                shown = content(BY_NAME[kind], payload)
                if not known or known[-1] != shown:
                    known.append(shown)
            self.told[event["id"]] = (kind, stripe_id, max(len(known) - 1, 0))

    def alive(self, resource: Resource) -> list[str]:
        """Return the ids of the objects that exist, oldest first."""
        return [key[2] for key in self.world.store.table(resource.name).order]

    # What others do

    def move(self) -> str:
        """Do one to three things within the second and return what."""
        done = []
        for _ in range(self.dice.choice((1, 1, 1, 2, 3))):
            name = self.dice.choice(MOVES)
            rules, self.world.faults.rules = self.world.faults.rules, []
            try:
                getattr(self, name)()
                done.append(name)
            except StripeError:
                done.append(f"({name})")
            finally:
                self.world.faults.rules = rules
        self.look()
        return " ".join(done)

    def ask(self, method: str, path: str, **form: Any) -> Payload:
        """Call the API with somebody else's hands.

        Raises:
            StripeError: it refused.
        """
        headers = {"authorization": f"Bearer {TEST_KEY}", "content-type": "application/x-www-form-urlencoded"}
        response = handle(self.world, Request(method, path, "", urlencode(form).encode(), headers))
        answer: Payload = response.json()
        if response.status != 200:
            raise StripeError(response.status, str(answer.get("error")))
        return answer

    def _hot(self, kind: str) -> str:
        order = self.world.store.table(kind).order
        if not order:
            raise StripeError(404, f"no {kind} yet")
        return str(self.dice.choice(order[-HOT:])[2])

    def _name(self, what: str) -> str:
        self.count += 1
        return f"{what} {self.count}"

    def _found(self) -> None:
        for _ in range(3):
            self.new_product()
            self.new_price()
        for _ in range(8):
            self.new_customer()
        for _ in range(7):
            self.pay()
        self.subscribe()
        self.look()

    def _subscribe_to_everything(self) -> None:
        endpoints.make(self.world, "https://studio.example.com/hook", ["*"], secret=TEST_WEBHOOK_SECRET)

    def new_product(self) -> None:
        self.ask("POST", "/v1/products", name=self._name("Product"))

    def rename_product(self) -> None:
        self.ask("POST", f"/v1/products/{self._hot('product')}", name=self._name("Product"))

    def delete_product(self) -> None:
        self.ask("DELETE", f"/v1/products/{self._hot('product')}")

    def new_price(self) -> None:
        amount = self.dice.randrange(100, 9000)
        cycle = {"recurring[interval]": "month"} if self.dice.random() < 0.7 else {}
        self.ask("POST", "/v1/prices", product=self._hot("product"), currency="usd", unit_amount=amount, **cycle)

    def change_price(self) -> None:
        self.ask("POST", f"/v1/prices/{self._hot('price')}", nickname=self._name("Price"))

    def new_customer(self) -> None:
        made = self.ask("POST", "/v1/customers", name=self._name("Customer"), payment_method="pm_card_visa")
        method = next(self.world.all("payment_method", "customer", made["id"]))["id"]
        self.ask("POST", f"/v1/customers/{made['id']}", **{"invoice_settings[default_payment_method]": method})

    def rename_customer(self) -> None:
        self.ask("POST", f"/v1/customers/{self._hot('customer')}", name=self._name("Customer"))

    def rename_customer_twice(self) -> None:
        customer = self._hot("customer")
        for _ in range(2):
            self.ask("POST", f"/v1/customers/{customer}", name=self._name("Customer"))

    def delete_customer(self) -> None:
        if len(self.world.store.table("customer").order) > 2:
            self.ask("DELETE", f"/v1/customers/{self._hot('customer')}")

    def pay(self, **form: Any) -> None:
        how = {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}
        form = {
            "amount": self.dice.randrange(100, 90_000),
            "currency": self.dice.choice(("usd", "usd", "eur", "jpy")),
            "customer": self._hot("customer"),
            "payment_method": "pm_card_visa",
            "confirm": "true",
            **how,
            **form,
        }
        self.ask("POST", "/v1/payment_intents", **form)

    def fail_to_pay(self) -> None:
        self.pay(payment_method="pm_card_visa_chargeDeclined")

    def authorize(self) -> None:
        self.pay(capture_method="manual")

    def capture(self) -> None:
        self.ask("POST", f"/v1/payment_intents/{self._hot('payment_intent')}/capture")

    def cancel_payment(self) -> None:
        self.ask("POST", f"/v1/payment_intents/{self._hot('payment_intent')}/cancel")

    def refund(self) -> None:
        charge = self._hot("charge")
        part = {"amount": self.dice.randrange(1, 100)} if self.dice.random() < 0.6 else {}
        self.ask("POST", "/v1/refunds", charge=charge, **part)

    def fail_refund(self) -> None:
        refunds.fail_refund(self.world, self._hot("refund"), "lost_or_stolen_card")

    def dispute(self) -> None:
        reason = self.dice.choice(("fraudulent", "product_not_received", "inquiry"))
        disputes.open_dispute(self.world, self._hot("charge"), reason)

    def finish_dispute(self) -> None:
        dispute = self.world.get("dispute", self._hot("dispute"))
        if dispute["status"] not in disputes.OPEN + disputes.REVIEW:
            raise StripeError(400, "it is over")
        disputes.finish(self.world, dispute, self.dice.choice(("won", "lost")))

    def pay_out(self) -> None:
        payouts.pay_out(self.world, self.dice.choice(("usd", "eur")))

    def pay_out_by_hand(self) -> None:
        self.ask("POST", "/v1/payouts", amount=self.dice.randrange(1, 500), currency="usd")

    def fail_payout(self) -> None:
        payouts.fail_payout(self.world, self._hot("payout"), "")

    def subscribe(self) -> None:
        recurring = [key[2] for key in self.world.store.table("price").order]
        prices = [id for id in recurring if self.world.raw("price", id)["type"] == "recurring"]
        if prices:
            items = {"items[0][price]": self.dice.choice(prices[-HOT:])}
            self.ask("POST", "/v1/subscriptions", customer=self._hot("customer"), **items)

    def change_subscription(self) -> None:
        subscription = self._hot("subscription")
        form = self.dice.choice(({"cancel_at_period_end": "true"}, {"metadata[note]": self._name("note")}))
        self.ask("POST", f"/v1/subscriptions/{subscription}", **form)

    def end_subscription(self) -> None:
        self.ask("DELETE", f"/v1/subscriptions/{self._hot('subscription')}")

    def draft_invoice(self) -> None:
        self.ask("POST", "/v1/invoices", customer=self._hot("customer"))

    def delete_invoice(self) -> None:
        self.ask("DELETE", f"/v1/invoices/{self._hot('invoice')}")

    def void_invoice(self) -> None:
        self.ask("POST", f"/v1/invoices/{self._hot('invoice')}/void")

    def charge_a_fee(self) -> None:
        money.stripe_fee(self.world, self.dice.randrange(1, 400), "usd", "Billing - Usage Fee")

    def top_up(self) -> None:
        money.topup(self.world, self.dice.randrange(1000, 20_000), "usd")


MOVES = (
    *("new_product", "rename_product", "rename_product", "delete_product", "new_price", "change_price"),
    *("new_customer", "rename_customer", "rename_customer", "rename_customer_twice", "delete_customer"),
    *("pay", "pay", "pay", "fail_to_pay", "authorize", "capture", "cancel_payment", "refund", "refund", "fail_refund"),
    *("dispute", "finish_dispute", "pay_out", "pay_out_by_hand", "fail_payout"),
    *("subscribe", "change_subscription", "end_subscription", "draft_invoice", "delete_invoice", "void_invoice"),
    *("charge_a_fee", "top_up"),
)
