"""Text and JSON that the database holds only encrypted.

The first key of FINANCIAL_ENCRYPTION_KEYS writes, every key reads; a token no key opens raises, it is never shown as if
it were the text. Encrypted columns cannot be searched, except for being empty.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import ImproperlyConfigured
from django.db import models

from financial import conf

if TYPE_CHECKING:
    _BinaryField = models.BinaryField[bytes, bytes]
    _TextField = models.TextField[str, str]
    _JSONTextField = models.TextField[dict[str, Any], dict[str, Any]]
else:
    _BinaryField = models.BinaryField
    _TextField = models.TextField
    _JSONTextField = models.TextField


@lru_cache(maxsize=8)
def _box(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())) for key in keys])


def box() -> MultiFernet:
    """Return what encrypts and decrypts.

    Raises:
        ImproperlyConfigured: FINANCIAL_ENCRYPTION_KEYS is empty; nothing is ever stored in the clear instead.
    """
    keys = tuple(conf.get("ENCRYPTION_KEYS"))
    if not any(keys):
        raise ImproperlyConfigured("Set FINANCIAL_ENCRYPTION_KEYS to at least one long random text.")
    return _box(keys)


def encrypt(plain: bytes) -> bytes:
    return box().encrypt(plain)


def decrypt(token: bytes) -> bytes:
    try:
        return box().decrypt(token)
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "A stored secret was encrypted with a key no longer in FINANCIAL_ENCRYPTION_KEYS; add that key back."
        ) from error


class EncryptedTextField(_TextField):
    """A text, encrypted at rest; `str` in Python."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value.encode()).decode() if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value.encode()).decode() if value else value

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def value_from_object(self, obj: models.Model) -> str:
        """What `model_to_dict` and forms get: the end of the text at most. The attribute holds the text."""
        value = str(getattr(obj, self.attname) or "")
        return f"****{value[-4:]}" if len(value) >= 12 else "****" if value else ""

    def value_to_string(self, obj: models.Model) -> str:
        return "****" if getattr(obj, self.attname) else ""  # dumpdata must not print it


class EncryptedBytesField(_BinaryField):
    """Bytes, encrypted at rest; `bytes` in Python."""

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return super().get_db_prep_value(encrypt(bytes(value)) if value else value, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> bytes | None:
        return decrypt(bytes(value)) if value else value

    def value_to_string(self, obj: models.Model) -> str:
        return ""


class EncryptedJSONField(_JSONTextField):
    """A JSON object, encrypted at rest; `dict` in Python. Empty is stored as an empty text."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(orjson.dumps(value)).decode() if value else ""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> dict[str, Any]:
        return orjson.loads(decrypt(value.encode())) if value else {}

    def to_python(self, value: Any) -> Any:
        return value

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None

    def value_from_object(self, obj: models.Model) -> dict[str, Any]:
        """What `model_to_dict` gets: which keys there are. The attribute holds the object."""
        return dict.fromkeys(getattr(obj, self.attname) or {}, "****")

    def value_to_string(self, obj: models.Model) -> str:
        return ""
