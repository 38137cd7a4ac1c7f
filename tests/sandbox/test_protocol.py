"""Keys, versions, parameters, paging, expansion: what every operation has in common."""

from __future__ import annotations

import base64

import pytest

from sandbox.core import OLD, PINNED, Request, Settings, World, handle
from tests.sandbox.client import NEW_YEAR, Client, Refused, world


@pytest.fixture
def client() -> Client:
    return Client(world())


def test_an_answer_carries_request_id_and_version(client: Client) -> None:
    response = client.send("GET", "/v1/customers")

    assert response.headers["Request-Id"].startswith("req_")
    assert response.headers["Stripe-Version"] == PINNED


def test_basic_authentication_is_accepted() -> None:
    token = base64.b64encode(b"sk_test_1:").decode()

    response = handle(world(), Request("GET", "/v1/account", headers={"authorization": f"Basic {token}"}))

    assert response.status == 200


@pytest.mark.parametrize(
    ("key", "status", "code", "words"),
    [
        ("", 401, None, "You did not provide an API key"),
        ("sk_test_wrong_1234", 401, None, "Invalid API Key provided: sk_test_******1234"),
        ("sk_test_expired_1234", 401, "api_key_expired", "Expired API Key"),
        ("pk_test_1", 401, "secret_key_required", "publishable"),
        ("nonsense", 401, None, "Invalid API Key"),
    ],
)
def test_a_bad_key_is_refused(client: Client, key: str, status: int, code: str | None, words: str) -> None:
    client.key = key

    refused = client.refused("GET", "/v1/customers")

    assert (refused.status, refused.error.get("code")) == (status, code)
    assert refused.error["type"] == "invalid_request_error"
    assert words in refused.error["message"]


def test_one_key_can_be_made_the_only_one() -> None:
    client = Client(world(only_key="sk_test_mine"))

    assert client.refused("GET", "/v1/customers").status == 401
    client.key = "sk_test_mine"
    assert client.get("/v1/customers")["data"] == []


def test_a_live_key_finds_nothing_of_test_mode(client: Client) -> None:
    customer = client.post("/v1/customers", name="A")
    client.key = "sk_live_1"

    refused = client.refused("GET", f"/v1/customers/{customer['id']}")

    assert (refused.status, refused.error["code"]) == (404, "resource_missing")
    assert "a similar object exists in test mode, but a live mode key was used" in refused.error["message"]
    assert client.get("/v1/customers")["data"] == []
    assert client.refused("POST", "/v1/customers", {"name": "B"}).status == 403


def test_a_live_key_still_knows_its_account(client: Client) -> None:
    client.key = "sk_live_1"

    assert client.get("/v1/account")["object"] == "account"


def test_a_restricted_key_reads_and_writes_only_what_is_listed() -> None:
    client = Client(world(restricted_keys={"rk_test_shop": ("customer",)}), key="rk_test_shop")

    client.post("/v1/customers", name="A")
    refused = client.refused("POST", "/v1/products", {"name": "B"})

    assert client.get("/v1/products")["data"] == []
    assert refused.status == 403
    assert "'rak_product_write' permission" in refused.error["message"]


def test_another_account_is_out_of_reach(client: Client) -> None:
    refused = client.refused("GET", "/v1/customers", stripe_account="acct_other")

    assert (refused.status, refused.error["code"]) == (403, "account_invalid")


def test_an_unknown_version_is_refused(client: Client) -> None:
    client.version = "2011-11-11"

    refused = client.refused("GET", "/v1/customers")

    assert refused.status == 400
    assert refused.error["message"].startswith("Invalid Stripe API version: 2011-11-11")


def test_no_version_means_the_pinned_one() -> None:
    response = handle(world(), Request("GET", "/v1/customers", headers={"authorization": "Bearer sk_test_1"}))

    assert response.headers["Stripe-Version"] == PINNED


def test_one_store_shows_two_shapes(client: Client) -> None:
    price = client.price()["id"]
    made = client.post("/v1/subscriptions", customer=client.customer()["id"], items=[{"price": price}])
    charge = client.get("/v1/charges")["data"][0]

    old = Client(client.world, version=OLD)
    subscription = old.get(f"/v1/subscriptions/{made['id']}", expand=["latest_invoice.payment_intent"])

    item = made["items"]["data"][0]
    assert "current_period_end" not in made
    assert subscription["current_period_end"] == item["current_period_end"]
    assert subscription["latest_invoice"]["payment_intent"]["latest_charge"] == charge["id"]
    assert subscription["latest_invoice"]["paid"] is True
    assert "invoice" not in charge
    assert old.get(f"/v1/charges/{charge['id']}")["invoice"] == made["latest_invoice"]


@pytest.mark.parametrize(
    ("path", "params", "code", "param"),
    [
        ("/v1/customers", {"nonsense": "1"}, "parameter_unknown", "nonsense"),
        ("/v1/customers", {"address": {"planet": "x"}}, "parameter_unknown", "address[planet]"),
        ("/v1/products", {}, "parameter_missing", "name"),
        ("/v1/products", {"name": ""}, "parameter_invalid_empty", "name"),
        ("/v1/prices", {"product": "p", "unit_amount": 1}, "parameter_missing", "currency"),
        (
            "/v1/prices",
            {"product": "p", "currency": "usd", "unit_amount": "1.5"},
            "parameter_invalid_integer",
            "unit_amount",
        ),
        ("/v1/prices", {"product": "none", "currency": "usd", "unit_amount": 1}, "resource_missing", "product"),
        ("/v1/prices", {"currency": "usd", "unit_amount": 1}, "parameter_missing", "product"),
        (
            "/v1/prices",
            {"product": "p", "currency": "usd", "recurring": {"interval": "hour"}},
            None,
            "recurring[interval]",
        ),
        ("/v1/prices", {"product": "p", "currency": "xxx", "unit_amount": 1}, None, "currency"),
        ("/v1/products", {"name": "x", "active": "maybe"}, None, "active"),
        ("/v1/products", {"name": "x", "images": "a.png"}, None, "images"),
        ("/v1/payment_intents", {"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ("/v1/payment_intents", {"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ("/v1/payment_intents", {"amount": 10**9, "currency": "usd"}, "amount_too_large", "amount"),
        ("/v1/payment_intents", {"amount": 5124, "currency": "kwd"}, "parameter_invalid_integer", "amount"),
        ("/v1/payment_intents", {"amount": 550, "currency": "isk"}, "parameter_invalid_integer", "amount"),
        ("/v1/subscriptions", {"customer": "none", "items": [{"price": "x"}]}, "resource_missing", "customer"),
        ("/v1/promotion_codes", {"promotion": {"coupon": "x"}}, "parameter_missing", "promotion[type]"),
    ],
)
def test_bad_parameters_name_themselves(
    client: Client, path: str, params: dict[str, object], code: str | None, param: str
) -> None:
    refused = client.refused("POST", path, params)

    assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
    assert (refused.error.get("code"), refused.error["param"]) == (code, param)
    assert refused.error["request_log_url"]
    assert ("doc_url" in refused.error) is (code is not None)


@pytest.mark.parametrize("currency", ["usd", "jpy", "gbp", "czk", "clp"])
def test_the_least_amount_depends_on_the_currency(client: Client, currency: str) -> None:
    from sandbox.core.currencies import minimum

    least = minimum(currency, Settings())

    assert client.post("/v1/payment_intents", amount=least, currency=currency)["amount"] == least
    refused = client.refused("POST", "/v1/payment_intents", {"amount": least - 1, "currency": currency})
    assert refused.error["code"] == "amount_too_small"


def test_unknown_addresses_and_ids_are_404(client: Client) -> None:
    lost = client.refused("GET", "/v1/nothing")
    missing = client.refused("GET", "/v1/customers/cus_missing")

    assert lost.status == 404
    assert lost.error["message"].startswith("Unrecognized request URL (GET: /v1/nothing)")
    assert (missing.status, missing.error["code"]) == (404, "resource_missing")
    assert missing.error["message"] == "No such customer: 'cus_missing'"


def test_a_json_body_is_refused(client: Client) -> None:
    refused = client.refused("POST", "/v1/customers", {}, content_type="application/json")

    assert "application/x-www-form-urlencoded" in refused.error["message"]


def test_a_body_that_is_not_utf8_is_refused() -> None:
    request = Request("POST", "/v1/customers", body=b"name=\xff\xfe", headers={"authorization": "Bearer sk_test_1"})

    assert handle(world(), request).status == 400


def test_metadata_merges_and_forgets(client: Client) -> None:
    id = client.post("/v1/customers", metadata={"a": "1", "b": "2"})["id"]

    assert client.post(f"/v1/customers/{id}", metadata={"b": "", "c": "3"})["metadata"] == {"a": "1", "c": "3"}
    assert client.post(f"/v1/customers/{id}", metadata="")["metadata"] == {}


@pytest.mark.parametrize("data", [{"k" * 41: "v"}, {"k": "v" * 501}, {f"k{i}": "v" for i in range(51)}])
def test_metadata_has_limits(client: Client, data: dict[str, str]) -> None:
    assert client.refused("POST", "/v1/customers", {"metadata": data}).status == 400


def test_a_walk_by_pages_sees_everything_once_newest_first(client: Client) -> None:
    made = [client.post("/v1/customers", name=str(n))["id"] for n in range(7)]

    seen, cursor = [], {}
    while True:
        page = client.get("/v1/customers", limit=3, **cursor)
        seen += [c["id"] for c in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"starting_after": seen[-1]}

    assert seen == made[::-1]
    back = client.get("/v1/customers", limit=3, ending_before=made[0])
    assert [c["id"] for c in back["data"]] == made[1:4][::-1]
    assert back["has_more"] is True


def test_objects_made_while_paging_stay_before_the_cursor(client: Client) -> None:
    made = [client.post("/v1/customers", name=str(n))["id"] for n in range(4)]
    first = client.get("/v1/customers", limit=2)["data"]
    client.post("/v1/customers", name="late")

    rest = client.get("/v1/customers", limit=9, starting_after=first[-1]["id"])["data"]

    assert [c["id"] for c in rest] == made[:2][::-1]


def test_a_deleted_cursor_is_an_error(client: Client) -> None:
    made = [client.post("/v1/customers", name=str(n))["id"] for n in range(3)]
    client.delete(f"/v1/customers/{made[1]}")

    refused = client.refused("GET", "/v1/customers", {"starting_after": made[1]})

    assert (refused.status, refused.error["code"], refused.error["param"]) == (
        400,
        "resource_missing",
        "starting_after",
    )


@pytest.mark.parametrize(
    "params", [{"limit": 0}, {"limit": 101}, {"limit": "ten"}, {"starting_after": "a", "ending_before": "b"}]
)
def test_bad_paging_is_refused(client: Client, params: dict[str, object]) -> None:
    assert client.refused("GET", "/v1/customers", params).status == 400


def test_created_filters_count_in_seconds(client: Client) -> None:
    made = []
    for _ in range(5):
        made.append(client.post("/v1/customers", name="x")["id"])
        client.world.advance(1)

    def found(**created: int) -> list[str]:
        return [c["id"] for c in client.get("/v1/customers", created=created)["data"]]

    assert found(gte=NEW_YEAR + 1, lt=NEW_YEAR + 3) == [made[2], made[1]]
    assert found(gt=NEW_YEAR + 1, lte=NEW_YEAR + 3) == [made[3], made[2]]
    assert [c["id"] for c in client.get("/v1/customers", created=NEW_YEAR)["data"]] == [made[0]]


def test_expansion_goes_four_levels_deep_and_no_further(client: Client) -> None:
    intent = client.pay(customer=client.customer()["id"])

    deep = client.get("/v1/payment_intents", expand=["data.latest_charge.balance_transaction.source"])["data"][0]
    refused = client.refused(
        "GET", "/v1/payment_intents", {"expand": ["data.latest_charge.payment_intent.customer.test_clock"]}
    )

    assert deep["latest_charge"]["balance_transaction"]["source"]["id"] == deep["latest_charge"]["id"]
    assert deep["id"] == intent["id"]
    assert refused.error["code"] == "property_expansion_max_depth"


@pytest.mark.parametrize(
    ("path", "expand"), [("/v1/customers", "customer"), ("/v1/account", "wrong"), ("/v1/charges", "data.invoice")]
)
def test_wrong_expansions_are_refused(client: Client, path: str, expand: str) -> None:
    client.pay()

    assert client.refused("GET", path, {"expand": [expand]}).status == 400


def test_expanding_leaves_the_stored_object_alone(client: Client) -> None:
    charge = client.pay(customer=client.customer()["id"])["latest_charge"]
    plain = client.get(f"/v1/charges/{charge}")

    client.get(f"/v1/charges/{charge}", expand=["customer", "balance_transaction", "payment_intent", "refunds"])

    assert client.get(f"/v1/charges/{charge}") == plain


def test_deleted_things_answer_as_stripe_says(client: Client) -> None:
    customer = client.post("/v1/customers", name="A")["id"]
    product = client.post("/v1/products", name="B")["id"]

    assert client.delete(f"/v1/customers/{customer}") == {"id": customer, "object": "customer", "deleted": True}
    client.delete(f"/v1/products/{product}")

    assert client.get(f"/v1/customers/{customer}")["deleted"] is True
    assert client.refused("GET", f"/v1/products/{product}").status == 404
    assert client.get("/v1/customers")["data"] == []
    deleted = client.get("/v1/events", type="customer.deleted")["data"][0]["data"]["object"]
    assert deleted["name"] == "A"
    assert "deleted" not in deleted


def test_a_product_with_prices_cannot_be_deleted(client: Client) -> None:
    price = client.price()

    assert client.refused("DELETE", f"/v1/products/{price['product']}").status == 400


def test_lookup_keys_move_only_when_told(client: Client) -> None:
    first = client.price(lookup_key="main")
    params = {"product": first["product"], "currency": "usd", "unit_amount": 900, "lookup_key": "main"}

    assert client.refused("POST", "/v1/prices", params).error["param"] == "lookup_key"
    second = client.post("/v1/prices", **params, transfer_lookup_key=True)

    assert client.get("/v1/prices", lookup_keys=["main"])["data"][0]["id"] == second["id"]
    assert client.get(f"/v1/prices/{first['id']}")["lookup_key"] is None


def test_search_understands_a_little_of_the_language(client: Client) -> None:
    client.post("/v1/customers", name="Ada Lovelace", email="ada@example.com", metadata={"shop": "7"})
    client.post("/v1/customers", name="Bob", email="bob@example.com")

    def found(query: str) -> list[str]:
        return [c["name"] for c in client.get("/v1/customers/search", query=query)["data"]]

    assert found("name~'love'") == ["Ada Lovelace"]
    assert found('metadata["shop"]:"7"') == ["Ada Lovelace"]
    assert found("-email:'ada@example.com'") == ["Bob"]
    assert found("email:'ada@example.com' OR name:'Bob'") == ["Bob", "Ada Lovelace"]
    with pytest.raises(Refused):
        found("color:'red'")
    with pytest.raises(Refused):
        found("gibberish")


def test_the_same_seed_and_calls_give_the_same_bytes() -> None:
    def play() -> list[bytes]:
        client = Client(World(seed=3, now=NEW_YEAR))
        customer = client.customer()["id"]
        client.post("/v1/subscriptions", customer=customer, items=[{"price": client.price()["id"]}])
        client.world.advance(40 * 86400)
        return [client.send("GET", path).body for path in ("/v1/events", "/v1/charges", "/v1/invoices", "/v1/balance")]

    assert play() == play()
