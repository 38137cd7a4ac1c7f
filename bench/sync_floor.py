"""The barest code that could do what a first sync does: the measure of the real one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

import orjson
import urllib3

from bench.stub import PAGE

Payload = dict[str, Any]
ROWS_PER_TRANSACTION = 500
PATHS = ("/v1/customers", "/v1/payment_intents")


class Floor:
    """The same rows by the shortest way: columns as the mirror has them, the payload beside them as JSON, one index."""

    text: ClassVar = "TEXT NOT NULL"
    common: ClassVar = (
        ("credential_id", "BIGINT NOT NULL"), ("stripe_id", text), ("livemode", "BOOLEAN NOT NULL"),
        ("created_at", "BIGINT"), ("payload", "JSON"), ("private", text), ("digest", text), ("api_version", text),
        ("version", "BIGINT NOT NULL"), ("deleted_at", "BIGINT"),
    )  # fmt: skip
    own: ClassVar = {
        "/v1/customers": (
            ("email", text), ("name", text), ("description", text), ("currency", text), ("balance_minor", "BIGINT"),
            ("delinquent", "BOOLEAN"), ("default_payment_method_stripe_id", text),
        ),
        "/v1/payment_intents": (
            ("customer_id", "BIGINT"), ("customer_stripe_id", text), ("amount_minor", "BIGINT"),
            ("amount_received_minor", "BIGINT"), ("currency", text), ("status", text), ("description", text),
            ("latest_charge_stripe_id", text), ("capture_method", text), ("canceled_at", "BIGINT"), ("error_code", text),
            ("error_decline_code", text), ("error_message", text), ("tax_minor", "BIGINT NOT NULL"),
        ),
    }  # fmt: skip

    def __init__(self, connection: Any, mark: str) -> None:
        self.connection = connection
        self.mark = mark
        self.pool = urllib3.PoolManager()

    def make_tables(self) -> None:
        cursor = self.connection.cursor()
        for path in PATHS:
            table, columns = self._table(path)
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            spelled = ", ".join(f"{name} {kind.replace('JSON', self._json())}" for name, kind in columns)
            cursor.execute(f"CREATE TABLE {table} (id {self._serial()}, {spelled}, UNIQUE (credential_id, stripe_id))")
        self.connection.commit()

    def pull(self, base: str) -> int:
        return sum(self._pull_list(base, path) for path in PATHS)

    def _pull_list(self, base: str, path: str) -> int:
        table, columns = self._table(path)
        names = [name for name, _ in columns]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[2:])
        upsert = (
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join([self.mark] * len(names))}) "
            f"ON CONFLICT (credential_id, stripe_id) DO UPDATE SET {changes}"
        )
        row = _customer_row if path == "/v1/customers" else _payment_row
        after, count, rows = "", 0, []
        while True:
            url = f"{base}{path}?limit={PAGE}" + (f"&starting_after={after}" if after else "")
            answer = orjson.loads(self.pool.request("GET", url).data)
            rows += [row(item, self._created(item["created"])) for item in answer["data"]]
            if len(rows) >= ROWS_PER_TRANSACTION or not answer["has_more"]:
                self._store(path, upsert, rows)
                self.connection.commit()
                count, rows = count + len(rows), []
            if not answer["has_more"]:
                return count
            after = answer["data"][-1]["id"]

    def _store(self, path: str, upsert: str, rows: list[tuple[Any, ...]]) -> None:
        """SQLite takes them statement by statement; PostgreSQL by COPY and one merge, which is three times as fast."""
        cursor = self.connection.cursor()
        if self.mark == "?":
            cursor.executemany(upsert, rows)
            return
        table, columns = self._table(path)
        names = ", ".join(name for name, _ in columns)
        cursor.execute(f"CREATE TEMPORARY TABLE waiting ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA")
        with cursor.copy(f"COPY waiting ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        insert, conflict = upsert.partition(" VALUES ")[0], upsert.rpartition(" ON CONFLICT ")[2]
        cursor.execute(f"{insert} SELECT {names} FROM waiting ON CONFLICT {conflict}")

    def _table(self, path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        return "floor_" + path.rpartition("/")[2], (*self.common, *self.own[path])

    def _created(self, seconds: int) -> Any:
        return seconds

    def _json(self) -> str:
        return "TEXT" if self.mark == "?" else "JSONB"

    def _serial(self) -> str:
        return "INTEGER PRIMARY KEY" if self.mark == "?" else "BIGSERIAL PRIMARY KEY"


class MirrorFloor(Floor):
    """The same into the tables as they were migrated, empty and with a credential numbered 1."""

    tables: ClassVar = {
        "/v1/customers": "financial_stripecustomer",
        "/v1/payment_intents": "financial_stripepaymentintent",
    }

    def make_tables(self) -> None:
        from financial.models import StripeCredential

        StripeCredential.objects.create(pk=1, name="Floor")

    def _table(self, path: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.tables[path], (*self.common, *self.own[path])

    def _created(self, seconds: int) -> Any:
        instant = datetime.fromtimestamp(seconds, UTC)
        return instant.isoformat(" ") if self.mark == "?" else instant


def _common(item: Payload, created: Any) -> tuple[Any, ...]:
    kept = orjson.dumps(item).decode()
    return (1, item["id"], item["livemode"], created, kept, "", "", "2026", 1, None)


def _customer_row(item: Payload, created: Any) -> tuple[Any, ...]:
    return (
        *_common(item, created), item["email"] or "", item["name"] or "", item["description"] or "", item["currency"] or "",
        item["balance"], item["delinquent"], item["invoice_settings"]["default_payment_method"] or "",
    )  # fmt: skip


def _payment_row(item: Payload, created: Any) -> tuple[Any, ...]:
    return (
        *_common(item, created), None, item["customer"] or "", item["amount"], item["amount_received"], item["currency"],
        item["status"], item["description"] or "", item["latest_charge"] or "", item["capture_method"],
        item["canceled_at"], "", "", "", 0,
    )  # fmt: skip
