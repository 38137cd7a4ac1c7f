"""Our side of one run, all of it the real code: two workers, a web process, and the people at its forms."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from django.test import RequestFactory

from financial import stripe_services, work
from financial.errors import (
    CardDeclined,
    FinancialError,
    GatewayError,
    IdempotencyConflict,
    RequestInFlight,
    SyncAlreadyRunning,
)
from financial.models import StripeCustomer, StripePrice, StripeProduct, SyncRun
from financial.views import webhook
from sandbox.core.deliveries import Delivery, sending
from tests.simulation.scheduling import Process

if TYPE_CHECKING:
    from tests.simulation.run import Simulation

LOOK_EVERY_SECONDS = 5.0
PATIENCE = 12  # times a person sends the same form again


@dataclass
class Form:
    """What somebody sends, again and again with the same key, until it is answered for good."""

    key: str
    send: Callable[[str], Any]
    tries: int = 0
    is_done: bool = False
    is_given_up: bool = False
    made: list[str] = field(default_factory=list)


class Actors:
    """Starts the processes of one run, and again after each crash."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.hub = sim.hub
        self.web = Process("web", self._start_web)
        self.workers = [Process(f"worker{n}", partial(self._start_worker, n)) for n in range(2)]
        self.web.died = self._connections_close
        self.hub.processes = [self.web, *self.workers]
        self.forms: list[Form] = []
        self.deliveries = 0
        self.acks = 0
        self.sending = 0  # forms under way
        self.in_flight: dict[str, Delivery] = {}
        self._requests = RequestFactory()

    # Workers

    def _start_worker(self, number: int) -> None:
        process = self.workers[number]
        self.hub.spawn(process.name, process, self._work)

    def _work(self) -> None:
        while True:
            busy = self.sim.guarded(work.once)
            self.hub.pause(seconds=0 if busy else LOOK_EVERY_SECONDS)

    # The web process

    def _start_web(self) -> None:
        if self.sim.creates:
            for number in range(2):
                self.hub.spawn(f"person{number}", self.web, self._fill_in_forms)

    def deliver(self, delivery: Delivery, *, copies: int, ack_lost: bool) -> None:
        """Send a webhook to the real view, `copies` times at once; Stripe hears the first answer, unless it is lost."""
        built = sending(self.sim.account.world, delivery, int(self.hub.now))
        if built is None:
            self.sim.account.world.outbox.drop(delivery.id)
            return
        self.in_flight[delivery.id] = delivery
        for copy in range(copies):
            report = partial(self._answered, delivery, ack_lost=ack_lost) if copy == 0 else lambda status: None
            body = partial(self._receive, built.body, built.headers["Stripe-Signature"], delivery.event, report)
            self.hub.spawn(f"hook{self.deliveries}", self.web, body)
            self.deliveries += 1

    def _receive(self, body: bytes, signature: str, event_id: str, report: Callable[[int], None]) -> None:
        request = self._requests.post(
            "/hook", data=body, content_type="application/json", headers={"Stripe-Signature": signature}
        )
        status = webhook.receive(request).status_code
        self.hub.passing("before an answer")
        self.hub.note("answers", event_id, status)
        report(status)
        if 200 <= status < 300:
            self.acks += 1
            self.sim.checker.acknowledged(event_id)

    def _answered(self, delivery: Delivery, status: int, *, ack_lost: bool) -> None:
        if self.in_flight.pop(delivery.id, None) and delivery.state == "pending":
            self.sim.account.world.outbox.record(self.sim.account.world, delivery.id, 0 if ack_lost else status)

    def _connections_close(self) -> None:
        for delivery in list(self.in_flight.values()):
            self._answered(delivery, 0, ack_lost=True)

    # People at forms

    def _fill_in_forms(self) -> None:
        dice = self.hub.dice
        while True:
            self.hub.pause(seconds=dice.uniform(5, 60))
            if dice.random() < self.sim.chaos.full_sync:
                self._ask_for_everything()
            form = next((form for form in self.forms if self._is_sent_again(form)), None) or self._new_form()
            if form is not None:
                self.sim.guarded(partial(self._send, form))

    def _ask_for_everything(self) -> None:
        with suppress(SyncAlreadyRunning):
            stripe_services.request_sync(self.sim.credential, requested_by="a person", kind=SyncRun.Kind.FULL)

    def _is_sent_again(self, form: Form) -> bool:
        return not (form.is_done or form.is_given_up) and self.hub.dice.random() < 0.7

    def _send(self, form: Form) -> None:
        form.tries += 1
        self.sending += 1
        self.hub.note("sends", form.key, form.tries)
        try:
            row = form.send(form.key)
        except RequestInFlight:
            pass
        except (CardDeclined, IdempotencyConflict):
            form.is_done = True
        except GatewayError as error:
            form.is_given_up = not error.retryable or form.tries >= PATIENCE
        except FinancialError:
            form.is_given_up = True
        else:
            form.is_done = True
            form.made.append(row.stripe_id)
            self.hub.note("made", row.stripe_id)
        finally:
            self.sending -= 1

    def _new_form(self) -> Form | None:
        dice = self.hub.dice
        if not self.sim.creates or sum(not (form.is_done or form.is_given_up) for form in self.forms) > 3:
            return None
        service = stripe_services.StripeService(self.sim.credential)
        number = len(self.forms)
        name = f"Form {number}"
        customer = self._pick(StripeCustomer)
        product = self._pick(StripeProduct)
        price = self._pick(StripePrice, type="recurring", active=True)
        sends: list[Callable[[str], Any]] = [
            lambda key: service.create_product(name, idempotency_key=key),
            lambda key: service.create_customer(f"f{number}@example.com", name, idempotency_key=key),
        ]
        if product:
            sends.append(lambda key: service.create_price(product, Decimal(number + 1), idempotency_key=key))
        if customer:
            sends += [
                lambda key, card=card: service.create_payment_intent(
                    customer, Decimal(10 + number), payment_method=card, idempotency_key=key
                )
                for card in ("", "pm_card_visa", "pm_card_visa_chargeDeclined")
            ]
        if customer and price:
            sends.append(lambda key: service.create_subscription(customer, price, idempotency_key=key))
        form = Form(f"form-{number}-{dice.getrandbits(32):08x}", dice.choice(sends))
        self.forms.append(form)
        return form

    def _pick(self, model: Any, **wanted: Any) -> Any:
        rows = list(model.objects.filter(credential=self.sim.credential, deleted_at=None, **wanted).order_by("pk"))
        return self.hub.dice.choice(rows[-5:]) if rows else None
