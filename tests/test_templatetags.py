"""How pages write money, moments and states."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace

import pytest
import time_machine

from financial.models import StripePaymentIntent, StripeSubscription
from financial.reports import Figures, ReportRow
from financial.templatetags import financial as tags

NOW = dt.datetime(2026, 10, 15, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1050, "usd", "$10.50 USD"), (-500, "eur", "−€5.00 EUR"), (500, "jpy", "¥500 JPY"), (5120, "kwd", "KWD 5.120")],
)
def test_money_carries_its_code_once(amount, currency, text):
    assert tags.money_text(amount, currency).replace("\u00a0", " ") == text
    assert tags.money(amount, currency).count(currency.upper()) == 1


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_amount_is_a_dash_and_zero_is_not(nothing):
    assert tags.money(nothing, "usd") == tags.money_text(nothing, "usd") == "—"
    assert "$0.00" in tags.money(0, "usd")


@pytest.mark.parametrize(
    ("difference", "currency", "text"),
    [
        (1250, "eur", "+€12.50 EUR"),
        (-500, "jpy", "−¥500 JPY"),
        (3, "", "+3"),
        (-1200, "", "−1,200"),
        (0, "eur", "unchanged"),
    ],
)
def test_a_change_has_its_sign_and_its_currency(difference, currency, text):
    assert tags.change(difference, currency) == text


@pytest.mark.parametrize(
    ("start", "last", "text"),
    [
        (None, "2026-03-31", "until 31 Mar 2026"),
        ("2026-03-31", "2026-03-31", "31 Mar 2026"),
        ("2026-03-01", "2026-03-31", "1–31 Mar 2026"),
        ("2026-02-27", "2026-03-31", "27 Feb – 31 Mar 2026"),
        ("2025-12-31", "2026-01-01", "31 Dec 2025 – 1 Jan 2026"),
    ],
)
def test_days_are_told_without_saying_anything_twice(start, last, text):
    period = SimpleNamespace(start=start and dt.date.fromisoformat(start), last=dt.date.fromisoformat(last))

    assert tags.days(period) == text


def test_an_unknown_currency_is_shown_and_escaped():
    assert "<b>" not in tags.money(5, "<b>")


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (dt.timedelta(seconds=3), "just now"),
        (dt.timedelta(minutes=1), "1 minute ago"),
        (dt.timedelta(hours=5), "5 hours ago"),
        (dt.timedelta(days=6), "6 days ago"),
        (dt.timedelta(days=-2), "in 2 days"),
        (dt.timedelta(days=30), "15 Sep, 12:00"),
        (dt.timedelta(days=400), "10 Sep 2025"),
    ],
)
def test_moments_are_relative_within_a_week(ago, text):
    with time_machine.travel(NOW, tick=False):
        assert f"<span>{text}</span></time>" in tags.when(NOW - ago)


def test_a_moment_tells_the_accounts_time_and_utc(settings):
    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"

    written = tags.when(NOW, "exact")

    assert 'datetime="2026-10-15T12:00:00+00:00"' in written
    assert 'title="15 Oct 2026, 14:00:00 CEST · 15 Oct 2026, 12:00:00 UTC"' in written
    assert 'data-exact="15 Oct 2026, 14:00 CEST · 12:00 UTC"><span>15 Oct 2026, 14:00 CEST</span></time>' in written


def test_a_relative_moment_holds_the_exact_one_beside_it(settings):
    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"

    with time_machine.travel(NOW, tick=False):
        written = tags.when(NOW - dt.timedelta(hours=5))

    assert 'data-exact="15 Oct 2026, 09:00 CEST · 07:00 UTC"><span>5 hours ago</span>' in written


@pytest.mark.parametrize(
    ("zone", "exact"),
    [
        ("UTC", "15 Oct 2026, 23:30 UTC"),
        ("Europe/Berlin", "16 Oct 2026, 01:30 CEST · 15 Oct 2026, 23:30 UTC"),
        ("America/New_York", "15 Oct 2026, 19:30 EDT · 23:30 UTC"),
    ],
)
def test_the_exact_time_tells_utc_where_that_is_another(settings, zone, exact):
    settings.FINANCIAL_TIME_ZONE = zone

    assert f'data-exact="{exact}"' in tags.when(NOW.replace(hour=23, minute=30))


def test_no_moment_is_a_dash():
    assert tags.when(None) == "—"


def test_a_badge_has_words_an_icon_and_stripes_own_word():
    badge = tags.status(StripePaymentIntent(status="requires_capture"))

    assert "Uncaptured" in badge and "<svg" in badge and 'title="requires_capture"' in badge


def test_a_payment_without_money_after_an_error_has_failed():
    badge = tags.status(StripePaymentIntent(status="requires_payment_method", error_code="card_declined"))

    assert "Failed" in badge and 'title="requires_payment_method"' in badge


def test_our_word_for_a_state_has_stripes_own_in_its_title():
    late = StripeSubscription(status="past_due", cancel_at_period_end=True)

    for word, row, shown in (
        ("refunded", StripePaymentIntent(status="succeeded"), "Refunded"),
        ("incomplete", StripePaymentIntent(status="requires_confirmation"), "Incomplete"),
        ("canceling", late, "Canceling"),
        ("a_new_word", StripePaymentIntent(status="a_new_word"), "A new word"),
    ):
        badge = tags.status(word, row)
        assert f">{shown}</span>" in badge and f'title="{row.status}"' in badge


def test_an_unknown_state_is_shown_as_it_is_and_escaped():
    assert "Brand new state" in tags.status("brand_new_state", "payment")
    assert "<script>" not in tags.status("<script>", "payment")


def test_codes_are_words_with_stripes_own_in_the_title():
    assert tags.words("product_not_received") == '<span title="product_not_received">Product not received</span>'
    assert tags.words("product_not_received", "lower").endswith(">product not received</span>")
    assert "<script>" not in tags.words("<script>")
    assert tags.words("") == "—"


def test_resources_are_named_as_people_do():
    assert tags.resource_words("payment_intent") == "Payments"
    assert tags.resource_words("balance_transaction") == "Balance transactions"


def test_a_row_of_the_report_escapes_what_it_did_not_write() -> None:
    figures = Figures(count=1200, gross_minor=500, estimated=2)
    row = ReportRow(dt.date(2026, 1, 1), dt.date(2026, 2, 1), figures)
    text = tags.report_rows([("<b>", row)], "<i>")

    assert "<b>" not in text and "<i>" not in text and "&lt;b&gt;" in text
    assert "?figure=gross&amp;currency=%3Ci%3E&amp;date_from=2026-01-01&amp;date_to=2026-01-31" in text
    assert text.count("<td") == 9 and 'data-label="Refunds">–' in text and "1200 " in text and "+2" in text


def test_a_dotted_name_breaks_behind_its_dots_and_is_escaped():
    assert tags.dotted("customer.updated<b>") == "customer.<wbr>updated&lt;b&gt;"
