"""The two programs that verify books, run as anybody would run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.conftest import REQUIRED

Verify = Callable[[bytes], subprocess.CompletedProcess[str]]


def program(name: str) -> str:
    """Where it is; without it the test is skipped, or fails where it is required."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None and "exports" in REQUIRED:
        pytest.fail(f"{name} is required and not installed")
    if found is None:
        pytest.skip(f"no {name} on this machine")
    return found


def _runner(command: Iterable[str], file: Path, *after: str) -> Verify:
    def verify(written: bytes) -> subprocess.CompletedProcess[str]:
        file.write_bytes(written)
        env = {**os.environ, "LC_ALL": "C.UTF-8"}
        return subprocess.run([*command, str(file), *after], capture_output=True, text=True, env=env, timeout=120)

    return verify


@pytest.fixture(scope="session")
def bean_check(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    return _runner([program("bean-check"), "--no-cache"], tmp_path_factory.mktemp("bean") / "books.beancount")


@pytest.fixture(scope="session")
def hledger_check(tmp_path_factory: pytest.TempPathFactory) -> Verify:
    file = tmp_path_factory.mktemp("hledger") / "books.journal"
    return _runner([program("hledger"), "-f"], file, "check", "-s")
