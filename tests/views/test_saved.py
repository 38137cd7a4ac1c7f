from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from financial import saved_filters
from financial.models import SavedFilter, StripeCredential
from financial.views.saved import LISTS
from tests.views import rows as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def credential() -> StripeCredential:
    return make.credential()


@pytest.fixture
def user(client: Client, credential: StripeCredential) -> Any:
    user = make.staff()
    client.force_login(user)
    return user


def send(client: Client, action: str = "save", section: str = "payments", **values: Any) -> Any:
    values = {"name": "Mine", "query": "status=failed", **values}
    return client.post(reverse("financial:saved-filters"), {"action": action, "section": section, **values})


def chips(client: Client, section: str = "payments", query: str = "") -> list[str]:
    text = client.get(f"{reverse(f'financial:{section}')}?{query}").text
    part = re.search(r'<div class="saved">(.*?)</p>', text, re.DOTALL)
    return re.findall(r'class="chip" href="\?([^"]*)"', part[1].replace("&amp;", "&")) if part else []


@pytest.mark.parametrize("section", sorted(LISTS))
def test_every_list_keeps_its_filters(client: Client, user: Any, section: str) -> None:
    answer = send(client, section=section, query="q=ada&date_from=2026-01-01&sort=-date&after=x&format=csv&evil=1")
    kept = "date_from=2026-01-01&q=ada&sort=-date"
    assert answer.url == f"{reverse(f'financial:{section}')}?{kept}"
    assert SavedFilter.objects.get().query == kept
    assert chips(client, section) == [kept]


def test_form_to_save_is_there_once_a_filter_is_in_force(client: Client, user: Any) -> None:
    address = reverse("financial:payments")
    assert "Save these filters" not in client.get(address).text
    assert "Save these filters" in client.get(address, {"status": "failed"}).text
    assert "Save these filters" not in client.get(address, {"amount_from": "nonsense"}).text
    send(client)
    assert "Save these filters" not in client.get(address, {"status": "failed"}).text


def test_same_name_stands_for_the_new_filter(client: Client, user: Any) -> None:
    send(client)
    send(client, query="status=canceled")
    assert SavedFilter.objects.get().query == "status=canceled"


def test_own_filter_is_renamed_shared_and_deleted(client: Client, user: Any) -> None:
    send(client)
    row = SavedFilter.objects.get()
    answer = send(client, "rename", pk=row.pk, name=" Our   failures ", is_shared="on")
    row.refresh_from_db()
    assert (row.name, row.is_shared, answer.url[-13:]) == ("Our failures", True, "status=failed")
    answer = send(client, "delete", pk=row.pk, query="status=canceled")
    assert answer.url.endswith("?status=canceled")
    assert not SavedFilter.objects.exists()


def test_others_see_what_is_shared_and_change_nothing(client: Client, user: Any) -> None:
    send(client, name="Shared", is_shared="on")
    send(client, name="Private", query="status=canceled")
    shared, private = SavedFilter.objects.get(name="Shared"), SavedFilter.objects.get(name="Private")
    client.force_login(make.staff())
    assert chips(client) == ["status=failed"]
    for action, row in (("rename", shared), ("delete", shared), ("delete", private), ("rename", private)):
        assert (
            "not a filter of yours"
            in client.post(
                reverse("financial:saved-filters"),
                {"action": action, "section": "payments", "pk": row.pk, "name": "Taken"},
                follow=True,
            ).text
        )
    assert set(SavedFilter.objects.values_list("name", flat=True)) == {"Shared", "Private"}


def test_what_one_may_not_see_is_neither_saved_nor_offered(client: Client, user: Any) -> None:
    send(client, name="Failures", is_shared="on")
    client.force_login(make.staff("view_stripecustomer"))
    assert send(client).status_code == 403
    assert "Failures" not in client.get(reverse("financial:palette"), {"q": "fail"}).text


def test_palette_offers_saved_filters_by_name(client: Client, user: Any) -> None:
    send(client, name="My failures")
    text = client.get(reverse("financial:palette"), {"q": "my fail"}).text
    assert f'href="{reverse("financial:payments")}?status=failed"' in text


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"query": ""}, "no filter in force"),
        ({"query": "evil=1&after=x"}, "no filter in force"),
        ({"name": "  "}, "needs a name"),
        ({"name": "x" * 61}, "needs a name"),
        ({"name": "4242424242424242"}, "card number"),
        ({"query": "q=4242+4242+4242+4242"}, "card number"),
        (
            {"query": "&".join(f"{name}={'x' * 200}" for name in "q customer currency method date_to sort".split())},
            "too long",
        ),
    ],
)
def test_what_cannot_be_saved_is_said(client: Client, user: Any, values: dict[str, str], said: str) -> None:
    answer = client.post(
        reverse("financial:saved-filters"),
        {"action": "save", "section": "payments", "name": "Mine", "query": "status=failed", **values},
        follow=True,
    )
    assert said in answer.text
    assert not SavedFilter.objects.exists()


@pytest.mark.parametrize("values", [{"section": "../admin"}, {"action": "explode"}, {"section": ""}, {"action": ""}])
def test_other_lists_and_actions_do_not_exist(client: Client, user: Any, values: dict[str, str]) -> None:
    assert send(client, **{"action": "save", "section": "payments", **values}).status_code == 404


def test_name_of_another_filter_cannot_be_taken(client: Client, user: Any) -> None:
    send(client, name="One")
    send(client, name="Two")
    send(client, "rename", pk=SavedFilter.objects.get(name="Two").pk, name="One")
    assert SavedFilter.objects.filter(name="Two").exists()


def test_number_of_filters_is_limited(client: Client, user: Any) -> None:
    SavedFilter.objects.bulk_create(
        SavedFilter(user=user, section="payments", name=f"Filter {number}", query="status=failed")
        for number in range(saved_filters.PER_LIST_MAX)
    )
    send(client, name="One too many")
    send(client, name="Filter 1", query="status=canceled")
    assert SavedFilter.objects.count() == saved_filters.PER_LIST_MAX
    assert SavedFilter.objects.get(name="Filter 1").query == "status=canceled"


def test_hostile_name_is_only_text(client: Client, user: Any) -> None:
    send(client, name="<b onclick=x>")
    text = client.get(reverse("financial:payments")).text
    assert "<b onclick" not in text
    assert "&lt;b onclick" in text


def test_looking_is_no_way_to_change(client: Client, user: Any) -> None:
    assert client.get(reverse("financial:saved-filters")).status_code == 405
