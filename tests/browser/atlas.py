"""Which pages there are, asked of the app's addresses, and how a person comes to each: by links from the overview."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from html import unescape
from urllib.parse import urljoin, urlsplit

from django.urls import Resolver404, resolve

from financial import urls

# Addresses that are no page of the shell, and why. Every other one is opened.
NOT_PAGES = {
    "webhook": "Stripe posts there",
    "credential-switch": "a form in the sidebar posts there",
    "payout-deposit": "a form of the payout posts there",
    "saved-filters": "a form of each list posts there",
    "sample-data": "a button of an empty studio posts there",
    "sync-progress": "a part of the sync page, fetched by htmx",
    "palette": "what the command palette lists, fetched by a script",
    "paid": "for customers, without the shell; test_empty.py opens it",
}
ROOT = "/studio/financial/"
# Where to begin: the overview, and pages nothing links to. Search is a form, the style page is in the documentation.
STARTS = tuple(ROOT + address for address in ("", "style/", "stripe/search/"))
# Pages that are there only for something made on purpose, and where that is listed.
RARE = {"payment-capture": ROOT + "stripe/payments/?status=requires_capture", "event": ROOT + "stripe/events/"}
MADE = ("checkout-page",)  # no page lists them: each is made with the form that leads there
# A page that takes something back is there once the page that does it was used.
UNDOES = {
    "product-unarchive": "product-archive",
    "price-unarchive": "price-archive",
    "subscription-resume": "subscription-pause",
    "subscription-keep": "subscription-cancel",
}
LOOKS = 10  # at how many pages behind one address the explorer looks before it gives up


PAGES = tuple(dict.fromkeys(p.name for p in urls.urlpatterns if p.name and p.name not in NOT_PAGES))


def explore(fetch: Callable[[str], tuple[int, str]], wanted: Iterable[str], starts: Iterable[str]) -> dict[str, str]:
    """Follow links from `starts` until a page of every name wanted is found; return an address by its name.

    `fetch` takes an address and returns status and HTML. Pages not seen yet are looked at first, then those seen least.
    """
    goal = set(wanted)
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    looked: Counter[str] = Counter()
    found: dict[str, str] = {}
    seen: set[str] = set()

    def note(address: str) -> None:
        if address not in seen and (name := name_of(address)) in PAGES:
            seen.add(address)
            waiting[name].append(address)

    for start in starts:
        note(start)
    while goal - found.keys():
        open_to = [name for name, addresses in waiting.items() if addresses and looked[name] < LOOKS]
        if not open_to:
            break
        name = min(open_to, key=lambda one: (one not in goal - found.keys(), looked[one]))
        # The oldest link is the plainest; later the newest, which is the least like those before.
        address = waiting[name].pop(-1 if name in found else 0)
        looked[name] += 1
        status, html = fetch(address)
        if status == 200:
            found.setdefault(name, address)
            for link in links(html, address):
                note(link)
    return found


def name_of(address: str) -> str:
    """The name of an address of the app, empty for any other."""
    try:
        return resolve(urlsplit(address).path).url_name or ""
    except Resolver404:
        return ""


def links(html: str, address: str) -> Iterator[str]:
    """The app's own addresses a page leads to, downloads left out."""
    for href in re.findall(r'<a [^>]*?href="([^"#]+)"', html):
        link = urljoin(address, unescape(href))
        if link.startswith(ROOT) and "format=csv" not in link:
            yield link
