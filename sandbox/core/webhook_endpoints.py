"""Webhook endpoints: where events are sent, and the secrets that sign them.

Stripe: https://docs.stripe.com/api/webhook_endpoints
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import bad_request
from .operation import Extra, Params, listing, metadata, op, retrieving
from .settings import DAY, VERSIONS
from .store import Object

if TYPE_CHECKING:
    from .world import World


def create(world: World, params: Params) -> Extra:
    """Create an endpoint; its secret shows in this answer only."""
    version = params.get("api_version")
    if version is not None and version not in VERSIONS:
        raise bad_request(f"Invalid Stripe API version: {version}", param="api_version")
    endpoint = make(world, params["url"], params["enabled_events"], version=version,
                    description=params.get("description") or None, data=metadata({}, params.get("metadata")))  # fmt: skip
    return Extra(endpoint, {"secret": endpoint["_secret"]})


def make(world: World, url: str, enabled_events: list[str], *, secret: str = "", version: str | None = None,
         description: str | None = None, data: dict[str, str] | None = None) -> Object:  # fmt: skip
    """Write an endpoint, with a given secret or a new one."""
    _check_url(url)
    return world.insert({
        "id": world.ids.new("we_"), "object": "webhook_endpoint", "api_version": version, "application": None,
        "created": world.now, "description": description, "enabled_events": list(enabled_events), "livemode": False,
        "metadata": data or {}, "status": "enabled", "url": url, "_secret": secret or world.ids.new("whsec_"),
    })  # fmt: skip


def update(world: World, params: Params, id: str) -> Object:
    """Change an endpoint."""
    endpoint = world.get("webhook_endpoint", id)
    values: dict[str, Any] = {"metadata": metadata(endpoint["metadata"], params.get("metadata"))}
    if "url" in params:
        _check_url(params["url"])
        values["url"] = params["url"]
    if "enabled_events" in params:
        values["enabled_events"] = params["enabled_events"]
    if "description" in params:
        values["description"] = params["description"] or None
    if "disabled" in params:
        values["status"] = "disabled" if params["disabled"] else "enabled"
    world.change(endpoint, **values)
    return endpoint


def roll_secret(world: World, endpoint: Object, *, hours: float = 24) -> str:
    """Give an endpoint a new secret; the old one signs too for `hours`. Return the new one."""
    old, new = endpoint["_secret"], world.ids.new("whsec_")
    world.change(endpoint, _secret=new, _old_secret=old, _old_secret_until=world.main.now + hours / 24 * DAY)
    return new


def _delete(world: World, params: Params, id: str) -> Object:
    return world.delete(world.get("webhook_endpoint", id))


def _check_url(url: str) -> None:
    if not url.startswith(("http://", "https://")):
        raise bad_request(
            "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )


OPERATIONS = [
    op("POST", "/v1/webhook_endpoints", create, "url!:str enabled_events!:[str] api_version:str connect:bool"
       " description?:str metadata?:map"),
    listing("webhook_endpoint", "/v1/webhook_endpoints"),
    retrieving("webhook_endpoint", "/v1/webhook_endpoints/{webhook_endpoint}"),
    op("POST", "/v1/webhook_endpoints/{webhook_endpoint}", update, "url:str enabled_events:[str] description?:str"
       " disabled:bool metadata?:map", kind="webhook_endpoint"),
    op("DELETE", "/v1/webhook_endpoints/{webhook_endpoint}", _delete, kind="webhook_endpoint", expand=False),
]  # fmt: skip
