"""Answers kept in Django's cache until anything they could depend on is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any, TypeVar

from django.core.cache import cache
from django.db.models import Count, QuerySet, Subquery

from financial import conf
from financial.models import MirrorClock, StripeCredential, StripeRequest, StripeWebhookEvent, SyncRun, Transaction

Answer = TypeVar("Answer")
_states: ContextVar[dict[object, Any] | None] = ContextVar("states", default=None)


@contextmanager
def of_one_moment() -> Iterator[None]:
    """Ask for the state of the data once inside the block, however many answers need it: for pages that write nothing."""
    token = _states.set({})
    try:
        yield
    finally:
        _states.reset(token)


def state_once(name: str, credential: StripeCredential, ask: Callable[[], Any]) -> Any:
    """Return a state of the data; the same one to everybody inside `of_one_moment`."""
    known = _states.get()
    if known is None:
        return ask()
    key = (name, credential.pk)
    if key not in known:
        known[key] = ask()
    return known[key]


def cached(name: str, credential: StripeCredential, build: Callable[[], Answer], *further: object) -> Answer:
    """Return the kept answer to `name` about a credential, or build and keep it.

    The key holds the state of the data, so a write makes a new key; old ones end after FINANCIAL_CACHE_SECONDS.
    """
    if int(conf.get("CACHE_SECONDS")) <= 0:
        return build()
    state = state_once("all", credential, lambda: _state(credential))
    return kept(name, credential, build, (state, further))


def kept(name: str, credential: StripeCredential, build: Callable[[], Answer], state_of_data: object) -> Answer:
    """Return the kept answer for this very state of what it depends on, or build and keep it."""
    seconds = int(conf.get("CACHE_SECONDS"))
    if seconds <= 0:
        return build()
    state = repr((str(conf.time_zone()), state_of_data)).encode()
    key = f"financial:{name}:{credential.pk}:{blake2b(state, digest_size=12).hexdigest()}"
    found: Answer | None = cache.get(key)
    if found is None:
        found = build()
        cache.set(key, found, seconds)
    return found


def _state(credential: StripeCredential) -> tuple[Any, ...]:
    """Return what changes with every write, in one query.

    The mirror's counter is drawn before Stripe is asked, so a write may follow it; what is under way (a run, an event,
    a request) is therefore part of the state, and changes again when it ends.
    """
    runs = SyncRun.objects.filter(credential=credential).order_by("-id")
    found = StripeCredential.objects.filter(pk=credential.pk).values_list(
        MirrorClock.last(),
        Subquery(runs.values("id")[:1]),
        Subquery(runs.values("state")[:1]),
        _count(StripeWebhookEvent.objects.filter(state=StripeWebhookEvent.State.WAITING), "state"),
        _count(StripeRequest.objects.filter(state=StripeRequest.State.SENDING), "state"),
        Subquery(Transaction.objects.order_by("-id").values("id")[:1]),  # of any account: no index begins with its id
        _count(Transaction.objects.estimated().filter(credential=credential), "credential"),
    )
    return tuple(found[0]) if found else ()


def _count(rows: QuerySet[Any], by: str) -> Subquery:
    return Subquery(rows.order_by().values(by).annotate(answer=Count("id")).values("answer"))
