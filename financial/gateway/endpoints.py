"""Webhook endpoints as Stripe has them. Pure: payloads in, values out, and the bodies to register and change one.

Stripe: https://docs.stripe.com/api/webhook_endpoints
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALL_EVENTS = "*"
DESCRIPTION = "Financial: keeps the mirror and the books up to date"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where Stripe sends events, and which; never with its secret, which Stripe shows only once."""

    stripe_id: str
    url: str
    event_types: tuple[str, ...]
    is_enabled: bool
    api_version: str

    def lacks(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return which of the wanted types it is not sent."""
        return () if self.is_sent_all else tuple(sorted({*wanted} - {*self.event_types}))

    def has_besides(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return which types it is sent by name although nobody wants them."""
        return tuple(sorted({*self.event_types} - {*wanted, ALL_EVENTS}))

    @property
    def is_sent_all(self) -> bool:
        return ALL_EVENTS in self.event_types


def endpoint_of(payload: Mapping[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        stripe_id=str(payload["id"]),
        url=str(payload.get("url") or ""),
        event_types=tuple(str(name) for name in payload.get("enabled_events") or ()),
        is_enabled=payload.get("status") == "enabled",
        api_version=str(payload.get("api_version") or ""),
    )


def secret_of(payload: Mapping[str, Any]) -> str:
    """Return the signing secret out of the answer to a creation; empty in every other answer."""
    return str(payload.get("secret") or "")


def registration(url: str, event_types: Sequence[str], api_version: str) -> dict[str, Any]:
    return {
        "url": url,
        "enabled_events": list(event_types),
        "api_version": api_version,
        "description": DESCRIPTION,
    }


def correction(event_types: Sequence[str]) -> dict[str, Any]:
    """Have it sent exactly these types, and sent at all if it was disabled."""
    return {"enabled_events": list(event_types), "disabled": False}
