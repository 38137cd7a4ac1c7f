"""The search page: hits of every kind one may see, straight to the page of a pasted id, and a look at Stripe for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse

from financial import audit, search, stripe_services
from financial.card_numbers import has_card_number
from financial.errors import FinancialError, NoActiveCredential
from financial.models import StripeCredential
from financial.search.groups import LOOKED_THROUGH, PAGE_SIZE, Found
from financial.search.hits import Hit
from financial.search.places import Place
from financial.search.sources import Source
from financial.views.base import RUN_PERMISSION, WRITE_PERMISSION, StaffView

REFUSALS = {
    "card": "That looks like a card number. None is ever stored here, so there is nothing to find by one, and nothing of it "
    "was kept. Search for the last four digits instead.",
    "secret": "That looks like a secret key. Nothing is found by one, and nothing of it was kept. If it was copied by "
    "mistake, roll it at Stripe.",
}


@dataclass(frozen=True)
class Line:
    """A hit and where it leads; nowhere where no page one may see shows it."""

    hit: Hit
    address: str


@dataclass(frozen=True)
class Group:
    """The hits of one kind; `more` is the query of the next ones, if there are any."""

    source: Source
    lines: tuple[Line, ...]
    more: str


class SearchPage(StaffView):
    """What was typed stands in the address; a POST fetches an object from Stripe that the mirror does not have."""

    section = "search"
    write_permission = ""

    def get(self, request: HttpRequest) -> HttpResponseBase:
        credential = self._required_credential()
        text = request.GET.get("q", "")
        if why := refusal(text):
            return redirect(f"{reverse('financial:search')}?{urlencode({'refused': why})}")
        asked = search.read(text)
        if asked.stripe_id and "type" not in request.GET:
            return self._by_id(credential, asked)
        return self.page("financial/search.html", self._context(credential, asked))

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Fetch one object by its id, mirror it, and lead to its page."""
        credential = self._required_credential()
        if not (self.can(RUN_PERMISSION) or self.can(WRITE_PERMISSION)):
            return self.error(
                403, "You may not do this", f"Your account lacks the permission {RUN_PERMISSION} or {WRITE_PERMISSION}."
            )
        asked = search.read(request.POST.get("id", ""))
        if not asked.kind:
            raise FinancialError("That is not an id of an object at Stripe, such as pi_… or cus_….")
        try:
            stripe_services.fetch_object(credential, asked.kind, asked.stripe_id)
        except FinancialError as error:
            return self.page("financial/search.html", self._missing(credential, asked, error=error), status=422)
        audit.record(request.user, "object.fetched", credential=credential, object_id=asked.stripe_id)
        messages.success(request, "Fetched from Stripe and mirrored. What it moved is booked by the next sync.")
        return self._by_id(credential, asked)

    def _required_credential(self) -> StripeCredential:
        if self.credential is None:
            raise NoActiveCredential
        return self.credential

    def _by_id(self, credential: StripeCredential, asked: search.Search) -> HttpResponseBase:
        """Go to the page that shows this id, or say why there is none."""
        places = search.page_of(credential, asked.stripe_id)
        if places is None:
            return self.page("financial/search.html", self._missing(credential, asked))
        if address := self._address(places):
            return redirect(address)
        return self.page(
            "financial/search.html",
            {**self._context(credential, asked), "is_hidden": bool(places), "id": asked.stripe_id},
        )

    def _missing(
        self, credential: StripeCredential, asked: search.Search, error: FinancialError | None = None
    ) -> dict[str, Any]:
        return {
            **self._context(credential, asked),
            "is_missing": True,
            "id": asked.stripe_id,
            "can_fetch": self.may_fetch and asked.kind != "event",
            "error": error,
            "next_step": getattr(error, "next_step", ""),
        }

    def _context(self, credential: StripeCredential, asked: search.Search) -> dict[str, Any]:
        sources = search.permitted(self.can)
        picked = next((source for source in sources if source.name == self.request.GET.get("type")), None)
        found = [] if asked.is_empty or asked.stripe_id else self._found(credential, asked, sources, picked)
        return {
            "search": asked,
            "can_fetch": self.may_fetch,
            "refusal": REFUSALS.get(self.request.GET.get("refused", "")),
            "sources": sources,
            "picked": picked,
            "groups": [self._group(asked, group) for group in found],
            "page_size": PAGE_SIZE,
            "looked_through": LOOKED_THROUGH,
            "base": urlencode({"q": asked.text}),
        }

    def _found(
        self, credential: StripeCredential, asked: search.Search, sources: tuple[Source, ...], picked: Source | None
    ) -> list[Found]:
        if picked is None:
            return search.find(credential, asked, sources)
        page = search.find_more(credential, asked, picked, self.request.GET.get("after", ""))
        return [page] if page.hits else []

    def _group(self, asked: search.Search, found: Found) -> Group:
        query = {"q": asked.text, "type": found.source.name}
        if "type" in self.request.GET:
            query["after"] = found.after
        lines = tuple(Line(hit, self._address(hit.places)) for hit in found.hits)
        return Group(found.source, lines, urlencode(query) if found.after else "")

    def _address(self, places: Sequence[Place]) -> str:
        return address_of(places, self.can)


def address_of(places: Sequence[Place], may: Callable[[str], bool]) -> str:
    """Return the first of these pages one may see; `may` says whether one has a permission."""
    for place in places:
        if may(place.permission):
            try:
                return reverse(f"financial:{place.page}", args=[place.key])
            except NoReverseMatch:  # an id somebody chose, with a slash in it
                continue
    return ""


def refusal(text: str) -> str:
    """Say why a text is not searched for: it looks like a `card` number or a `secret`; empty if it does not."""
    if has_card_number(text):
        return "card"
    return "secret" if audit.SECRET_VALUE.search(text.partition("_secret_")[0]) else ""
