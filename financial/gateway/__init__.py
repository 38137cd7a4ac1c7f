"""Every conversation with Stripe: reading, writing, checking signatures. Hands out plain dicts, never SDK objects."""

from __future__ import annotations

from financial.gateway.budget import Budget
from financial.gateway.client import API_VERSION, AccountFacts, Page, StripeGateway
from financial.gateway.endpoints import WebhookEndpoint
from financial.gateway.signature import verify

__all__ = ["API_VERSION", "AccountFacts", "Budget", "Page", "StripeGateway", "WebhookEndpoint", "verify"]
