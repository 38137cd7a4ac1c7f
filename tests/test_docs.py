"""What the documentation must not forget, asked of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.urls import URLPattern, URLResolver

from financial import checks, conf
from financial.errors import NoActiveCredential
from financial.gateway import API_VERSION
from financial.views.base import NAV
from studio import urls

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
README = (ROOT / "README.md").read_text()
COMMANDS = sorted(
    file.stem for file in (ROOT / "financial" / "management" / "commands").glob("*.py") if file.stem != "__init__"
)
PAGES = ("architecture", "money", "webhooks", "operations", "decisions", "upgrading", "benchmarks", "simulation")


@pytest.mark.parametrize("name", sorted(conf.DEFAULTS))
def test_setting_of_the_app_is_documented(name: str) -> None:
    assert f"| `FINANCIAL_{name}` |" in OPERATIONS


def test_documented_settings_exist() -> None:
    documented = re.findall(r"(?m)^\| `FINANCIAL_([A-Z_]+)` \|", OPERATIONS)
    assert sorted(documented) == sorted(conf.DEFAULTS)


def test_every_variable_of_the_studio_is_documented_and_no_other() -> None:
    source = "".join(file.read_text() for file in (ROOT / "studio").glob("*.py"))
    read = set(re.findall(r"""(?:env(?:\.\w+)?|environ\.get)\(\s*"([A-Z_]+)\"""", source))
    table = OPERATIONS.split("## Settings of the studio")[1].split("##")[0]
    documented = set(re.findall(r"(?m)^\| `([A-Z_]+)` \|", table))
    assert documented == {name for name in read if not name.startswith(("FINANCIAL_", "STRIPE_"))}
    assert all(f"`{name}`" in OPERATIONS for name in read)


@pytest.mark.parametrize("name", COMMANDS)
def test_command_is_documented_with_every_option(name: str) -> None:
    parser = load_command_class("financial", name).create_parser("manage.py", name)
    row = next(line for line in OPERATIONS.splitlines() if line.startswith(f"| `{name}` |"))
    own = [action for action in parser._actions if action.option_strings and action.dest in _own(name)]
    for action in own:
        assert action.option_strings[-1] in row, action
    assert name in README


def _own(name: str) -> set[str]:
    source = (ROOT / "financial" / "management" / "commands" / f"{name}.py").read_text()
    return {found.replace("-", "_") for found in re.findall(r"\"--([a-z-]+)\"", source)}


def _addresses(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> set[str]:
    found: set[str] = set()
    for pattern in patterns:
        address = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            found.add(address)
        elif not address.startswith("/admin/"):
            found |= _addresses(pattern.url_patterns, address)
    return found


@pytest.mark.parametrize("address", sorted(_addresses(urls.urlpatterns)))
def test_address_is_documented(address: str) -> None:
    """A list's own addresses (`new/`, `<id>/`) may stand behind it in the same row."""
    text = OPERATIONS.split("## Addresses")[1]
    if f"`{address}`" in text:
        return
    listing, _, rest = address.partition("new/" if address.endswith("new/") and "<" not in address else "<")
    rest = address[len(listing) :]
    rest = re.sub(r"<int:\w+>", "<number>", re.sub(r"<(?:str|path):\w+>", "<id>", rest))
    row = next((line for line in text.splitlines() if line.startswith(f"| `{listing}` |")), "")
    assert f"`{rest}`" in row, address


def test_fixed_errors_are_explained_in_their_fixed_words() -> None:
    assert "No active Stripe credential found" in str(NoActiveCredential())
    assert "“No active Stripe credential found”" in OPERATIONS
    assert "“Stripe API error: …”" in OPERATIONS


def test_first_and_last_check_are_named() -> None:
    ids = sorted(re.findall(r'id="(financial\.[EW]\d+)"', Path(checks.__file__).read_text()))
    assert f"`{ids[0]}` … `{ids[-1]}`" in OPERATIONS


def test_pinned_api_version_is_named() -> None:
    assert API_VERSION in (ROOT / "docs" / "webhooks.md").read_text()


def test_every_target_named_in_the_readme_exists() -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for file in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        named = set(re.findall(r"(?:`|^|\n)make ([a-z-]+)", file.read_text()))
        assert named <= targets, named - targets


def test_links_lead_somewhere() -> None:
    for file in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)", file.read_text()):
            assert target.startswith("http") or (file.parent / target).exists(), (file.name, target)


@pytest.mark.parametrize("page", PAGES)
def test_page_of_the_documentation_exists(page: str) -> None:
    assert (ROOT / "docs" / f"{page}.md").read_text().startswith("# ")


def test_every_key_of_the_sidebar_is_documented() -> None:
    row = next(line for line in OPERATIONS.splitlines() if line.startswith("| `g` and a letter |"))
    assert sorted(re.findall(r"`(\w)` ", row.split("|")[2])) == sorted(item.key for item in NAV)
