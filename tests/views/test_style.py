"""The style page: every component is on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import reverse

import financial
from financial.views import style
from tests.views import factory

TEMPLATES = Path(financial.__file__).parent / "templates" / "financial"
PARTS_OF_PAGES = re.compile(r"_no_.*|_mini_.*|.*_row|.*_cell")
# Not shown: what draws one subject with the components that are, and which.
SUBJECTS = {
    "_table": "a list, with rows of its own",
    "_filters": "the filters of a list",
    "_ledger_nav": "the pages of the books",
    "_recurring_form": "the months, currency and product of what recurs",
    "_headlines": "recurring revenue as it is now",
    "_sample_button": "the way to made-up data; it would load it",
    "_invoice_preview": "an invoice that does not exist yet",
    "_outlook": "what Stripe would bill",
    "_fetch_form": "the way to one object at Stripe; it would fetch it",
}


def included() -> dict[str, set[str]]:
    """Every partial, and the templates that include it."""
    users: dict[str, set[str]] = {file.stem: set() for file in TEMPLATES.glob("_*.html")}
    for file in TEMPLATES.glob("*.html"):
        if file.name == "style.html":
            continue
        for name in re.findall(r'\{% include "financial/(\w+)\.html"', re.sub(r"\{#.*?#\}", "", file.read_text())):
            users.setdefault(name, set()).add(file.stem)
    return users


def test_every_component_is_on_the_style_page() -> None:
    components = {name for name, users in included().items() if len(users) > 1 and not PARTS_OF_PAGES.fullmatch(name)}
    shown = {one.partial.removesuffix(".html") for one in style.components()}

    assert components - shown - SUBJECTS.keys() == set()


def test_every_component_shown_exists() -> None:
    assert {one.partial for one in style.components()} <= {file.name for file in TEMPLATES.glob("_*.html")}


@pytest.mark.django_db
def test_the_page_shows_each_component_with_the_line_that_includes_it(client, django_assert_max_num_queries) -> None:
    client.force_login(factory.staff(*factory.VIEW_ALL))

    with django_assert_max_num_queries(8):
        page = client.get(reverse("financial:style"))

    assert page.status_code == 200
    text = page.text
    assert "{% include &quot;financial/_consequences.html&quot; with sentences=consequences only %}" in text
    assert text.count('class="specimen"') == len(style.components())
    assert "Refund $49.00 to Ada Lovelace" in text
    assert "--accent-soft" in text
