"""What a browser has to fetch before the first page stands: styles and scripts, as they travel compressed."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from tests.views import factory, rows

WEIGHT_MAX = 150_000  # bytes of CSS, JavaScript and fonts


@pytest.mark.django_db
def test_the_first_page_fetches_less_than_150_kilobytes(client: Client) -> None:
    factory.credential()
    client.force_login(rows.staff())

    page = client.get(reverse("financial:stripe")).text

    named = re.findall(r'<(?:script[^>]* src|link[^>]* rel="stylesheet"[^>]* href)="([^"]+)"', page)
    fetched = {name.split("/static/")[-1].lstrip("/") for name in named}
    files = {name: Path(str(finders.find(name))) for name in fetched}
    assert any("htmx" in name for name in files)
    assert any(name.endswith(".css") for name in files)
    assert not re.search(rb"url\((?!#)", b"".join(f.read_bytes() for n, f in files.items() if n.endswith(".css")))
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files.values()) < WEIGHT_MAX
