"""Check a built wheel: what must be inside is inside, nothing else is, and it works installed, away from the checkout.

Run by `make build`: `python .ci/check_wheel.py <environment the wheel is installed in>`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("financial", "studio")
LEFT_OUT = ("__pycache__", ".pyc")
TRIAL = """
import financial, studio
from django.core.management import call_command
from django.test import Client
assert "site-packages" in financial.__file__ and "site-packages" in studio.__file__, financial.__file__
call_command("migrate", verbosity=0)
for url, status in (("/login/", 200), ("/readyz", 200), ("/studio/financial/", 302), ("/static/financial/app.css", 200)):
    answer = Client(headers={"host": "localhost"}).get(url)
    assert answer.status_code == status, (url, answer.status_code)
"""


def main(environment: Path) -> None:
    wheels = sorted((ROOT / "dist").glob("*.whl"))
    assert len(wheels) == 1, wheels
    inside = {name for name in zipfile.ZipFile(wheels[0]).namelist() if ".dist-info/" not in name}
    missing = _wanted() - inside
    assert not missing, f"missing in the wheel: {sorted(missing)}"
    foreign = {name for name in inside if not name.startswith(tuple(f"{package}/" for package in PACKAGES))}
    assert not foreign, f"not ours: {sorted(foreign)}"
    python = environment.resolve() / "bin" / "python"
    with tempfile.TemporaryDirectory() as elsewhere:
        _run(python, elsewhere, "-m", "django", "check", "--fail-level", "WARNING")
        _run(python, elsewhere, "-c", f"import django; django.setup()\n{TRIAL}")
    print(f"{wheels[0].name}: {len(inside)} files, installed and checked away from the checkout")


def _wanted() -> set[str]:
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*") if file.is_file())
    return {str(file.relative_to(ROOT)) for file in files if not any(part in str(file) for part in LEFT_OUT)}


def _run(python: Path, folder: str, *arguments: str) -> None:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    mine = {"DJANGO_SETTINGS_MODULE": "studio.settings", "STUDIO_VAR": f"{folder}/var"}
    subprocess.run([python, *arguments], cwd=folder, env=kept | mine, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
