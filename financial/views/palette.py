"""What the command palette lists: hits, saved filters, what one may do and pages, filtered by what was typed.

A fragment; the dialog around it stands on every page (`_palette.html`) and app.js fetches this while somebody types.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from financial import saved_filters, search
from financial.models import words
from financial.search.groups import Found
from financial.templatetags.financial import money_text
from financial.views.base import NAV, RUN_PERMISSION, WRITE_PERMISSION, StaffView
from financial.views.saved import LISTS, list_address
from financial.views.search import REFUSALS, address_of, refusal

HITS_PER_KIND = 3


@dataclass(frozen=True)
class Command:
    """Something to do: a page to open, or a form to send where `is_post`; `also` are further words it answers to."""

    label: str
    icon: str
    url_name: str
    permission: str
    also: str = ""
    is_post: bool = False
    query: str = ""


@dataclass(frozen=True)
class Option:
    """One line of the palette."""

    label: str
    icon: str
    address: str
    note: str = ""
    keys: str = ""
    is_post: bool = False


@dataclass(frozen=True)
class Section:
    label: str
    options: tuple[Option, ...]


COMMANDS = (
    Command("New payment", "plus", "payment-new", WRITE_PERMISSION, "create charge"),
    Command("New customer", "plus", "customer-new", WRITE_PERMISSION, "create"),
    Command("New subscription", "plus", "subscription-new", WRITE_PERMISSION, "create"),
    Command("New product", "plus", "product-new", WRITE_PERMISSION, "create price"),
    Command("New price: choose its product", "plus", "products", WRITE_PERMISSION, "create"),
    Command("Refund: choose its payment", "back", "payments", WRITE_PERMISSION, "give back", query="?status=succeeded"),
    Command("New transaction", "plus", "transaction-new", "financial.add_transaction", "create book income expense"),
    Command("Sync now", "sync", "sync", RUN_PERMISSION, "pull refresh", is_post=True),
    Command("Export the books", "download", "exports", "financial.view_transaction", "csv beancount quickbooks xero"),
)


class Palette(StaffView):
    """The options for what was typed in `q`, as a listbox's inside."""

    section = "search"

    def get(self, request: HttpRequest) -> HttpResponse:
        text = request.GET.get("q", "")
        if why := refusal(text):
            return self.fragment("financial/_palette_options.html", {"refusal": REFUSALS[why]})
        asked = search.read(text)
        sections = [
            Section("Open", tuple(self._jumps(asked))),
            *self._hits(asked),
            Section("Saved filters", tuple(self._saved(text))),
            Section("Do", tuple(self._commands(text))),
            Section("Go to", tuple(self._pages(text))),
        ]
        return self.fragment(
            "financial/_palette_options.html",
            {"sections": [section for section in sections if section.options], "text": asked.text},
        )

    def _jumps(self, asked: search.Search) -> Iterator[Option]:
        """The page of an id that was pasted."""
        if asked.stripe_id and self.credential is not None:
            places = search.page_of(self.credential, asked.stripe_id)
            if places and (address := address_of(places, self.can)):
                yield Option(asked.stripe_id, "right", address, "Open its page")

    def _hits(self, asked: search.Search) -> list[Section]:
        if asked.is_empty or asked.stripe_id or self.credential is None:
            return []
        found = search.find(self.credential, asked, search.permitted(self.can), shown=HITS_PER_KIND)
        return [Section(group.source.label, tuple(self._options(group))) for group in found]

    def _options(self, group: Found) -> Iterator[Option]:
        for hit in group.hits:
            if address := address_of(hit.places, self.can):
                yield Option(hit.title, group.source.icon, address, _amount_and(hit.note, hit))

    def _commands(self, text: str) -> Iterator[Option]:
        for command in COMMANDS:
            if self.can(command.permission) and _answers(f"{command.label} {command.also}", text):
                address = reverse(f"financial:{command.url_name}") + command.query
                yield Option(command.label, command.icon, address, is_post=command.is_post)

    def _saved(self, text: str) -> Iterator[Option]:
        for saved in saved_filters.shown(self.request.user):
            listed = LISTS.get(saved.section)
            if listed and self.can(listed.permission) and _answers(f"{saved.name} {saved.section}", text):
                note = f"{saved.section.capitalize()}, by {saved.owner}" if saved.owner else saved.section.capitalize()
                yield Option(saved.name, listed.section, list_address(saved.section, saved.query), note)

    def _pages(self, text: str) -> Iterator[Option]:
        for item in NAV:
            if self.can(item.permission) and _answers(item.label, text):
                yield Option(item.label, item.section, reverse(item.url_name), keys=f"g {item.key}")


def _amount_and(note: str, hit: search.Hit) -> str:
    if hit.amount_minor is None:
        return note
    amount = money_text(hit.amount_minor, hit.currency)
    return f"{amount} · {note}" if note else amount


def _answers(label: str, text: str) -> bool:
    """Whether every word typed is the beginning of a word of the label."""
    said = words.split(label)
    return all(any(word.startswith(piece) for word in said) for piece in words.split(text))
