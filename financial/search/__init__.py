"""What staff look for by typing: `terms` reads the text, `places` leads from an id to its page, `groups` finds rows.

Reads the mirror and the books of one credential; knows no HTTP, and never Stripe.
"""

from __future__ import annotations

from financial.search.groups import GROUPS, Found, find, find_more, permitted
from financial.search.hits import Hit
from financial.search.places import page_of
from financial.search.terms import Search, kind_of, read

__all__ = ["GROUPS", "Found", "Hit", "Search", "find", "find_more", "kind_of", "page_of", "permitted", "read"]
