"""Template partials as components: what they say, given plain values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django import forms
from django.template.loader import render_to_string

TEMPLATES = sorted((Path(__file__).parents[1] / "financial" / "templates" / "financial").glob("*.html"))


class Reason(forms.Form):
    key = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(help_text="Kept at Stripe.")


def confirm(**context: object) -> str:
    given = {"consequences": ["Ada gets $49.00 back.", "Stripe keeps its fee."], "button": "Refund $49.00 to Ada"}
    return render_to_string("financial/_confirm_form.html", {**given, "back_url": "/back/", **context})


def test_consequences_are_said_before_the_button() -> None:
    html = confirm(form=Reason(initial={"key": "k1"}))

    assert html.index("Ada gets $49.00 back.") < html.index("Kept at Stripe.") < html.index("Refund $49.00 to Ada")
    assert 'type="hidden" name="key" value="k1"' in html
    assert 'href="/back/"' in html


def test_a_confirm_form_needs_no_field_and_marks_what_cannot_be_undone() -> None:
    assert 'class="btn primary"' in confirm()
    html = confirm(is_danger=True)
    assert 'class="btn danger"' in html
    assert "consequences grave" in html


def test_a_refused_confirm_form_leads_to_the_field() -> None:
    form = Reason({"key": "k1"})
    html = confirm(form=form)

    assert 'role="alert"' in html
    assert '<a href="#id_reason">Reason</a>' in html
    assert 'aria-invalid="true"' in html


def test_nothing_to_say_leaves_no_panel() -> None:
    assert render_to_string("financial/_consequences.html", {"sentences": []}).strip() == ""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_table_names_its_rows_and_scrolls_by_keyboard(template: Path) -> None:
    text = template.read_text()

    for row in re.findall(r"<tr[^>]*>\s*<td(?! colspan).*?</tr>", text, re.DOTALL):
        assert 'scope="row"' in row
    for opening in re.findall(r'<div class="table-wrap"[^>]*>', text):
        assert 'role="region"' in opening and 'aria-label="' in opening and 'tabindex="0"' in opening
