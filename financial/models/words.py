"""An index of the words in names, e-mails and descriptions, kept by the database itself whoever writes.

PostgreSQL: a GIN index over a `tsvector`, without any extension. SQLite: an FTS5 table that triggers keep. Both forget
accents and case, know the beginning of a word, and find letters behind each other ("ada@example.com") as one. Another
database, or an SQLite without FTS5, has no such index; then names and e-mails are found by their beginning only.

Put in place after every `migrate`, like the rules of the books and for the same reason (`financial.models.rules`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import OperationalError, connections
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from financial.models.credentials import StripeCredential
from financial.models.mirror import MirrorRow, StripeCustomer, StripeProduct

INDEXED: Mapping[type[MirrorRow], tuple[str, ...]] = {
    StripeCustomer: ("name", "email", "description"),
    StripeProduct: ("name", "description"),
}
# Shorter ones stand for themselves: half of all names have a word that begins with "a".
PREFIX_FROM = 2

# A credential is a word, too, so that one account's rows are found by the index alone.
_POSTGRES_FUNCTION = r"""
CREATE OR REPLACE FUNCTION financial_words(credential bigint, said text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.simple', 'credential' || credential || ' ' || translate(
        regexp_replace(normalize(said, NFKD), '[\u0300-\u036f]', '', 'g'),
        '@.,;:_+-/()[]{}<>!?#&*=|~^%$"''`\‘’“”„–—…·«»', repeat(' ', 50)))
$$
"""


def install(using: str = "default", *, rebuild: bool = False) -> None:
    """Put the indexes in place; with `rebuild` SQLite's are filled anew. Again changes nothing."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if not {model._meta.db_table for model in INDEXED} <= tables:
            return
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRES_FUNCTION)
            for model in INDEXED:
                _install_postgres(cursor, model)
        elif connection.vendor == "sqlite" and _has_fts5(cursor):
            for model in INDEXED:
                _install_sqlite(cursor, model, rebuild=rebuild or _name(model) not in tables)


def set_aside(using: str = "default") -> None:
    """Drop SQLite's triggers, which stand in the way of altering tables; `install` brings them back."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for model in INDEXED:
                for event in ("comes", "goes", "changes"):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {_name(model)}_{event}")


def matching(model: type[MirrorRow], credential: StripeCredential, words: Sequence[str], limit: int) -> list[int]:
    """Return the primary keys of up to `limit` rows in which every word, or the beginning of one, occurs.

    One query. Which rows those are, where more fit, is up to the database.
    """
    pieces = [found for word in words if (found := split(word))]
    if not pieces:
        return []
    connection = connections[model.objects.db]
    if connection.vendor == "postgresql":
        sql, asked = f"{_postgres_query(model)} LIMIT %s", _tsquery(credential, pieces)
    elif connection.vendor == "sqlite" and _is_installed(model):
        sql, asked = f"{_sqlite_query(model)} ORDER BY rowid DESC LIMIT %s", _fts_query(model, credential, pieces)
    else:
        return _by_beginning(model, credential, words, limit)
    with connection.cursor() as cursor:
        cursor.execute(sql, [asked, limit])
        return [row[0] for row in cursor.fetchall()]


def rows(model: type[MirrorRow], credential: StripeCredential, words: Sequence[str]) -> QuerySet[Any]:
    """Return the rows of `matching` as a query, for where they are too many to be named."""
    pieces = [found for word in words if (found := split(word))]
    connection, mine = connections[model.objects.db], model.objects.of(credential)
    if not pieces:
        return mine.none()
    if connection.vendor == "postgresql":
        sql, asked = _postgres_query(model), _tsquery(credential, pieces)
    elif connection.vendor == "sqlite" and _is_installed(model):
        sql, asked = _sqlite_query(model), _fts_query(model, credential, pieces)
    else:
        return mine.filter(_beginning(model, words))
    return mine.filter(pk__in=RawSQL(sql, [asked]))  # noqa: S611  (our own names)


def split(word: str) -> list[str]:
    """Return the runs of letters and digits in a text, without case and accents: "Zoë@x.org" gives zoe, x, org."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() else " " for c in plain.lower()).split()


def _name(model: type[MirrorRow]) -> str:
    return f"{model._meta.db_table}_words"


def _said(model: type[MirrorRow]) -> str:
    return " || ' ' || ".join(INDEXED[model])


def _install_postgres(cursor: Any, model: type[MirrorRow]) -> None:
    """Look first: even IF NOT EXISTS waits for everybody who writes."""
    cursor.execute("SELECT to_regclass(%s)", [_name(model)])
    if cursor.fetchone()[0] is None:
        said = f"financial_words(credential_id, {_said(model)})"
        cursor.execute(f"CREATE INDEX {_name(model)} ON {model._meta.db_table} USING gin ({said})")


def _postgres_query(model: type[MirrorRow]) -> str:
    """The query comes first, as a value the planner knows; no order, or all rows found would be read."""
    return (
        f"SELECT id FROM {model._meta.db_table} "  # noqa: S608
        f"WHERE financial_words(credential_id, {_said(model)}) @@ %s::tsquery"
    )


def _tsquery(credential: StripeCredential, words: Sequence[Sequence[str]]) -> str:
    parts = [f"'credential{credential.pk}'"]
    for pieces in words:
        end = f"'{pieces[-1]}':*" if _may_go_on(pieces) else f"'{pieces[-1]}'"
        parts.append(" <-> ".join([*(f"'{piece}'" for piece in pieces[:-1]), end]))
    return " & ".join(f"({part})" for part in parts)


def _may_go_on(pieces: Sequence[str]) -> bool:
    """Whether the last letters may be the beginning of a word only."""
    return len(pieces) > 1 or len(pieces[0]) >= PREFIX_FROM


def _sqlite_query(model: type[MirrorRow]) -> str:
    name = _name(model)
    return f"SELECT rowid FROM {name} WHERE {name} MATCH %s"  # noqa: S608


def _fts_query(model: type[MirrorRow], credential: StripeCredential, words: Sequence[Sequence[str]]) -> str:
    columns = " ".join(INDEXED[model])
    parts = [f'credential_id : "{credential.pk}"']
    for pieces in words:
        star = " *" if _may_go_on(pieces) else ""
        parts.append(f'{{{columns}}} : ("{" ".join(pieces)}"{star})')
    return " AND ".join(parts)


def _by_beginning(model: type[MirrorRow], credential: StripeCredential, words: Sequence[str], limit: int) -> list[int]:
    return list(model.objects.of(credential).filter(_beginning(model, words)).values_list("pk", flat=True)[:limit])


def _beginning(model: type[MirrorRow], words: Sequence[str]) -> Q:
    found = Q()
    for column in INDEXED[model][:-1]:
        found |= Q(**{f"{column}__istartswith": " ".join(words)})
    return found


def _has_fts5(cursor: Any) -> bool:
    try:
        cursor.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.financial_probe USING fts5(word)")
        cursor.execute("DROP TABLE temp.financial_probe")
    except OperationalError:
        return False
    return True


def _is_installed(model: type[MirrorRow]) -> bool:
    with connections[model.objects.db].cursor() as cursor:
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = %s", [f"{_name(model)}_comes"])
        return cursor.fetchone() is not None


def _install_sqlite(cursor: Any, model: type[MirrorRow], *, rebuild: bool) -> None:
    name, table, columns = _name(model), model._meta.db_table, ("credential_id", *INDEXED[model])
    listed = ", ".join(columns)
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    differs = " OR ".join(f"OLD.{column} IS NOT NEW.{column}" for column in columns)
    comes = f"INSERT INTO {name} (rowid, {listed}) VALUES (NEW.id, {new});"  # noqa: S608
    goes = f"INSERT INTO {name} ({name}, rowid, {listed}) VALUES ('delete', OLD.id, {old});"  # noqa: S608
    cursor.execute(
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {name} USING fts5({listed}, content='{table}', content_rowid='id', "
        "tokenize='unicode61 remove_diacritics 2', prefix='2 3', columnsize=0)"
    )
    cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name}_comes AFTER INSERT ON {table} BEGIN {comes} END")
    cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name}_goes AFTER DELETE ON {table} BEGIN {goes} END")
    cursor.execute(
        f"CREATE TRIGGER IF NOT EXISTS {name}_changes AFTER UPDATE ON {table} WHEN {differs} BEGIN {goes} {comes} END"
    )
    if rebuild:
        cursor.execute(f"INSERT INTO {name} ({name}) VALUES ('rebuild')")  # noqa: S608
