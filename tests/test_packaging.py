"""What is shipped, what is locked, and the names that would break an installation."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("run.txt", "dev.txt", "stripe-oldest.txt")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return found


def _tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).exists()]


def test_every_stripe_sdk_from_10_to_16_may_be_installed(project: dict[str, Any]) -> None:
    assert "stripe>=10,<17" in project["project"]["dependencies"]
    assert (ROOT / "requirements" / "stripe-oldest.txt").read_text().startswith("stripe==10.0.0 ")


def test_wheel_packs_the_app_and_the_site_and_nothing_else(project: dict[str, Any]) -> None:
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["financial", "studio"]
    assert (ROOT / "financial" / "py.typed").exists()


def test_dependencies_have_a_floor(project: dict[str, Any]) -> None:
    groups = [row for rows in project["dependency-groups"].values() for row in rows if isinstance(row, str)]
    for requirement in [*project["project"]["dependencies"], *groups]:
        assert ">=" in requirement, requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_is_hashed_and_names_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    pinned = re.split(r"(?m)^(?=[A-Za-z0-9])", text)[1:]
    assert pinned and all("==" in block and "--hash=sha256:" in block for block in pinned)
    assert not re.search(r"https?:|--index|--find-links| @ ", text)


def test_what_the_tests_need_is_locked_at_what_the_studio_runs_on() -> None:
    pins = [
        set(re.findall(r"(?m)^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements" / name).read_text())) for name in LOCKS[:2]
    ]
    assert pins[0] <= pins[1]


def test_no_python_file_or_package_hides_the_sdk() -> None:
    for name in _tracked():
        parts = Path(name).with_suffix("").parts if name.endswith(".py") else ()
        assert "stripe" not in parts, name


def test_no_tracked_file_names_a_registry_or_holds_a_key() -> None:
    suspicious = re.compile(
        r"pypi\.org|pythonhosted|registry\.npmjs|(sk|rk)_live_[A-Za-z0-9]{24}|whsec_[A-Za-z0-9+/]{32}\b"
    )
    for name in _tracked():
        text = (ROOT / name).read_bytes().decode(errors="ignore")
        assert name == "tests/test_packaging.py" or not suspicious.search(text), name


def test_make_alone_lists_every_target() -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # we may run under make
    listed = subprocess.run(["make"], cwd=ROOT, env=plain, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"(?m)^\.PHONY: (.*)$", (ROOT / "Makefile").read_text())
    assert phony
    assert [line.split()[1] for line in listed.splitlines()] == phony[1].split()
