"""The Financial dashboard and the Stripe dashboard."""

from __future__ import annotations

import csv
import datetime as dt
import html
import io
import re
from html import unescape

import pytest
import time_machine
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from financial.models import BalanceReading, BooksProof, StripeCredential, StripeInvoice, StripePayout
from tests import books
from tests.views import factory

pytestmark = pytest.mark.django_db
OVERVIEW, STRIPE = reverse("financial:overview"), reverse("financial:stripe")
REVENUE = reverse("financial:revenue")
TRANSACTIONS = reverse("financial:transactions")
XSS = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def _fresh_cache():
    cache.clear()


@pytest.fixture
def page(client):
    client.force_login(factory.staff(*factory.VIEW_ALL, "manage_stripe"))
    return client


@pytest.fixture
def shop():
    return factory.credential(account_id="acct_1")


def sell(shop, size=1, **values):
    """Payments of today, booked, with a refund, a dispute and a subscription each."""
    now = timezone.now()
    for _ in range(size):
        buyer = factory.customer(shop, created_at=now, name=values.get("name", "Ada Lovelace"))
        paid = factory.payment(
            shop, customer=buyer, created_at=now, **{"amount_minor": 2900, **values.get("payment", {})}
        )
        factory.booked(shop, paid)
        factory.refund(shop, payment_intent=paid, currency=paid.currency, created_at=now)
        books.booked(shop, "refund", amount_minor=-500, currency=paid.currency, created_at=now)
        factory.dispute(shop, payment_intent=paid, currency=paid.currency, created_at=now)
        books.booked(shop, "dispute", amount_minor=-900, currency=paid.currency, created_at=now)
        plan = factory.price(shop, product=factory.product(shop, created_at=now), created_at=now)
        factory.subscription(shop, customer=buyer, price=plan, created_at=now, status="past_due")


# Empty states


@pytest.mark.parametrize("address", [OVERVIEW, STRIPE])
def test_without_a_credential_the_page_says_what_to_do(page, address):
    answer = page.get(address)

    assert answer.status_code == 200
    assert "No active Stripe credential found" in answer.text
    assert "create_stripe_sample_data" in answer.text
    assert "sk_test_" in answer.text


def test_the_admin_is_offered_to_those_who_may_add_a_credential(client):
    client.force_login(factory.staff(*factory.VIEW_ALL, "add_stripecredential"))

    assert reverse("admin:financial_stripecredential_add") in client.get(STRIPE).text


def test_a_connected_account_without_data_leads_to_the_sync(page, shop):
    assert "Nothing booked yet" in page.get(OVERVIEW).text
    assert "nothing synced yet" in page.get(STRIPE).text


def test_what_is_done_often_is_one_click_away_for_those_who_may(page, client, shop):
    wanted = {
        "Product": reverse("financial:product-new"),
        "Price": reverse("financial:products") + "?status=active",
        "Customer": reverse("financial:customer-new"),
        "Subscription": reverse("financial:subscription-new"),
        "Payment": reverse("financial:payment-new"),
        "Refund": reverse("financial:payments") + "?status=succeeded",
    }

    actions = page.get(STRIPE).text.partition('aria-label="Quick actions"')[2].partition("</nav>")[0]

    for label, address in wanted.items():
        assert re.search(rf'href="{re.escape(address)}"[^>]*>(<svg.*?</svg>)?{label}</a>', actions), label
        assert page.get(address).status_code == 200
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert "Refund</a>" not in client.get(STRIPE).text


REFUSED = "The provided key does not have the permission 'rak_charge_read'. Give the restricted key the permission."


def test_a_refused_key_says_which_permission_is_missing_and_what_is_not_read(page, shop):
    StripeCredential.objects.update(needs_attention=REFUSED)
    run = factory.run(shop, state="failed", error="charge: refused")
    factory.step(run, "customer", state="done")
    factory.step(run, "charge", state="failed")
    factory.step(run, "balance_transaction", state="waiting")

    text = page.get(STRIPE).text

    assert "Nothing could be read yet" in text and "Connected, nothing synced yet" not in text
    assert "rak_charge_read" in text.partition("<main")[2]
    assert "Not read yet: charges, balance transactions." in text


def test_a_refused_key_beside_data_says_since_when_it_is_stale(page, shop):
    sell(shop)
    factory.run(shop)
    factory.step(factory.run(shop, state="failed"), "charge", state="failed")
    StripeCredential.objects.update(needs_attention=REFUSED)

    stale = page.get(STRIPE).text.partition("<strong>Stripe refused the key.</strong>")[2].partition("</div>")[0]

    assert "Stale since" in stale and stale.rstrip("</p>").endswith("charges.")


@pytest.mark.parametrize("address", [OVERVIEW, STRIPE, reverse("financial:sync"), reverse("financial:customers")])
def test_every_page_says_that_the_key_was_refused_until_a_sync_succeeds(page, shop, address):
    assert "refused the key" not in page.get(address).text

    StripeCredential.objects.update(needs_attention=REFUSED)

    strip = page.get(address).text.partition('class="health"')[2].partition("</ul>")[0]
    assert "Stripe refused the key" in strip and "rak_charge_read" in strip and 'class="bad"' in strip


# The Financial dashboard


def test_the_dashboard_has_the_stripe_integration_button(page):
    assert f'href="{STRIPE}"' in page.get(OVERVIEW).text
    assert "Stripe Integration" in page.get(OVERVIEW).text


def test_every_currency_has_its_own_card_with_the_right_decimals(page, shop):
    for currency, amount in (("usd", 123456), ("eur", 700), ("jpy", 5000)):
        factory.booked(shop, currency=currency, amount_minor=amount, occurred_at=timezone.now())

    text = page.get(OVERVIEW).text

    assert "$1,234.56" in text and "€7.00" in text and "¥5,000" in text


def test_an_estimated_fee_is_marked(page, shop):
    factory.booked(shop, status="estimated", occurred_at=timezone.now())

    text = page.get(OVERVIEW).text

    assert "≈" in text
    assert "1 more estimated" in text


def test_period_currency_and_group_live_in_the_address(page, shop):
    factory.booked(shop, currency="eur", occurred_at=timezone.now())
    factory.booked(shop, currency="usd", occurred_at=timezone.now())

    text = page.get(OVERVIEW, {"period": "7d", "currency": "eur", "group": "week"}).text

    assert "Report by week, EUR" in text
    assert "?currency=eur&amp;group=week&amp;period=90d" in text


STEP = re.compile(r'href="\?([^"]*)" data-step="(-?1)"')


def steps(text):
    return {int(way): html.unescape(query) for query, way in STEP.findall(text)}


@pytest.fixture
def in_april(page):
    """The page as of 15 April 2026, with a sale on a day of March, of February and of the March before."""
    with time_machine.travel(dt.datetime(2026, 4, 15, 12, tzinfo=dt.UTC), tick=False):
        page.force_login(factory.staff(*factory.VIEW_ALL))
        yield page


@pytest.mark.parametrize("address", [OVERVIEW, STRIPE, REVENUE])
def test_months_are_stepped_through_and_the_rest_of_the_address_stays(in_april, shop, address):
    for year, month, amount in ((2025, 3, 111), (2026, 2, 222), (2026, 3, 333)):
        moment = dt.datetime(year, month, 10, tzinfo=dt.UTC)
        books.booked(shop, currency="eur", amount_minor=amount, created_at=moment)
    factory.product(shop)

    april = in_april.get(address, {"period": "month", "currency": "eur", "compare": "year"}).text
    march = in_april.get(f"{address}?{steps(april)[-1]}").text

    assert set(steps(april)) == {-1}
    assert steps(april)[-1] == "compare=year&currency=eur&period=month&end=2026-03-31"
    assert "1–31 Mar 2026" in march and "1–31 Mar 2025" in march and "€3.33" in march
    assert steps(march)[1] == "compare=year&currency=eur&period=month"


def test_before_the_first_day_there_is_nothing_to_step_to(in_april, shop):
    books.booked(shop, created_at=dt.datetime(2026, 3, 10, tzinfo=dt.UTC))

    assert -1 in steps(in_april.get(OVERVIEW, {"period": "7d", "end": "2026-03-20"}).text)
    assert -1 not in steps(in_april.get(OVERVIEW, {"period": "7d", "end": "2026-03-12"}).text)


@pytest.mark.parametrize(
    ("compare", "said"),
    [
        ("previous", "+200.0\u202f%</span> vs. 1–15 Mar 2026"),
        ("year", "+50.0\u202f%</span> vs. 1–15 Apr 2025"),
        ("off", ""),
    ],
)
def test_the_days_compared_with_are_chosen_and_named(in_april, shop, compare, said):
    for year, month, amount in ((2025, 4, 400), (2026, 3, 200), (2026, 4, 600)):
        books.booked(shop, amount_minor=amount, created_at=dt.datetime(year, month, 10, tzinfo=dt.UTC))

    text = in_april.get(OVERVIEW, {"period": "month", "compare": compare}).text.replace(
        '<span class="sr">, better</span>', ""
    )

    assert said in text
    assert ('class="delta"' in text) == (compare != "off")
    assert ('class="was" d=""' in text) == (compare == "off")


@pytest.mark.parametrize(
    ("address", "query", "title"),
    [
        (OVERVIEW, {}, "Gross payments per day"),
        (OVERVIEW, {"measure": "net", "chart": "bars"}, "Net volume per day"),
        (OVERVIEW, {"measure": "fees"}, "Fees per day"),
        (STRIPE, {"measure": "revenue", "chart": "bars"}, "Total revenue per day"),
        (
            STRIPE,
            {"measure": "fees", "chart": "<x>"},
            "Gross payments per day",
        ),  # there are none in what customers paid in
    ],
)
def test_the_chart_shows_what_the_address_says_and_its_twin_the_same(in_april, shop, address, query, title):
    factory.product(shop)
    books.booked(shop, amount_minor=900, fee_minor=100, created_at=dt.datetime(2026, 4, 10, tzinfo=dt.UTC))

    text = in_april.get(address, {"period": "month", **query}).text
    offered = re.search(r'aria-label="Figure of the chart">(.*?)</nav>', text)[1]

    assert f'aria-label="{title}"' in text
    assert f'<caption class="sr">{title}, USD</caption>' in text
    assert ('class="bar rises"' in text) == (query.get("chart") == "bars")
    assert offered.count("<a ") == (4 if address == OVERVIEW else 2)
    assert all(
        f"chart={query['chart']}&amp;" in link for link in offered.split("<a ")[1:] if query.get("chart") == "bars"
    )


def test_more_refunds_are_bad_and_from_nothing_the_change_is_money(in_april, shop):
    books.booked(shop, amount_minor=9000, created_at=dt.datetime(2026, 4, 10, tzinfo=dt.UTC))
    for category, month, amount in (("refund", 3, -200), ("refund", 4, -300), ("dispute", 4, -500)):
        books.booked(shop, category, amount_minor=amount, created_at=dt.datetime(2026, month, 10, tzinfo=dt.UTC))

    text = in_april.get(OVERVIEW, {"period": "month"}).text
    refunds, disputes, gross = (kpi(text, label) for label in ("Refunds", "Disputes", "Gross volume"))

    assert '<span class="poor">' in refunds and "+50.0\u202f%" in refunds
    assert '<span class="poor">' in disputes and "+$5.00 USD" in disputes
    assert '<span class="good">' in gross and "+$90.00 USD" in gross


def test_gross_fees_and_net_are_drawn_small_in_each_card(in_april, shop):
    for day in (2, 9):
        books.booked(shop, amount_minor=900, fee_minor=day, created_at=dt.datetime(2026, 4, day, tzinfo=dt.UTC))

    text = in_april.get(OVERVIEW, {"period": "month"}).text

    for label, drawn in (("Gross volume", 1), ("Fees", 1), ("Net volume", 1), ("Refunds", 0), ("Funding", 0)):
        assert kpi(text, label).count('<svg class="spark"') == drawn
    assert 'aria-hidden="true"' in kpi(text, "Fees")
    assert kpi(text, "Fees").split("points=")[1].split('"')[1].count(",") == 15  # a point per day


def kpi(text, label):
    return text[text.index(f"<dt>{label}</dt>") :].split("</div>")[0]


def test_the_file_of_a_month_back_in_time_holds_that_month(in_april, shop):
    books.booked(shop, amount_minor=333, created_at=dt.datetime(2026, 3, 10, tzinfo=dt.UTC))
    text = in_april.get(OVERVIEW, {"period": "month", "end": "2026-03-31", "group": "month"}).text
    link = html.unescape(re.search(r'href="\?([^"]*csv=1)"', text)[1])

    (row,) = csv.DictReader(io.StringIO(in_april.get(f"{OVERVIEW}?{link}").text))

    assert (row["from (UTC)"], row["to (UTC)"], row["gross"]) == ("2026-03-01", "2026-03-31", "3.33")


@pytest.mark.parametrize(
    "query",
    [
        {"period": "never"},
        {"currency": "<x>"},
        {"group": "century"},
        {"period": "all"},
        {"period": "month", "end": "9999-99-99", "compare": "<x>"},
    ],
)
def test_any_address_gets_an_answer(page, shop, query):
    factory.booked(shop)

    assert page.get(OVERVIEW, query).status_code == 200
    assert page.get(STRIPE, query).status_code == 200


def test_days_and_payments_booked_lead_to_the_rows_they_count(page, shop):
    """A payment of last year that was settled today in another currency is one of today's rows."""
    today = timezone.now().date()
    old = factory.payment(shop, currency="chf", created_at=timezone.now() - dt.timedelta(days=300))
    books.settled(shop, old, currency="eur", occurred_at=timezone.now(), presentment_currency="chf")
    factory.payment(shop, currency="eur", created_at=timezone.now(), status="requires_payment_method")

    text = page.get(OVERVIEW, {"period": "7d"}).text

    day = f"figure=gross&amp;currency=eur&amp;date_from={today}&amp;date_to={today}"
    assert re.search(rf'<th scope="row"><a href="{TRANSACTIONS}[?]{day}">', text)
    (seen,) = re.findall(r'<a href="([^"]+)">See the payments', text)
    assert seen.startswith(f"{TRANSACTIONS}?figure=gross&amp;currency=eur&amp;date_from=")
    for query in (day, seen.partition("?")[2]):
        assert page.get(f"{TRANSACTIONS}?{unescape(query)}").text.count('data-label="Net"') == 1


def test_total_revenue_leads_to_rows_that_add_up_to_it_in_the_currency_paid_in(page, shop):
    now = timezone.now()
    paid = {"currency": "usd", "presentment_currency": "eur", "occurred_at": now}
    books.settled(shop, amount_minor=5406, presentment_amount_minor=5000, **paid)
    books.settled(
        shop, amount_minor=-1090, presentment_amount_minor=-1000, fee_minor=0, kind="refund",
        reporting_category="refund", **paid,
    )  # fmt: skip
    books.settled(shop, amount_minor=700, currency="usd", occurred_at=now)
    factory.payment(shop, currency="eur", created_at=now, status="requires_payment_method", error_code="card_declined")

    text = page.get(STRIPE, {"period": "7d"}).text

    (card,) = re.findall(r"<dt>EUR, 7 days</dt>.*?</dl>", text, re.S)
    addresses = re.findall(r'href="([^"]+)"', card)
    assert len(addresses) == 3 and all("figure=revenue&amp;paid_in=eur" in address for address in addresses)
    for address in addresses:
        rows = page.get(unescape(address)).text
        assert rows.count('data-label="Net"') == 2
        assert "Total revenue, paid in EUR</dt>" in rows and "€40.00" in rows and "$43.16" in rows


def test_who_may_not_see_the_books_gets_no_link_to_them(client, shop):
    client.force_login(factory.staff("view_stripepaymentintent"))
    books.settled(shop, factory.payment(shop), amount_minor=5406, occurred_at=timezone.now())

    text = client.get(STRIPE).text

    assert "$54.06" in text and TRANSACTIONS not in text


def test_the_csv_sums_to_the_card_and_names_zone_and_mode(page, shop, settings):
    settings.FINANCIAL_TIME_ZONE = "Europe/Berlin"
    sell(shop, 3)

    answer = page.get(OVERVIEW, {"csv": "1", "currency": "usd", "period": "7d"})

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert 'filename="financial-test-usd-by-day.csv"' in answer.headers["Content-Disposition"]
    assert len(rows) == 7
    assert "from (Europe/Berlin)" in rows[0]
    assert {row["mode"] for row in rows} == {"test"}
    assert f"{sum(float(row['gross']) for row in rows):.2f}" == "87.00"
    assert f"{sum(float(row['refunds']) for row in rows):.2f}" == "15.00"


def test_text_from_stripe_cannot_become_a_formula(page, shop):
    factory.booked(shop, currency="=cmd()", occurred_at=timezone.now())

    answer = page.get(OVERVIEW, {"csv": "1", "currency": "=cmd()"})

    assert answer.status_code == 200
    assert ",=" not in answer.text and "'=CMD()" in answer.text


# The Stripe dashboard


def test_revenue_is_gross_less_refunds_and_disputes(page, shop):
    sell(shop)

    text = page.get(STRIPE).text

    assert "$15.00" in text  # 29.00 - 5.00 - 9.00
    assert "Gross payments − refunds − disputes, each on its own day" in text


def test_things_that_need_attention_are_listed(page, shop):
    sell(shop, payment={"status": "requires_payment_method", "error_code": "x", "error_message": "Card declined."})

    text = page.get(STRIPE).text

    assert "Card declined." in text and "Needs an answer" in text and "Past due" in text


def test_activity_is_told_in_sentences(page, shop):
    sell(shop)

    text = page.get(STRIPE).text

    assert "from Ada Lovelace succeeded" in text
    assert "became a customer" in text and "disputed" in text and "subscribed to" in text


def test_quick_actions_are_for_those_who_may_write(client, shop):
    sell(shop)
    client.force_login(factory.staff(*factory.VIEW_ALL))
    assert reverse("financial:payment-new") not in client.get(STRIPE).text

    client.force_login(factory.staff(*factory.VIEW_ALL, "manage_stripe"))

    for name in ("product-new", "customer-new", "payment-new", "subscription-new"):
        assert reverse(f"financial:{name}") in client.get(STRIPE).text


def test_cards_of_what_one_may_not_see_are_left_out(client, shop):
    sell(shop)
    client.force_login(factory.staff("view_stripepaymentintent"))

    text = client.get(STRIPE).text

    assert "All payments" in text and "All customers" not in text and "All subscriptions" not in text


def test_text_from_stripe_is_escaped_everywhere(page, shop):
    sell(shop, name=XSS, payment={"status": "requires_payment_method", "error_code": "x", "error_message": XSS})
    factory.event(shop, type=XSS, error=XSS, state="dead")

    for address in (OVERVIEW, STRIPE, reverse("financial:sync")):
        assert XSS not in page.get(address).text


@pytest.mark.parametrize(("address", "most"), [(OVERVIEW, 24), (STRIPE, 48)])
def test_the_number_of_queries_does_not_grow_with_the_data(page, shop, address, most, django_assert_num_queries):
    sell(shop, 2)
    page.get(address)  # once for what Django itself remembers
    cache.clear()
    with CaptureQueriesContext(connection) as first:
        page.get(address)
    sell(shop, 25)
    cache.clear()

    with django_assert_num_queries(len(first)):
        page.get(address)

    assert len(first) <= most


# Explanations, balance, age


def test_every_figure_of_the_books_explains_itself_and_leads_to_its_rows(page, shop):
    sell(shop)

    text = page.get(OVERVIEW).text

    for figure in ("Gross volume", "Refunds", "Disputes", "Total revenue", "Fees", "Net volume", "Funding"):
        assert f'<summary>Explain<span class="sr"> {figure}, usd</span></summary>' in text
        assert f'See the rows it is made of<span class="sr">: {figure}, usd' in text
    assert "figure=revenue&amp;currency=usd" in text
    assert "Gross volume − refunds − disputes. Fees are not taken off." in text


def test_the_balance_at_stripe_is_shown_per_currency(page, shop):
    sell(shop)
    for currency, available, pending in (("usd", 12345, 678), ("jpy", 900, 0)):
        BalanceReading.objects.create(
            credential=shop,
            currency=currency,
            available_minor=available,
            pending_minor=pending,
            booked_minor=available + pending,
            is_steady=True,
            read_at=timezone.now(),
        )
    books.booked(shop, "risk_reserved_funds", amount_minor=-1000, currency="usd", created_at=timezone.now())

    text = page.get(OVERVIEW).text

    assert "$123.45" in text and "$6.78" in text and "¥900" in text
    assert "account=Assets%3AStripe%3AReserve&amp;currency=usd" in text
    assert "$10.00" in text


@pytest.mark.parametrize("address", [OVERVIEW, STRIPE])
def test_old_figures_say_as_of_when_they_are(page, shop, settings, address):
    settings.FINANCIAL_SYNC_EVERY_MINUTES = 15
    sell(shop)
    factory.run(shop, requested_at=timezone.now() - dt.timedelta(hours=5))

    assert "No sync has ended since" in page.get(address).text
    factory.run(shop, requested_at=timezone.now() - dt.timedelta(minutes=5))
    assert "As of" not in page.get(address).text
    factory.run(shop, requested_at=timezone.now(), state="failed")
    assert "The last sync failed" in page.get(address).text


# The Stripe dashboard in detail


def test_cards_count_compare_draw_and_lead_to_their_rows(page, shop):
    now = timezone.now()
    for days in (0, 0, 0, 40, 45):
        factory.customer(shop, created_at=now - dt.timedelta(days=days))

    text = page.get(STRIPE).text
    card = text[text.index("<dt>Customers</dt>") :].split("</dl>")[0]

    assert '/stripe/customers/">5</a>' in card
    assert "3 new</a> in 30 days" in card
    assert "+50.0\u202f%" in card
    assert '<svg class="spark"' in card and 'aria-hidden="true"' in card


def test_trouble_is_counted_and_leads_to_its_rows(page, shop):
    now = timezone.now()
    factory.payment(shop, created_at=now, status="requires_payment_method", error_code="card_declined")
    for status in ("needs_response", "under_review", "lost"):
        paid = factory.payment(shop, created_at=now)
        factory.charge(shop, paid, disputed=True)
        factory.dispute(shop, created_at=now, status=status, payment_intent=paid)

    text = page.get(STRIPE).text

    assert "?status=failed&amp;date_from=" in text
    assert '?dispute=open">2</a>' in text
    assert page.get(f"{reverse('financial:payments')}?dispute=open").text.count('data-label="Customer"') == 2


def test_recent_rows_are_in_the_states_of_their_lists(page, shop):
    now = timezone.now()
    for charge in ({"disputed": True}, {"refunded": True}, {"amount_refunded_minor": 5}):
        factory.charge(shop, factory.payment(shop, created_at=now), **charge)
    factory.subscription(shop, cancel_at_period_end=True, created_at=now)

    text = page.get(STRIPE).text
    recent = text[text.index("Recent payments") : text.index("Recent activity")]

    lists = [page.get(reverse(f"financial:{name}")).text for name in ("payments", "subscriptions")]
    for badge in ("Disputed", "Refunded", "Partly refunded", "Canceling"):
        assert f"{badge}</span>" in recent and any(f"{badge}</span>" in shown for shown in lists)
    assert 'title="succeeded"' in recent and "Succeeded</span>" not in recent and "Active</span>" not in recent


def trouble(shop):
    """A failed payout, a row in suspense, a dispute and a renewal that nobody paid."""
    now = timezone.now()
    StripePayout.objects.create(
        credential=shop, stripe_id="po_1", amount_minor=7700, currency="usd", status="failed",
        failure_code="account_closed", created_at=now,
    )  # fmt: skip
    books.booked(shop, "climate_order_purchase", amount_minor=-300, currency="usd", created_at=now)
    factory.dispute(shop, reason="product_not_received")
    late = factory.subscription(shop, status="past_due", latest_invoice_stripe_id="in_1", created_at=now)
    StripeInvoice.objects.create(
        credential=shop, stripe_id="in_1", subscription=late, amount_due_minor=4200, currency="usd", status="open",
        attempt_count=2, next_payment_attempt_at=now + dt.timedelta(days=3), created_at=now,
    )  # fmt: skip


def test_failed_payouts_suspense_and_unpaid_renewals_need_attention(page, shop):
    trouble(shop)

    text = page.get(STRIPE).text

    assert 'Payout: <span title="account_closed">account closed</span>' in text and "$77.00" in text
    assert 'Dispute: <span title="product_not_received">product not received</span>' in text
    assert "In suspense" in text and "climate_order_purchase" in text
    assert "2 attempts" in text and "$42.00" in text and "next try" in text


def test_the_stream_shows_one_kind_of_activity(page, shop):
    sell(shop)

    everything, refunds = page.get(STRIPE).text, page.get(STRIPE, {"activity": "refund", "period": "7d"}).text

    story = refunds[refunds.index("Recent activity") :]
    assert "refunded" in story and "disputed $" not in story and "became a customer" not in story
    assert "became a customer" in everything
    assert "?period=7d&amp;activity=dispute" in refunds
    assert page.get(STRIPE, {"activity": "nonsense"}).status_code == 200


@pytest.mark.parametrize("address", [OVERVIEW, reverse("financial:proof"), reverse("financial:exports")])
def test_what_programs_of_others_said_of_the_books_is_shown(page, shop, address):
    sell(shop)
    BooksProof.objects.create(
        credential=shop, program="beancount", checked_at=timezone.now(), entries=1204, differences=0
    )
    BooksProof.objects.create(
        credential=shop, program="hledger", checked_at=timezone.now(), entries=1204, differences=1
    )

    text = page.get(address).text

    assert "Verified by beancount, 1,204 entries, 0 differences" in text
    assert "Refused by hledger, 1,204 entries, 1 difference" in text
    assert reverse("financial:exports") in text


def story(text):
    return text.partition('id="activity-title"')[2].partition("</section>")[0]


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        ("view_stripecustomer", "became a customer"),
        ("view_stripesubscription", "subscribed to"),
        ("view_stripepayout", "paid out to the bank"),
    ],
)
def test_activity_shows_only_what_one_may_see(client, shop, permission, words):
    factory.customer(shop, name="Grace")
    factory.subscription(shop)
    StripePayout.objects.create(credential=shop, stripe_id="po_1", status="paid", created_at=factory.NOW)
    kind = permission.removeprefix("view_stripe")

    client.force_login(factory.staff("view_stripepaymentintent"))
    without = story(client.get(STRIPE, {"activity": kind}).text)
    client.force_login(factory.staff("view_stripepaymentintent", permission))
    shown = story(client.get(STRIPE, {"activity": kind}).text)

    assert words not in without and f"activity={kind}" not in without
    assert words in shown and f"activity={kind}" in shown


def test_a_guests_refund_leads_to_its_payment(page, shop):
    paid = factory.payment(shop, customer=None)
    factory.refund(shop, payment_intent=paid, amount_minor=500)

    told = story(page.get(STRIPE, {"activity": "refund"}).text)

    assert re.search(rf'href="{reverse("financial:payment", args=[paid.stripe_id])}"><.*?5\.00.*?</a> refunded', told)


def test_what_needs_attention_links_only_where_one_may_go(client, shop):
    sell(shop)
    factory.event(shop, state="dead")
    client.force_login(factory.staff("view_stripepaymentintent"))

    text = client.get(STRIPE).text.partition("<main")[2]

    assert reverse("financial:events") not in text
    assert reverse("financial:subscriptions") not in text


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        ("view_stripesubscription", "Renewal not paid"),
        ("view_stripepayout", "account closed"),
        ("view_transaction", "In suspense"),
        ("view_stripewebhookevent", "Webhook event:"),
    ],
)
def test_what_needs_attention_is_shown_to_those_who_may_see_its_rows(client, shop, permission, words):
    trouble(shop)
    factory.event(shop, state="dead")

    def attention(*permissions):
        client.force_login(factory.staff("view_stripepaymentintent", *permissions))
        return client.get(STRIPE).text.partition('id="attention-title"')[2].partition("</section>")[0]

    assert words not in attention() and "Dispute:" in attention()
    assert words in attention(permission)


def test_an_empty_list_of_what_needs_attention_speaks_only_of_what_one_may_see(client, shop):
    client.force_login(factory.staff("view_stripepaymentintent"))
    assert "no renewal unpaid" not in client.get(STRIPE).text
