"""The app's front door: `StripeService`, and the wiring credential → gateway → step.

Every method is one call further; no rules, no SQL, no HTTP live here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.utils import timezone

from financial import conf, endpoints, engines, outbox, signing, sync, webhooks
from financial.errors import (
    CannotVerify,
    CredentialRefused,
    FinancialError,
    InvalidAmount,
    NoActiveCredential,
    NotAuthentic,
    SyncAlreadyRunning,
)
from financial.gateway import AccountFacts, Budget, StripeGateway, bodies
from financial.mirror import history
from financial.mirror.masking import masked
from financial.mirror.resources import BY_NAME
from financial.models import (
    MirrorRow,
    StripeCredential,
    StripeCustomer,
    StripePaymentIntent,
    StripePrice,
    StripeProduct,
    StripeSubscription,
    StripeWebhookEvent,
    SyncRun,
)
from financial.models.mirror import MirrorQuerySet
from financial.money import charge_minor, to_minor

logger = logging.getLogger("financial.stripe_services")
Metadata = Mapping[str, str] | None
_Row = TypeVar("_Row", bound=MirrorRow)


class StripeService:
    """What an application does with Stripe. `create_*` calls Stripe and returns the saved mirror row.

    Without a credential the active one is used. Amounts are Decimals in major units. Every `create_*` takes an
    `idempotency_key`: the same key and values do the thing once.

    Raises:
        NoActiveCredential: there is none.
        FinancialError: as the tree in `financial.errors` says; each message tells what to do next.
    """

    def __init__(self, credential: StripeCredential | None = None) -> None:
        found = credential or StripeCredential.objects.active()
        if found is None:
            raise NoActiveCredential
        self.credential = found
        self._gateway: StripeGateway | None = None

    def create_product(
        self, name: str, description: str = "", metadata: Metadata = None, *, idempotency_key: str | None = None
    ) -> StripeProduct:
        return self._create(StripeProduct, "product", bodies.product(name, description, metadata), idempotency_key)

    def get_products(self) -> MirrorQuerySet[StripeProduct]:
        return self._rows(StripeProduct)

    def create_price(
        self,
        product: StripeProduct,
        amount: Decimal,
        currency: str = "usd",
        recurring: bool = False,
        interval: str = "month",
        *,
        interval_count: int = 1,
        nickname: str = "",
        metadata: Metadata = None,
        idempotency_key: str | None = None,
    ) -> StripePrice:
        """Create a price of `amount` major units; zero is a free price, less is refused."""
        unit_amount_minor = to_minor(amount, currency)
        if unit_amount_minor < 0:
            raise InvalidAmount("A price cannot be negative.")
        body = bodies.price(
            self._id_of(product, "product"),
            unit_amount_minor,
            currency.lower(),
            recurring=recurring,
            interval=interval,
            interval_count=interval_count,
            nickname=nickname,
            metadata=metadata,
        )
        return self._create(StripePrice, "price", body, idempotency_key)

    def get_prices(self, product: StripeProduct | None = None) -> MirrorQuerySet[StripePrice]:
        return self._rows(StripePrice, product=product)

    def create_customer(
        self,
        email: str,
        name: str = "",
        phone: str = "",
        description: str = "",
        metadata: Metadata = None,
        *,
        idempotency_key: str | None = None,
    ) -> StripeCustomer:
        body = bodies.customer(email, name, phone, description, metadata)
        return self._create(StripeCustomer, "customer", body, idempotency_key)

    def get_customers(self) -> MirrorQuerySet[StripeCustomer]:
        return self._rows(StripeCustomer)

    def create_payment_intent(
        self,
        customer: StripeCustomer,
        amount: Decimal,
        currency: str = "usd",
        description: str = "",
        metadata: Metadata = None,
        *,
        payment_method: str = "",
        idempotency_key: str | None = None,
    ) -> StripePaymentIntent:
        """Create a payment of `amount` major units; with a `payment_method` it is charged at once."""
        body = bodies.payment_intent(
            self._id_of(customer, "customer"),
            charge_minor(amount, currency),
            currency.lower(),
            description=description,
            payment_method=payment_method,
            metadata=metadata,
        )
        return self._create(StripePaymentIntent, "payment_intent", body, idempotency_key)

    def get_payment_intents(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripePaymentIntent]:
        return self._rows(StripePaymentIntent, customer=customer)

    def create_subscription(
        self,
        customer: StripeCustomer,
        price: StripePrice,
        metadata: Metadata = None,
        *,
        quantity: int | None = None,
        trial_days: int = 0,
        idempotency_key: str | None = None,
    ) -> StripeSubscription:
        if not price.recurring:
            raise FinancialError("A subscription needs a recurring price; this one is paid once.")
        body = bodies.subscription(
            self._id_of(customer, "customer"),
            self._id_of(price, "price"),
            quantity=quantity,
            trial_days=trial_days,
            metadata=metadata,
        )
        return self._create(StripeSubscription, "subscription", body, idempotency_key)

    def get_subscriptions(self, customer: StripeCustomer | None = None) -> MirrorQuerySet[StripeSubscription]:
        return self._rows(StripeSubscription, customer=customer)

    def handle_webhook(self, payload: bytes, signature: str) -> StripeWebhookEvent:
        """Store a webhook and apply it at once; what cannot be applied now stays in the inbox and is tried again.

        Raises:
            WebhookRejected: it was not stored; `status` is the HTTP answer Stripe expects.
        """
        event = receive_webhook(payload, signature, wake=False)
        if event.state == StripeWebhookEvent.State.WAITING and webhooks.claim(event, now=timezone.now()):
            return webhooks.apply(event, gateway_for, now=timezone.now())
        return event

    @property
    def gateway(self) -> StripeGateway:
        if self._gateway is None:
            self._gateway = gateway_for(self.credential)
        return self._gateway

    def _rows(self, model: type[_Row], **parent: MirrorRow | None) -> MirrorQuerySet[_Row]:
        given = {key: row for key, row in parent.items() if row is not None}
        return cast("MirrorQuerySet[_Row]", model.objects.of(self.credential).alive().filter(**given).newest())

    def _create(self, model: type[_Row], resource: str, body: Mapping[str, Any], key: str | None) -> _Row:
        row = outbox.create(
            self.credential, BY_NAME[resource], body, self.gateway, idempotency_key=key, now=timezone.now()
        )
        return cast("_Row", row)

    def _id_of(self, row: MirrorRow, what: str) -> str:
        if row.credential_id != self.credential.pk:
            raise CredentialRefused(f"That {what} belongs to another credential than “{self.credential.name}”.")
        if row.is_deleted:
            raise FinancialError(f"That {what} was deleted at Stripe.")
        return str(row.stripe_id)


def gateway_for(credential: StripeCredential) -> StripeGateway:
    """Return the way to Stripe for a credential.

    Raises:
        CredentialRefused: it has no key, one of the other mode, or a live one that would go elsewhere than to Stripe.
    """
    return StripeGateway(
        credential.usable_secret_key(),
        base_url=conf.get("STRIPE_BASE_URL"),
        connect_timeout_seconds=conf.get("STRIPE_CONNECT_TIMEOUT_SECONDS"),
        read_timeout_seconds=conf.get("STRIPE_READ_TIMEOUT_SECONDS"),
        attempts=conf.get("STRIPE_ATTEMPTS"),
        backoff_seconds=conf.get("STRIPE_BACKOFF_SECONDS"),
        budget=_budget_of(credential),
    )


def _budget_of(credential: StripeCredential) -> Budget:
    """All gateways of a credential in this process share its requests a second."""
    mode = "LIVE" if credential.livemode else "TEST"
    return Budget.shared(
        f"credential {credential.pk}",
        conf.get(f"STRIPE_{mode}_REQUESTS_PER_SECOND"),
        conf.get("STRIPE_ENDPOINT_REQUESTS_PER_SECOND"),
    )


def test_connection(credential: StripeCredential) -> AccountFacts:
    """Ask Stripe whose account the credential's key opens, and remember the account's id.

    Raises:
        CredentialRefused, GatewayError: the key cannot be used; the message says why and what to do.
    """
    facts = gateway_for(credential).account()
    StripeCredential.objects.filter(pk=credential.pk).update(
        account_id=facts.account_id, needs_attention="", paused_until=None, pause_reason="", pauses=0
    )
    return facts


test_connection.__test__ = False  # type: ignore[attr-defined]  # no test, whatever a collector thinks of the name


def receive_webhook(body: bytes, signature: str, *, wake: bool = True) -> StripeWebhookEvent:
    """Store a webhook signed with any configured secret, and wake whoever applies it.

    Raises:
        WebhookRejected: it was not stored; `status` is the HTTP answer Stripe expects.
    """
    try:
        event = _received(body, signature)
    except (CannotVerify, ImproperlyConfigured) as error:
        logger.critical("webhooks are turned away until this is mended: %s", error)
        raise CannotVerify(str(error)) from error
    if wake and event.state == StripeWebhookEvent.State.WAITING:
        engines.wake()
    return event


def _received(body: bytes, signature: str) -> StripeWebhookEvent:
    try:
        return _receive(body, signature)
    except (NotAuthentic, CannotVerify):
        if not signing.may_have_changed():
            raise
    return _receive(body, signature)  # with secrets that another process may have stored just now


def _receive(body: bytes, signature: str) -> StripeWebhookEvent:
    return webhooks.receive(
        body,
        signature,
        signing.secrets(),
        now=timezone.now(),
        bytes_max=conf.get("WEBHOOK_MAX_BYTES"),
        tolerance_seconds=conf.get("WEBHOOK_TOLERANCE_SECONDS"),
    )


def replay_event(event: StripeWebhookEvent) -> bool:
    """Have an event applied again; False if it is one that must not be, or a worker has it right now."""
    return bool(replay_events(StripeWebhookEvent.objects.filter(pk=event.pk)))


def replay_dead_events(credential: StripeCredential) -> int:
    """Have the events applied again that could not be, and return how many."""
    return replay_events(StripeWebhookEvent.objects.filter(credential=credential, state=StripeWebhookEvent.State.DEAD))


def set_event_aside(event: StripeWebhookEvent) -> bool:
    """Close an event that needs nobody any more; False if it was not one that needed somebody."""
    return bool(webhooks.set_aside(StripeWebhookEvent.objects.filter(pk=event.pk)))


def event_payload(event: StripeWebhookEvent) -> str:
    """Return an event's payload as indented JSON without secrets, links and personal data; empty if it is no JSON."""
    try:
        payload = masked(orjson.loads(bytes(event.body or b"")))
        return orjson.dumps(payload, option=orjson.OPT_INDENT_2).decode()
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return ""


def webhook_registration(credential: StripeCredential, url: str) -> endpoints.Registration:
    """Ask Stripe for the endpoint with this address; one request per hundred endpoints.

    Raises:
        CredentialRefused, GatewayError: Stripe could not be asked; the message says why and what to do.
    """
    return endpoints.look(url, gateway_for(credential))


def webhook_url_refusal(credential: StripeCredential, url: str) -> str:
    """Return why Stripe would not deliver to this address, in words; empty if it would."""
    is_stripe = urlsplit(conf.get("STRIPE_BASE_URL")).hostname == "api.stripe.com"
    return endpoints.refusal(url, livemode=credential.livemode, is_stripe=is_stripe)


def register_webhook(credential: StripeCredential, url: str, *, idempotency_key: str) -> str:
    """Register this address at Stripe with the events we apply, store its signing secret, and return its id.

    Raises:
        FinancialError: nothing was registered, or nobody knows; then the same key finishes it.
    """
    if refusal := webhook_url_refusal(credential, url):
        raise FinancialError(refusal)
    gateway = gateway_for(credential)
    return endpoints.register(credential, url, gateway, idempotency_key=idempotency_key, now=timezone.now())


def unfinished_registration(credential: StripeCredential) -> str:
    """Return the key with which `register_webhook` finishes what was begun; empty if nothing is open."""
    return endpoints.unfinished(credential, now=timezone.now())


def correct_webhook(credential: StripeCredential, endpoint_id: str, *, idempotency_key: str) -> str:
    """Have an endpoint sent exactly the events we apply, and return its id.

    Raises:
        FinancialError: as `register_webhook`.
    """
    gateway = gateway_for(credential)
    return endpoints.correct(credential, endpoint_id, gateway, idempotency_key=idempotency_key, now=timezone.now())


def signing_secrets() -> list[webhooks.SigningSecret]:
    """Return every secret a webhook may be signed with: each credential's own, further ones, and the environment's."""
    return signing.secrets()


def keep_previous_webhook_secret(credential: StripeCredential, secret: str) -> None:
    """Accept the signing secret that was just replaced for another day."""
    signing.keep_previous(credential, secret, now=timezone.now())


def replay_events(events: QuerySet[StripeWebhookEvent], *, wake: bool = True) -> int:
    """Let events be applied once more, and return how many wait now; those of another mode or account never do."""
    replayed = webhooks.replay(events, now=timezone.now())
    if wake and replayed:
        engines.wake()
    return replayed


def apply_events(events: QuerySet[StripeWebhookEvent]) -> None:
    """Apply what of these waits, in this process; how it went is on the rows."""
    webhooks.apply_held(events, gateway_for)


def fetch_event(credential: StripeCredential, event_id: str) -> StripeWebhookEvent:
    """Get an event that never came here from Stripe, which keeps them for 30 days, and put it into the inbox.

    Raises:
        ResourceMissing: Stripe does not know it.
        CredentialRefused, GatewayError: it could not be asked for.
    """
    payload = gateway_for(credential).fetch("/v1/events", event_id)
    source = StripeWebhookEvent.Source.REPLAY
    webhooks.file(credential, [orjson.dumps(payload)], source=source, now=timezone.now())
    return StripeWebhookEvent.objects.get(credential=credential, event_id=event_id)


def rebuild_mrr(credential: StripeCredential) -> int:
    """Compute the history of recurring revenue again and return how many rows changed: none, as a rule."""
    return history.rebuild(credential)


def request_sync(
    credential: StripeCredential,
    *,
    requested_by: str,
    resources: Sequence[str] = (),
    kind: SyncRun.Kind = SyncRun.Kind.AUTOMATIC,
) -> SyncRun:
    """Ask for a sync, of some resources or of all, and return the waiting run.

    Raises:
        SyncAlreadyRunning: one is under way.
        CredentialRefused: the credential cannot be used.
    """
    credential.usable_secret_key()
    run = sync.request(credential, requested_by=requested_by, resources=resources, kind=kind, now=timezone.now())
    engines.wake()
    return run


def run_sync(run: SyncRun, *, listener: sync.Listener | None = None) -> SyncRun:
    """Do a claimed run to its end; a credential that cannot be used fails it."""
    try:
        gateway = gateway_for(run.credential)
    except CredentialRefused as error:
        return sync.refuse(run, str(error))
    return sync.perform(run, gateway, listener=listener)


def sync_now(
    credential: StripeCredential,
    *,
    requested_by: str,
    resources: Sequence[str] = (),
    kind: SyncRun.Kind = SyncRun.Kind.AUTOMATIC,
    listener: sync.Listener | None = None,
) -> SyncRun:
    """Sync in this process and return the ended run, done or failed.

    Raises:
        SyncAlreadyRunning, CredentialRefused: nothing was started.
    """
    credential.usable_secret_key()
    now = timezone.now()
    run = sync.request(credential, requested_by=requested_by, resources=resources, kind=kind, now=now)
    if not sync.claim(run, now=now):
        run.delete()
        raise SyncAlreadyRunning(f"A sync of “{credential.name}” is already under way; wait until it has ended.")
    return run_sync(run, listener=listener)
