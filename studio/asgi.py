"""The same site for an ASGI server. Loading it wakes the engine once."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
application = get_asgi_application()

from financial import engines  # noqa: E402  (the apps must be loaded first)

engines.wake()
