"""`python -m studio`: Django's command line for this site, plus `demo`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        from studio.demo import main as demo

        sys.exit(demo(sys.argv[2:]))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "studio.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["python -m studio", *sys.argv[1:]])


if __name__ == "__main__":
    main()
