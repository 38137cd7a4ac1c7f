"""Tax rates: kept and listed, never applied (the sandbox computes no taxes).

Stripe: https://docs.stripe.com/api/tax_rates
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .operation import Params, given, listing, metadata, op, retrieving
from .store import Object

if TYPE_CHECKING:
    from .world import World

_FIELDS = (
    "active:bool country:str description:str jurisdiction:str metadata?:map state:str"
    " tax_type:amusement_tax|communications_tax|gst|hst|igst|jct|lease_tax|pst|qst|retail_delivery_fee|rst|sales_tax"
    "|service_tax|vat"
)


def create(world: World, params: Params) -> Object:
    """Create a tax rate."""
    return world.insert({
        "id": world.ids.new("txr_"), "object": "tax_rate", "active": params.get("active", True),
        "country": params.get("country"), "created": world.now, "description": params.get("description"),
        "display_name": params["display_name"], "effective_percentage": None, "flat_amount": None,
        "inclusive": params["inclusive"], "jurisdiction": params.get("jurisdiction"), "jurisdiction_level": None,
        "livemode": False, "metadata": metadata({}, params.get("metadata")), "percentage": params["percentage"],
        "rate_type": "percentage", "state": params.get("state"), "tax_type": params.get("tax_type"),
    }, "tax_rate.created")  # fmt: skip


def update(world: World, params: Params, id: str) -> Object:
    """Change a tax rate; its percentage stays."""
    rate = world.get("tax_rate", id)
    values = given(params, "active", "country", "description", "display_name", "jurisdiction", "state", "tax_type")
    world.change(rate, "tax_rate.updated", metadata=metadata(rate["metadata"], params.get("metadata")), **values)
    return rate


OPERATIONS = [
    op("POST", "/v1/tax_rates", create, f"display_name!:str inclusive!:bool percentage!:num {_FIELDS}"),
    listing("tax_rate", "/v1/tax_rates", "active:bool created:range inclusive:bool",
            keep=lambda world, params: _keep(params)),
    retrieving("tax_rate", "/v1/tax_rates/{tax_rate}"),
    op("POST", "/v1/tax_rates/{tax_rate}", update, f"display_name:str {_FIELDS}", kind="tax_rate"),
]  # fmt: skip


def _keep(params: Params):  # type: ignore[no-untyped-def]
    wanted = {k: params[k] for k in ("active", "inclusive") if k in params}
    return (lambda r: all(r[k] == v for k, v in wanted.items())) if wanted else None
