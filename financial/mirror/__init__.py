"""Stripe's objects as our rows: what a payload means (`translate`), the table of resources, and who writes them."""
