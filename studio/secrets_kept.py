"""Secrets made on first start and kept in files only the owner can read; used while settings load, so no Django."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def kept(folder: Path, name: str) -> str:
    """Return the secret kept in `folder / name`, made first where there is none.

    Safe when several processes start at once: the text is complete before the file gets its name, and only one file
    can get it.
    """
    file = folder / name
    if not file.exists():
        _make(file)
    return file.read_text(encoding="ascii").strip()


def _make(file: Path) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(50))
            out.flush()
            os.fsync(out.fileno())
        os.link(draft, file)  # unlike a rename, it never replaces what another process has just made
    except FileExistsError:
        pass
    finally:
        draft.unlink()
