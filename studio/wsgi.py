"""What gunicorn serves. Loading it wakes the engine once, so that work a crash left behind is picked up.

What is loaded by then stays. The garbage collector need not look at it again, which would take a twentieth of a second
and more out of some answers.
"""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
application = get_wsgi_application()

from financial import engines  # noqa: E402  (the apps must be loaded first)

engines.wake()
gc.collect()
gc.freeze()
