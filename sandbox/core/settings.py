"""What one sandbox account is like: fees, delays, balances, versions. Values only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

PINNED = "2026-10-28.endive"
OLD = "2024-06-20"
VERSIONS = (OLD, PINNED)

HOUR = 3600
DAY = 24 * HOUR
EVENT_DAYS = 30


@dataclass(frozen=True)
class Settings:
    """The knobs of one account; every field has the value a new account starts with.

    `fee_fixed_minor` names the fixed part of the fee per settlement currency; a currency
    that is not in it pays the percentage alone. `fee_international_percent` comes on top for cards
    of another country, `fee_conversion_percent` for payments that are converted; Stripe takes 1.5 and
    1 in the US. Rates drift by up to `rate_drift_percent` from day to day. `exchange_rates` are major units of
    `default_currency` per one major unit of the key. Seconds are seconds of the
    sandbox's clock; 0 means "at the next tick", never "in the same answer".
    """

    account: str = "acct_1SandboxStudio000"
    account_name: str = "Sandbox Studio"
    country: str = "US"
    default_currency: str = "usd"
    balance_currencies: tuple[str, ...] = ("usd",)
    api_version: str = PINNED
    fee_percent: str = "2.9"
    fee_international_percent: str = "0"
    fee_conversion_percent: str = "0"
    fee_fixed_minor: dict[str, int] = field(default_factory=lambda: {"usd": 30})
    dispute_fee_minor: dict[str, int] = field(default_factory=lambda: {"usd": 1500})
    counter_fee_minor: dict[str, int] = field(default_factory=lambda: {"usd": 1500})
    exchange_rates: dict[str, str] = field(
        default_factory=lambda: {
            "usd": "1", "eur": "1.0812", "gbp": "1.2655", "chf": "1.1312", "jpy": "0.006712",
            "cad": "0.7312", "aud": "0.6544", "sek": "0.0957", "nok": "0.0931", "dkk": "0.1449",
            "pln": "0.2502", "czk": "0.0431", "huf": "0.00272", "kwd": "3.2551", "bhd": "2.6525",
            "jod": "1.4104", "omr": "2.5974", "tnd": "0.3211", "krw": "0.000724", "inr": "0.01192",
            "brl": "0.1843", "mxn": "0.0541", "sgd": "0.7442", "hkd": "0.1281", "nzd": "0.6021",
            "thb": "0.0282", "isk": "0.00721", "ugx": "0.000272", "clp": "0.00106", "vnd": "0.0000393",
            "twd": "0.0309", "aed": "0.2723", "myr": "0.2132", "ron": "0.2171", "zar": "0.0548",
        }
    )  # fmt: skip
    rate_drift_percent: str = "1"
    settle_seconds: float = 0
    delay_days: int = 0
    refund_seconds: float = 0
    dispute_seconds: float = 0
    dispute_days: int = 9
    payout_schedule: str = "manual"
    payout_days: int = 2
    refunds_wait_for_funds: bool = False
    draft_seconds: int = HOUR
    incomplete_hours: int = 23
    upcoming_days: int = 7
    retry_days: tuple[int, ...] = (3, 5, 7)
    after_retries: str = "canceled"
    webhook_retry_seconds: tuple[int, ...] = (60, 300, 1800)
    base_url: str = "http://127.0.0.1:12111"
    only_key: str = ""
    restricted_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, for a snapshot."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Settings:
        """Return the settings a snapshot holds; unknown names are an error."""
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"unknown sandbox settings: {', '.join(unknown)}")
        tuples = {"balance_currencies", "retry_days", "webhook_retry_seconds"}
        clean: dict[str, Any] = {k: tuple(v) if k in tuples else v for k, v in values.items()}
        if "restricted_keys" in clean:
            clean["restricted_keys"] = {k: tuple(v) for k, v in clean["restricted_keys"].items()}
        return cls(**clean)
