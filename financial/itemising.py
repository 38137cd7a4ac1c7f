"""Ask Stripe which balance transactions payouts consist of, and once what bank account they go to; have it written down.

Of the sync and of the webhooks. Receives a gateway; one payout that Stripe will not list stops no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from financial.errors import AuthenticationRefused, GatewayError, PermissionRefused
from financial.mirror import contents, store
from financial.models import StripeCredential, StripePayout

if TYPE_CHECKING:
    from financial.gateway import StripeGateway
    from financial.gateway.client import Page

logger = logging.getLogger("financial.stripe_services.itemising")
PATH, PAYOUTS = "/v1/balance_transactions", "/v1/payouts"
SIDE_BY_SIDE = 8


@dataclass(slots=True)
class Itemised:
    """What reading the rows of payouts brought; `failed` are payouts Stripe would not list."""

    payouts: int = 0
    pages: int = 0
    rows: int = 0
    written: int = 0
    failed: int = 0


def read(
    credential: StripeCredential,
    gateway: StripeGateway,
    *,
    stripe_ids: Collection[str] | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Itemised:
    """Read the rows of every payout that is due, or of these. `tick` is called after each page.

    Raises:
        GatewayError: Stripe cannot be had or refuses the key. What was read stays; the next time goes on from there.
    """
    done = Itemised()
    waiting = list(contents.due(credential, stripe_ids=stripe_ids).values_list("pk", flat=True))
    for first in range(0, len(waiting), SIDE_BY_SIDE):
        payouts = list(contents.due(credential).filter(pk__in=waiting[first : first + SIDE_BY_SIDE]))
        seen = store.draw()
        for payout, page in zip(payouts, _first_pages(gateway, payouts), strict=True):
            _take_in(payout, gateway, page, seen, done, tick)
    return done


def _first_pages(gateway: StripeGateway, payouts: Sequence[StripePayout]) -> list[Page | GatewayError]:
    """Ask for the page each payout goes on with, side by side."""
    ask = partial(_asked, gateway)
    if len(payouts) < 2:
        return [ask(payout, contents.cursor(payout)) for payout in payouts]
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="financial-payout") as pool:
        return list(pool.map(ask, payouts, [contents.cursor(payout) for payout in payouts]))


def _asked(gateway: StripeGateway, payout: StripePayout, after: str) -> Page | GatewayError:
    try:
        return gateway.list_page(PATH, {"payout": payout.stripe_id}, after=after)
    except GatewayError as error:
        return error


def _take_in(
    payout: StripePayout,
    gateway: StripeGateway,
    page: Page | GatewayError,
    seen: int,
    done: Itemised,
    tick: Callable[[], None],
) -> None:
    after = contents.cursor(payout)
    while True:
        if isinstance(page, GatewayError):
            _refused(payout, page, done)
            return
        done.written += contents.add_page(
            payout,
            page.items,
            after=after,
            next_after=page.next_after,
            seen=seen,
            api_version=gateway.api_version,
            shown_at=page.shown_at,
        )
        done.pages += 1
        done.rows += len(page.items)
        tick()
        if not page.next_after:
            done.payouts += 1
            return
        after, seen = page.next_after, store.draw()
        page = _asked(gateway, payout, after)


def _refused(payout: StripePayout, error: GatewayError, done: Itemised) -> None:
    if error.retryable or isinstance(error, AuthenticationRefused | PermissionRefused):
        raise error
    logger.warning("payout=%s could not be itemised: %s", payout.stripe_id, error)
    done.failed += 1


def name_destinations(credential: StripeCredential, gateway: StripeGateway) -> None:
    """Ask what is behind each new destination, by one of its payouts.

    It is there to be read by people: where Stripe does not tell, the id stays and the next sync asks again.
    """
    for stripe_id in contents.unnamed(credential):
        try:
            payload = gateway.look(PAYOUTS, stripe_id, expand=("destination",))
        except GatewayError as error:
            logger.warning("payout=%s its destination was not told: %s", stripe_id, error)
            return
        if payload is not None:
            contents.name_destination(credential, payload)
