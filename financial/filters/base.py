"""What every list can be narrowed by: state tabs, text and days; chips and tabs that say what is in force."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import django_filters as filters
from django import forms
from django.core import validators
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import QueryDict

from financial import conf, money, reports
from financial.models import (
    StripeCredential,
    StripeCustomer,
    words,
)
from financial.models.among import Among
from financial.paging import FEW, BoundedCount, bounded_count, keys_up_to

Keys = TypeVar("Keys", bound=list[Any] | None)
QUERY_LENGTH_MAX = 200
NAMED = 20_000  # keys told to a database as one value
LED = 5_000  # the same of rows others lead to: in the order of a list, more are met sooner by walking it
DAYS = [validators.MinValueValidator(dt.date(2000, 1, 1)), validators.MaxValueValidator(dt.date(2100, 1, 1))]


def starts_with(column: str, text: str) -> Q:
    """Match the beginning of a column as typed, in lower case and as a name is written: forms an index can serve."""
    found = Q()
    for variant in dict.fromkeys((text, text.lower(), text.title())):
        found |= Q(**{f"{column}__startswith": variant})
    return found


def customers_like(credential: StripeCredential | None, text: str) -> list[int] | QuerySet[StripeCustomer]:
    """Return the keys of the customers with this id, or with every word of `text` in name, e-mail or description.

    Where they are more than `NAMED`, the query that finds them.
    """
    if credential is None:
        return []
    if text.startswith("cus_"):
        return list(StripeCustomer.objects.of(credential).filter(stripe_id=text).values_list("pk", flat=True))
    asked = text.split()
    keys = looked_up(
        "customers", credential, text, lambda: words.matching(StripeCustomer, credential, asked, NAMED + 1)
    )
    return keys if len(keys) <= NAMED else words.rows(StripeCustomer, credential, asked)


def among(column: str, found: Collection[int] | QuerySet[Any]) -> Q:
    """Those whose `column` is one of the keys found, or of the rows a query finds.

    A few keys of other rows are told one by one: one of them may lead to very many rows, which an index has in order.
    """
    if isinstance(found, QuerySet):
        return Q(**{f"{column}__in": found.values("pk")})
    return Q(Among(column, found)) if column == "pk" or len(found) > FEW else Q(**{f"{column}__in": found})


def looked_up(what: str, credential: StripeCredential, of: str, build: Callable[[], Keys]) -> Keys:
    """Return the keys `what` leads to from a value, kept until something is written: a list is turned page by page."""
    (keys,) = reports.cached(f"keys:{what}", credential, lambda: (build(),), of)  # so that None is kept, too
    return keys


def own(rows: QuerySet[Any], column: str) -> Q:
    """Those that one of these rows leads to, looked for at each.

    From its key up to its key: told that it equals the key, PostgreSQL would first read all those that lead anywhere.
    """
    return Q(Exists(rows.filter(**{f"{column}__gte": OuterRef("pk"), f"{column}__lte": OuterRef("pk")})))


def named(found: QuerySet[Any], column: str = "pk", limit: int = FEW) -> Q:
    """Those whose key is in a column of other rows, told by the keys where these are no more than `limit`."""
    return _told(keys_up_to(limit, found, column), found, column)


def _told(keys: list[Any] | None, found: QuerySet[Any], column: str) -> Q:
    return among("pk", keys) if keys is not None else Q(pk__in=found.values(column))


def text_field(method: str, label: str, placeholder: str) -> filters.CharFilter:
    widget = forms.TextInput(attrs={"type": "search", "placeholder": placeholder, "autocomplete": "off"})
    return filters.CharFilter(method=method, label=label, max_length=QUERY_LENGTH_MAX, widget=widget)


def choice_field(method: str, label: str, choices: Iterable[tuple[str, str]], empty: str, **options: Any) -> Any:
    return filters.ChoiceFilter(method=method, label=label, choices=list(choices), empty_label=empty, **options)


def state_field(states: dict[str, tuple[str, Q]]) -> Any:
    """The tabs: a hidden field of the form, so that a search stays in its tab."""
    return choice_field(
        "by_state", "Status", ((key, label) for key, (label, _) in states.items()), "All", widget=forms.HiddenInput
    )


def day_field(method: str, label: str) -> filters.DateFilter:
    return filters.DateFilter(
        method=method, label=label, widget=forms.DateInput(attrs={"type": "date"}), validators=DAYS
    )


def currency_field(label: str = "Currency", method: str = "of_currency") -> filters.CharFilter:
    widget = forms.TextInput(attrs={"placeholder": "usd"})
    return filters.CharFilter(method=method, label=label, max_length=8, widget=widget)


@dataclass(frozen=True)
class Chip:
    """One filter in force, and the query that drops it."""

    label: str
    value: str
    query: str


@dataclass(frozen=True)
class Tab:
    """One state to show, and the query that shows it; `count` where the rows in it were counted."""

    label: str
    query: str
    is_current: bool
    key: str = ""
    count: str = ""


class MirrorFilter(filters.FilterSet):  # type: ignore[misc]
    """Filters every list has: state tabs, text, and the days between which a row was created."""

    states: ClassVar[dict[str, tuple[str, Q]]] = {}
    # The same conditions asked of each row at hand, where those of `states` begin with what is rare in the whole list.
    states_by_row: ClassVar[dict[str, Q]] = {}
    # For those, the rows elsewhere that lead to them, the column that does, and what must be true besides.
    states_from: ClassVar[dict[str, QuerySet[Any]]] = {}
    states_key: ClassVar[str] = ""
    states_besides: ClassVar[dict[str, Q]] = {}

    # States whose rows are not counted for the whole list.
    uncounted: ClassVar[frozenset[str]] = frozenset()

    # Tells how many rows are found without looking at them, where a filter can; None where it turns out that it cannot.
    told: Callable[[], BoundedCount | None] = staticmethod(lambda: None)

    # Whether what is asked for is so common that it is met soon in the order of a list.
    is_common = False

    # Whether rows are asked for to be counted, and whether a filter in force gives another form of them then.
    is_counting = False
    has_other_form = False

    date_from = day_field("since", "Created from")
    date_to = day_field("until", "Created to")

    def __init__(self, data: Any, queryset: QuerySet[Any], *, credential: StripeCredential | None) -> None:
        super().__init__(data, queryset=queryset)
        self.credential = credential
        days = ("date_from", "date_to")
        self.form.order_fields([name for name in self.form.fields if name not in days] + [*days])

    def rows(self) -> QuerySet[Any]:
        """Return what was found; nothing at all while a filter is invalid."""
        found: QuerySet[Any] = self.qs if self.is_valid() else self.queryset.none()
        return found

    def count(self) -> BoundedCount:
        """Count the rows found, in the fastest way the filters in force know of."""
        found = self.rows()
        return self.told() or bounded_count(self.countable(found))

    def countable(self, found: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows found, in a form that is not walked newest first but counted as a whole."""
        if not self.has_other_form:
            return found
        self.is_counting = True
        try:
            rows: QuerySet[Any] = self.filter_queryset(self.queryset.all())
        finally:
            self.is_counting = False
        return rows

    def is_valid(self) -> bool:
        self._check_range("date_from", "date_to", "The last day is before the first.")
        return not self.form.errors

    def _check_range(self, first: str, last: str, message: str) -> None:
        self.form.errors  # noqa: B018  (runs the form)
        start, end = (self.form.cleaned_data.get(name) for name in (first, last))
        if start is not None and end is not None and start > end and last not in self.form.errors:
            self.form.add_error(last, message)

    def _check_currency(self, name: str, does: str) -> None:
        """Refuse a code that no row can have, so that nobody takes a slip of the finger for nothing found."""
        code = str(self.form.cleaned_data.get(name) or "").lower()
        if code and code not in money.CURRENCIES and name not in self.form.errors:
            self.form.add_error(name, f"“{code}” is not a currency Stripe {does} in.")

    def by_state(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        leading = self.states_from.get(value)
        if leading is None:
            return rows.filter(self.states[value][1])
        return rows.filter(self.led("state", value, leading, self.states_key), self.states_besides[value])

    def led(self, what: str, value: str, leading: QuerySet[Any], column: str) -> Q:
        """Those that a column of rows elsewhere leads to: named where they are few, and kept until something is written.

        More of them are met soon on the way through a list, and counted by a look at what leads to them.
        """
        if self.credential is None:
            return among("pk", [])
        keys = looked_up(what, self.credential, f"{column} {value}", lambda: keys_up_to(LED, leading, column))
        if keys is not None:
            return among("pk", keys)
        self.has_other_form = self.is_common = True
        return Q(pk__in=leading.values(column)) if self.is_counting else own(leading, column)

    def since(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(created_at__gte=start_of(value))

    def until(self, rows: QuerySet[Any], name: str, value: dt.date) -> QuerySet[Any]:
        return rows.filter(created_at__lt=start_of(value + dt.timedelta(days=1)))

    def of_customer(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self.of_named(rows, value)

    def of_named(self, rows: QuerySet[Any], text: str, further: list[int] | Q | None = None) -> QuerySet[Any]:
        """Return the rows of the customers of a text, and with `further` others, too: named, or that meet a condition."""
        customers = customers_like(self.credential, text)
        others = among("pk", further) if isinstance(further, list) else further or Q()
        if self.credential is not None and isinstance(customers, list):
            # Where it is little, the rows are named, too: else databases may walk the list, or the account, for them.
            of_them = rows.model._default_manager.filter(among("customer", customers))
            what = f"of-customers:{rows.model._meta.model_name}"
            few = looked_up(what, self.credential, text, lambda: keys_up_to(FEW, of_them) if customers else [])
            if few is not None and isinstance(further, list):
                return rows.filter(among("pk", {*few, *further}))
            if few is not None:
                return rows.filter(others | among("pk", few) if few or further is None else others)
        self.is_common = True
        mine = among("customer", customers) | others
        if len(self.in_force()) == 1 and isinstance(customers, list) and further is None:
            # Of customers of this account alone: to ask for it again leads databases through all its rows to count these.
            self.has_other_form = True
            if self.is_counting:
                rows = rows.model._default_manager.all()
        return rows.filter(mine)

    def kept(self, what: str, of: str, found: QuerySet[Any], column: str) -> Q:
        """The same as `named` of many rows, kept until something is written."""
        if self.credential is None:
            return named(found, column, NAMED)
        return _told(looked_up(what, self.credential, of, lambda: keys_up_to(NAMED, found, column)), found, column)

    def in_force(self) -> set[str]:
        """Return the names of the filters in force, that of the tab among them."""
        return {name for name in self.form.fields if self.data.get(name, "").strip()}

    def of_currency(self, rows: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        return self.rare(rows, currency=value.lower())

    def rare(self, rows: QuerySet[Any], *conditions: Q, **found: Any) -> QuerySet[Any]:
        """Return the rows that meet conditions, told by their keys where they are few in the whole account."""
        of_account = rows.model._default_manager.filter(*conditions, **found, credential=self.credential)
        keys = keys_up_to(FEW, of_account)
        return rows.filter(among("pk", keys)) if keys is not None else rows.filter(*conditions, **found)

    def chips(self) -> list[Chip]:
        """Return the filters in force, but for the tab."""
        data, fields = self.data, self.form.fields
        return [
            Chip(str(fields[name].label), _shown(fields[name], data[name]), without(data, name))
            for name in fields
            if name != "status" and data.get(name, "").strip()
        ]

    def tabs(self, counts: Mapping[str, BoundedCount] | None = None) -> list[Tab]:
        """Return the tabs; `counts` says by key how many rows are behind each, and is empty where nobody knows."""
        current = self.data.get("status", "")
        rest = without(self.data, "status")
        known = {key: count.short for key, count in (counts or {}).items()}
        tabs = [Tab("All", rest, not current, count=known.get("", ""))]
        for key, (label, _) in self.states.items():
            query = f"{rest}&status={key}" if rest else f"status={key}"
            tabs.append(Tab(label, query, current == key, key, known.get(key, "")))
        return tabs

    def behind_tabs(self) -> dict[str, reports.Behind]:
        """Return the rows behind each tab, no other filter in force."""
        counted = [key for key in self.states if key not in self.uncounted]
        rows = {"": self.queryset, **{key: self._behind(key) for key in counted}}
        led = {key: self.some(key) for key in rows if key in self.states_from}
        return {key: reports.Behind(found, *led.get(key, ())) for key, found in rows.items()}

    def _behind(self, state: str) -> QuerySet[Any]:
        is_led_to, condition = state in self.states_from, self.states[state][1]
        rows: QuerySet[Any] = self.queryset.filter(condition) if is_led_to else self.by_state(self.queryset, "", state)
        return rows

    def some(self, state: str) -> tuple[QuerySet[Any], QuerySet[Any]]:
        """Return some rows of a rare state, those that the first of rows elsewhere lead to, and all that lead to it."""
        leading = self.states_from[state]
        keys = leading.values(self.states_key)[: reports.LOOKED_AT]
        return self.queryset.filter(self.states_by_row[state], pk__in=keys), leading

    def conditions(self) -> dict[str, Q]:
        """Return what makes a row at hand belong to a tab."""
        return {key: self.states_by_row.get(key, state) for key, (_, state) in self.states.items()}

    def errors(self) -> list[tuple[str, str]]:
        """Return (label, message) of every invalid filter, the hidden one's too."""
        fields = self.form.fields
        return [
            (str(fields[name].label) if name in fields else "", str(message))
            for name, messages in self.form.errors.items()
            for message in messages
        ]


def start_of(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=conf.time_zone())


def _shown(field: forms.Field, value: str) -> str:
    choices = dict(getattr(field, "choices", ()))
    return str(choices.get(value, value))[:60]


def without(data: QueryDict, *names: str) -> str:
    """Return the query of a list without these parameters, and without the place on it."""
    rest = data.copy()
    for name in (*names, "after", "before", "format"):
        rest.pop(name, None)
    for name in [name for name, value in rest.items() if not value]:
        del rest[name]
    return rest.urlencode()
