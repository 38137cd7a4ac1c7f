"""`python -m sandbox`."""

from __future__ import annotations

import sys

try:
    from .cli import main
except ModuleNotFoundError as error:
    if error.name not in ("orjson", "uvicorn", "urllib3"):
        raise
    print(f"python -m sandbox: error: {error.name} is missing: pip install uvicorn orjson urllib3", file=sys.stderr)
    sys.exit(2)

sys.exit(main(sys.argv[1:]))
