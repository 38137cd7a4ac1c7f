from __future__ import annotations

import csv
import datetime as dt
import io
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from financial import reports
from financial.filters import base
from financial.models import (
    MirrorClock,
    MrrSpan,
    PayoutRow,
    StripeCredential,
    StripeInvoice,
    StripePaymentIntent,
    StripePayout,
    SyncRun,
)
from financial.paging import BoundedCount, CountUpTo
from financial.reports import tabs as tab_figures
from financial.spreadsheets import FORMULA_STARTS
from financial.views.mirror import export
from financial.views.mirror.rows import subscription_row
from tests.views import rows as make

pytestmark = pytest.mark.django_db

LISTS = ("products", "customers", "payments", "subscriptions")
HOSTILE = "<script>alert('x')</script>"


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(make.staff())
    return client


def fill(credential: StripeCredential, count: int) -> None:
    """`count` rows for each list, every one with all that can belong to it."""
    for number in range(count):
        product = make.product(credential, name=f"Book {number:03}")
        price = make.price(product, type="recurring")
        make.price(product)
        product.default_price_stripe_id = price.stripe_id
        product.save()
        customer = make.customer(credential, name=f"Reader {number:03}", email=f"r{number:03}@example.com")
        payment = make.payment(credential, customer, amount_minor=1000 + number)
        make.charge(payment, status="failed")
        make.charge(payment, amount_refunded_minor=5)
        make.booking(payment, settled=bool(number % 2))
        make.subscription(price, customer, quantity=2)


def page(client: Client, name: str, query: str = "", **options: Any) -> str:
    answer = client.get(f"{reverse(f'financial:{name}')}?{query}", **options)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def links(text: str, word: str) -> list[str]:
    """The ids of the details linked from the table, in the order of the rows."""
    return re.findall(rf'main-link[^"]*" href="/studio/financial/stripe/{word}/([^/"]+)/"', text)


def queries_of_kept(call: Any, connection_queries: Any) -> int:
    """The queries of a call that was made before; some answers are kept for seconds only, and end on a busy machine."""
    call()
    return min(connection_queries(call) for _ in range(3))


@pytest.mark.parametrize("name", LISTS)
def test_the_number_of_queries_is_the_same_for_few_and_many_rows(
    name: str, credential: StripeCredential, staff: Client, connection_queries: Any, settings: Any
) -> None:
    fill(credential, 22)
    page(staff, name)
    full, partly = [], []
    for size in (2, 20):
        settings.FINANCIAL_PAGE_SIZE = size
        full.append(queries_of_kept(lambda: page(staff, name), connection_queries))
    settings.FINANCIAL_PAGE_SIZE = 200
    for more in (0, 40):
        fill(credential, more)
        partly.append(queries_of_kept(lambda: page(staff, name), connection_queries))
    assert full[0] == full[1] < 25
    assert partly[0] == partly[1] < 25


@pytest.mark.parametrize("name", LISTS)
def test_pages_lead_forth_and_back_through_every_row(
    name: str, credential: StripeCredential, staff: Client, settings: Any
) -> None:
    settings.FINANCIAL_PAGE_SIZE = 2
    fill(credential, 5)
    seen, texts, query = [], [], "sort=-date"
    while True:
        texts.append(page(staff, name, query))
        seen += links(texts[-1], name)
        found = re.search(r'rel="next" href="\?([^"]+)"', texts[-1])
        if not found:
            break
        query = found.group(1).replace("&amp;", "&")
    assert len(seen) == len(set(seen)) == 5
    back = re.search(r'rel="prev" href="\?([^"]+)"', texts[-1])
    assert back
    assert links(page(staff, name, back.group(1).replace("&amp;", "&")), name) == seen[2:4]


def test_a_heading_sorts_both_ways_and_says_so(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 3)
    falling = page(staff, "payments", "sort=-amount")
    rising = page(staff, "payments", "sort=amount")
    assert links(falling, "payments") == links(rising, "payments")[::-1]
    assert 'aria-sort="descending"' in falling
    assert 'href="?sort=amount"' in falling
    assert 'href="?sort=-amount"' in rising
    by_name = page(staff, "customers", "sort=name")
    assert by_name.index("Reader 000") < by_name.index("Reader 002")


def test_an_unknown_order_is_the_newest_first(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 2)
    assert links(page(staff, "payments", "sort=secret"), "payments") == links(page(staff, "payments"), "payments")


def test_a_forged_page_link_shows_the_first_page_and_says_so(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 1)
    text = page(staff, "payments", "after=forged")
    assert "not valid any more" in text
    assert len(links(text, "payments")) == 1


@pytest.mark.parametrize("name", LISTS)
def test_an_invalid_filter_shows_an_error_and_no_rows(name: str, credential: StripeCredential, staff: Client) -> None:
    fill(credential, 1)
    text = page(staff, name, "status=typo&date_from=x")
    assert "a filter is not valid" in text
    assert links(text, name) == []
    answer = staff.get(f"{reverse(f'financial:{name}')}?status=typo&format=csv")
    assert (answer.status_code, b"Nothing was exported" in answer.content) == (400, True)


def test_filters_in_force_are_chips_and_all_can_be_cleared(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 2)
    text = page(staff, "payments", "q=r001&status=partly_refunded&sort=amount")
    assert len(links(text, "payments")) == 1
    assert 'href="?status=partly_refunded&amp;sort=amount" title="Drop this filter"' in text
    assert 'href="/studio/financial/stripe/payments/">Clear all' in text
    assert '<a href="?q=r001&amp;sort=amount&amp;status=partly_refunded" aria-current="page">Partly refunded' in text
    assert "Nothing matches" in page(staff, "payments", "q=nobody")


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_list_says_what_to_do_next(name: str, credential: StripeCredential, staff: Client) -> None:
    text = page(staff, name)
    assert f"No {name} yet" in text
    assert f"/{name}/new/" in text


@pytest.mark.parametrize("name", LISTS)
def test_without_a_credential_the_page_says_how_to_get_one(name: str, staff: Client) -> None:
    answer = staff.get(reverse(f"financial:{name}"))
    assert "No active Stripe credential found" in answer.content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_rows_of_another_credential_are_not_shown(name: str, credential: StripeCredential, staff: Client) -> None:
    fill(make.credential("Other", is_active=False), 1)
    assert links(page(staff, name), name) == []


@pytest.mark.parametrize("name", LISTS)
def test_text_from_stripe_is_escaped(name: str, credential: StripeCredential, staff: Client) -> None:
    customer = make.customer(credential, name=HOSTILE, email=HOSTILE, description=HOSTILE)
    product = make.product(credential, name=HOSTILE)
    price = make.price(product, type="recurring", nickname=HOSTILE, currency="x<b>")
    payment = make.payment(credential, customer, status=HOSTILE[:40], currency="x<b>")
    make.charge(payment, card_brand=HOSTILE[:40], card_last4="<b>")
    make.subscription(price, customer, status=HOSTILE[:40])
    text = page(staff, name) + page(staff, name, f"q={HOSTILE}") + page(staff, name, f"status={HOSTILE}")
    assert "<script>alert" not in text
    assert "<b>" not in text


@pytest.mark.parametrize("name", LISTS)
def test_htmx_gets_the_table_without_the_shell(name: str, credential: StripeCredential, staff: Client) -> None:
    fill(credential, 1)
    part = page(staff, name, headers={"HX-Request": "true"})
    assert "<html" not in part
    assert 'hx-swap-oob="true"' in part
    assert len(links(part, name)) == 1
    whole = page(staff, name, headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in whole


def test_htmx_puts_a_tidy_address_into_the_history(credential: StripeCredential, staff: Client) -> None:
    url = reverse("financial:payments")
    for query, tidy in (("q=ada&status=&method=", f"{url}?q=ada"), ("q=&after=x", f"{url}?after=x"), ("q=", url)):
        assert staff.get(f"{url}?{query}", headers={"HX-Request": "true"})["HX-Push-Url"] == tidy


def test_a_payment_shows_method_fee_and_net_and_marks_an_estimate(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential, make.customer(credential))
    make.charge(payment)
    make.booking(payment, 117)
    text = page(staff, "payments")
    for piece in ("Visa ••••4242", "$1.17", "$28.82", "≈", "Succeeded", "ada@example.com"):
        assert piece in text


def test_sums_are_given_per_currency_and_never_added(credential: StripeCredential, staff: Client) -> None:
    for amount, currency in ((1000, "usd"), (500, "usd"), (500, "jpy")):
        make.payment(credential, amount_minor=amount, currency=currency)
    make.payment(credential, amount_minor=700, currency="usd", status="canceled")
    text = re.sub(r"<[^>]+>|\s+", " ", page(staff, "payments"))
    text = re.sub(r"\s+", " ", text)
    assert "USD, 3 payments $22.00 USD , received $15.00 USD" in text
    assert "JPY, 1 payment ¥500 JPY , received ¥500 JPY" in text


def test_a_deleted_customer_is_kept_and_marked(credential: StripeCredential, staff: Client) -> None:
    make.customer(credential, deleted_at=make.NOON)
    assert "Deleted in Stripe</span>" in page(staff, "customers")


def exported(client: Client, name: str, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{reverse(f'financial:{name}')}?format=csv&{query}")
    assert answer.status_code == 200
    assert f'filename="{name}-test-' in answer["Content-Disposition"]
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.mark.parametrize("name", LISTS)
def test_the_csv_holds_the_rows_on_screen_in_their_order(
    name: str, credential: StripeCredential, staff: Client, settings: Any
) -> None:
    settings.FINANCIAL_PAGE_SIZE = 100
    fill(credential, 4)
    query = "date_from=2026-05-04&sort=date"
    assert [line["id"] for line in exported(staff, name, query)] == links(page(staff, name, query), name)


def test_the_csv_gives_amounts_in_minor_and_major_units(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(
        credential, amount_minor=5120, currency="kwd", created_at=dt.datetime(2026, 5, 4, tzinfo=dt.UTC)
    )
    make.booking(payment, 120)
    line = exported(staff, "payments")[0]
    wanted = ("created_at (UTC)", "amount_minor", "amount", "currency", "fee", "net_minor", "fee is", "mode")
    assert [line[key] for key in wanted] == [
        "2026-05-04T00:00:00+00:00", "5120", "5.120", "kwd", "0.120", "5000", "estimated", "test"
    ]  # fmt: skip


@given(st.text(min_size=1, max_size=30), st.sampled_from("=+-@\t\r\0"))
def test_no_text_becomes_a_formula(text: str, start: str) -> None:
    for hostile in (start + text, f"  {start}{text}"):
        cell = export.cell(hostile)
        assert not cell.lstrip(" ").startswith(FORMULA_STARTS)
        assert text.replace("\0", "") in cell


def test_a_negative_amount_stays_a_number() -> None:
    assert export.amounts(-1050, "usd")[0] == export.cell(-1050) == -1050
    assert export.amounts(5, "zzz") == (5, "")


def test_a_formula_in_a_name_is_neutralised_in_the_file(credential: StripeCredential, staff: Client) -> None:
    make.customer(credential, name='=HYPERLINK("http://x")', email="@sum")
    line = exported(staff, "customers")[0]
    assert (line["name"], line["email"]) == ('\'=HYPERLINK("http://x")', "'@sum")


def test_the_export_needs_a_fixed_number_of_queries_a_page(
    credential: StripeCredential, staff: Client, connection_queries: Any
) -> None:
    fill(credential, 3)
    exported(staff, "payments")
    few = connection_queries(lambda: exported(staff, "payments"))
    fill(credential, 20)
    exported(staff, "payments")  # what is kept for some seconds may have ended meanwhile
    assert connection_queries(lambda: exported(staff, "payments")) == few


def test_sync_products_asks_for_a_sync_of_products_and_prices(credential: StripeCredential, client: Client) -> None:
    user = make.staff("view_stripeproduct", "run_sync", "view_syncrun", username="grace")
    client.force_login(user)
    assert "Sync Products" in page(client, "products")
    answer = client.post(reverse("financial:products"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("financial:sync"))
    run = SyncRun.objects.get()
    assert (run.requested_by, run.resources, run.credential) == ("grace", ["product", "price"], credential)


def test_sync_products_needs_its_permission(credential: StripeCredential, client: Client) -> None:
    client.force_login(make.staff("view_stripeproduct", "manage_stripe"))
    assert "Sync Products" not in page(client, "products")
    assert client.post(reverse("financial:products")).status_code == 403
    assert not SyncRun.objects.exists()


@pytest.mark.parametrize("name", LISTS)
def test_a_list_needs_its_permission(name: str, credential: StripeCredential, client: Client) -> None:
    client.force_login(make.staff("view_syncrun"))
    assert client.get(reverse(f"financial:{name}")).status_code == 403


def tabs(text: str) -> dict[str, str]:
    """The count beside each tab, by its label."""
    return dict(
        re.findall(r'<a href="\?[^"]*"(?: aria-current="page")?>([^<]+?) <span class="count">([^<]+)</span>', text)
    )


def test_tabs_say_how_many_rows_are_behind_them(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 3)
    make.payment(credential, status="requires_payment_method", error_code="card_declined")
    counts = tabs(page(staff, "payments", "status=failed"))
    assert (counts["All"], counts["Partly refunded"], counts["Failed"], counts["Disputed"]) == ("4", "3", "1", "0")


def test_counts_of_tabs_follow_the_filters_in_force(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 3)
    refunded = make.payment(credential, make.customer(credential, email="r001@example.com"))
    make.charge(refunded, refunded=True, disputed=False)
    counts = tabs(page(staff, "payments", "q=r001&status=refunded"))
    assert (counts["All"], counts["Partly refunded"], counts["Refunded"], counts["Succeeded"]) == ("2", "1", "1", "0")


@pytest.mark.parametrize("name", LISTS)
def test_tabs_count_the_same_with_a_filter_that_finds_everything(
    name: str, credential: StripeCredential, staff: Client
) -> None:
    fill(credential, 3)
    make.customer(credential, deleted_at=make.NOON)
    whole, filtered = tabs(page(staff, name)), tabs(page(staff, name, "date_from=2001-01-01"))
    if name == "customers":  # to know it of the whole list, all customers would have to be looked at
        assert (whole.pop("Never paid", ""), filtered.pop("Never paid")) == ("", "0")
    assert whole == filtered != {}


@pytest.mark.parametrize("looked_at", [1, 2, 100])
@pytest.mark.parametrize("most", [1, 2, 100])
def test_a_rare_tab_is_counted_right_however_few_of_its_charges_are_looked_at(
    looked_at: int, most: int, credential: StripeCredential, staff: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first charges looked at lead to payments of another account, and to disputed ones."""
    other = make.credential("Other", is_active=False)
    for account, disputed in ((other, False), (credential, True), (credential, False), (credential, False)):
        charged = make.payment(account, make.customer(account))
        make.charge(charged, refunded=True, disputed=disputed)
    monkeypatch.setattr(tab_figures, "LOOKED_AT", looked_at)
    monkeypatch.setattr(reports, "LOOKED_AT", looked_at)
    monkeypatch.setattr(tab_figures, "TABS_MAX", most)

    assert tabs(page(staff, "payments"))["Refunded"] == ("1+" if most == 1 else "2")


def test_a_write_changes_the_counts_of_tabs_at_once(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 1)
    assert tabs(page(staff, "payments"))["All"] == "1"
    fill(credential, 1)
    MirrorClock.draw()  # as every write of the mirror does
    assert tabs(page(staff, "payments"))["All"] == "2"


def test_counts_of_tabs_end_at_the_limit(credential: StripeCredential) -> None:
    for _ in range(4):
        make.payment(credential)
    counts = BoundedCount(3, limit=2).short, BoundedCount(2, limit=2).short
    found = StripeCredential.objects.values_list(CountUpTo(StripePaymentIntent.objects.newest(), limit=2)).get()
    assert (counts, found) == (("2+", "2"), (3,))


def test_subscriptions_begin_with_what_recurs_what_leaves_and_what_is_at_risk(
    credential: StripeCredential, staff: Client
) -> None:
    price = make.price(make.product(credential), type="recurring")
    for status, minor, leaves in (("active", 5000, False), ("active", 1500, True), ("past_due", 3000, False)):
        row = make.subscription(price, make.customer(credential), status=status, cancel_at_period_end=leaves)
        MrrSpan.objects.create(
            credential=credential, subscription_stripe_id=row.stripe_id, customer_stripe_id=row.customer_stripe_id,
            product_stripe_id=price.product_stripe_id, currency="usd", starts_at=make.NOON, numerator=minor,
        )  # fmt: skip
    text = re.sub(r"<details.*?</details>", "", page(staff, "subscriptions"), flags=re.S)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))
    for figure in ("MRR, USD $95.00", "ARR, USD $1,140.00", "Scheduled to churn, USD $15.00", "At risk, USD $30.00"):
        assert figure in text


def test_what_recurs_in_a_currency_leads_to_the_subscriptions_of_that_currency(
    credential: StripeCredential, staff: Client
) -> None:
    price = make.price(make.product(credential), type="recurring")
    for currency in ("usd", "eur"):
        row = make.subscription(price, make.customer(credential), status="past_due", currency=currency)
        MrrSpan.objects.create(
            credential=credential, subscription_stripe_id=row.stripe_id, customer_stripe_id=row.customer_stripe_id,
            product_stripe_id=price.product_stripe_id, currency=currency, starts_at=make.NOON, numerator=900,
        )  # fmt: skip
    queries = set(re.findall(r'href="[^"?]*/subscriptions/(\?[^"]*currency=eur)"', page(staff, "subscriptions")))
    assert queries == {f"?status={tab}&amp;currency=eur" for tab in ("active", "canceling", "past_due")}

    assert [line["currency"] for line in exported(staff, "subscriptions", "status=past_due&currency=eur")] == ["eur"]


def test_the_file_says_which_rows_it_holds_in_which_order_and_zone(credential: StripeCredential, staff: Client) -> None:
    fill(credential, 2)
    line = exported(staff, "payments", "status=partly_refunded&q=r001&sort=-amount")[0]
    said = list(line)[-1]
    assert said == "payments, test; Status: Partly refunded; Search: r001; by amount, falling; times in UTC"
    assert line[said] == ""


def test_a_payment_leads_to_the_payout_it_left_with(credential: StripeCredential, staff: Client) -> None:
    payment = make.payment(credential, make.customer(credential))
    make.charge(payment)
    payout = paid_out(make.booking(payment, settled=True))
    assert reverse("financial:payout", args=[payout.stripe_id]) in page(staff, "payments")
    assert exported(staff, "payments")[0]["payout"] == payout.stripe_id


def paid_out(booking: Any) -> StripePayout:
    credential = booking.transaction.credential
    payout = StripePayout.objects.create(
        credential=credential, stripe_id="po_1", amount_minor=2882, currency="usd", arrival_at=make.NOON, status="paid"
    )
    PayoutRow.objects.create(payout=payout, balance_transaction=booking.transaction.balance_transaction)
    return payout


def test_more_payments_than_can_be_added_up_say_so(
    credential: StripeCredential, staff: Client, monkeypatch: Any
) -> None:
    fill(credential, 3)
    monkeypatch.setattr(base, "bounded_count", lambda found: BoundedCount(3, limit=2))
    text = page(staff, "payments")
    assert "Too many to add up at once" in text
    assert "received" not in text


def test_products_show_the_revenue_of_the_period_asked_for(credential: StripeCredential, staff: Client) -> None:
    price = make.price(make.product(credential), type="recurring")
    now = timezone.now()
    for days, minor in ((1, 1234), (60, 100_000)):
        StripeInvoice.objects.create(
            credential=credential, stripe_id=f"in_{days}", status="paid", amount_paid_minor=minor, currency="usd",
            subscription=make.subscription(price, make.customer(credential)), created_at=now - dt.timedelta(days=days),
        )  # fmt: skip
    assert "$12.34" in page(staff, "products") and "$1,012.34" not in page(staff, "products")
    always = page(staff, "products", "period=all&q=Nov")
    assert "$1,012.34" in always
    assert 'name="period" value="all"' in always
    assert exported(staff, "products", "period=all")[0]["revenue"] == "1012.34 USD"


@pytest.mark.parametrize(
    ("values", "is_billed_again"),
    [
        ({}, True),
        ({"status": "trialing"}, True),
        ({"cancel_at_period_end": True}, False),
        ({"cancel_at": make.NOON + dt.timedelta(days=31)}, False),
        ({"cancel_at": make.NOON + dt.timedelta(days=60)}, True),
        ({"status": "canceled", "ended_at": make.NOON}, False),
        ({"status": "unpaid"}, False),
    ],
)
def test_a_subscription_tells_when_it_is_billed_again(
    credential: StripeCredential, values: dict[str, Any], is_billed_again: bool
) -> None:
    price = make.price(make.product(credential))
    subscription = make.subscription(price, make.customer(credential), **values)

    line = subscription_row(subscription)

    assert line.next_invoice_at == (subscription.current_period_end_at if is_billed_again else None)


def test_the_periods_of_products_keep_filters_that_htmx_applied(credential: StripeCredential, staff: Client) -> None:
    make.product(credential)
    address = reverse("financial:products")

    whole = staff.get(address).text
    part = staff.get(address, {"status": "active", "period": "7d"}, headers={"HX-Request": "true"}).text

    assert 'id="revenue-of">' in whole
    periods = part.partition('<div class="row" id="revenue-of" hx-swap-oob="true">')[2].partition("</div>")[0]
    assert 'href="?status=active&amp;period=30d"' in periods
    assert re.search(r'href="\?status=active&amp;period=7d"[^>]* aria-current="true"', periods)


def test_a_row_that_comes_while_a_page_is_made_is_listed_and_counted(
    credential: StripeCredential, staff: Client, monkeypatch: Any
) -> None:
    customer, count = make.customer(credential), base.bounded_count

    def written_just_before(found: Any) -> BoundedCount:
        if not StripePaymentIntent.objects.exists():
            make.payment(credential, customer, amount_minor=6137, currency="usd")
        return count(found)

    monkeypatch.setattr(base, "bounded_count", written_just_before)

    text = page(staff, "payments")

    assert ">1 payment</p>" in text and 'class="main-link"' in text
