"""`make demo` as a newcomer runs it: one process, one address, everything ended when it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest

from studio import demo

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("port", ["0", "80", "70000", "many", "-1"])
def test_demo_refuses_what_is_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        demo._options(["--port", port])
    assert stopped.value.code == 2
    assert "is not a port" in capsys.readouterr().err


def test_demo_takes_over_no_key_database_or_mail_server_and_keeps_mails_as_files(tmp_path: Path) -> None:
    names = ("FINANCIAL_STRIPE_SECRET_KEY", "FINANCIAL_STRIPE_BASE_URL", "SECRET_KEY")
    script = f"""
import json
from pathlib import Path
from studio import demo
demo._environment(Path("demo"))
from studio import settings
found = [getattr(settings, name) for name in {names}]
mail = settings._mail()
mail = mail.get("EMAIL_FILE_PATH") or mail["MAILERS"]["default"]["OPTIONS"]["file_path"]
print(json.dumps([*found, mail, str(settings.DATABASES["default"]["NAME"])]))
"""
    folder = tmp_path / "demo"
    folder.mkdir()
    theirs = {"STRIPE_SECRET_KEY": "sk_live_theirs", "EMAIL_URL": "smtp://mail.example", "STUDIO_SECRET_KEY": "theirs"}
    theirs |= {"DATABASE_URL": "postgres://db.example/theirs", "FINANCIAL_STRIPE_BASE_URL": "https://stripe.example"}
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **theirs}
    done = subprocess.run([sys.executable, "-c", script], env=env, cwd=tmp_path, capture_output=True, text=True)
    key, stripe, secret, mail, database = json.loads(done.stdout)
    assert (key, stripe) == ("", "https://api.stripe.com")
    assert secret != "theirs"
    assert (mail, database) == (str(folder / "mail"), str(folder / "studio.sqlite3"))


def _demo(folder: Path, port: int, **environment: str) -> subprocess.Popen[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
    command = [sys.executable, "-m", "studio", "demo", "--port", str(port), "--folder", str(folder)]
    return subprocess.Popen(
        command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_demo_says_which_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        process = _demo(tmp_path / "demo", number)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"port {number} is taken" in out and "Traceback" not in out


def test_demo_empties_no_folder_it_has_not_made(tmp_path: Path, port: int) -> None:
    (tmp_path / "precious.txt").write_text("kept")
    process = _demo(tmp_path, port)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "holds something else" in out and "Traceback" not in out
    assert (tmp_path / "precious.txt").read_text() == "kept"


@pytest.fixture
def running_demo(tmp_path: Path, port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that has printed its address, started beside real keys it must not use."""
    real = {"STRIPE_SECRET_KEY": "sk_live_never_used", "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    process = _demo(tmp_path / "demo", port, **real)
    lines: list[str] = []
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    yield process, "".join(lines)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def test_demo_serves_a_synced_account_and_ends_what_it_started(
    running_demo: tuple[subprocess.Popen[str], str], tmp_path: Path, port: int
) -> None:
    process, out = running_demo
    assert process.poll() is None, out
    password = re.search(r"Password +(\S+)", out)
    sandbox = re.search(r"sandbox at (http://127\.0\.0\.1:\d+)", out)
    assert password and sandbox, out
    site = f"http://127.0.0.1:{port}"
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = browser.open(f"{site}/studio/financial/stripe/payments/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token
    fields = {"username": "demo", "password": password[1], "csrfmiddlewaretoken": token[1]}
    fields["next"] = "/studio/financial/stripe/payments/"
    with browser.open(f"{site}/login/", urlencode(fields).encode()) as answer:
        page = answer.read().decode()
        assert answer.url.endswith("/studio/financial/stripe/payments/")
    assert "pi_" in page
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    for url in (f"{site}/healthz", sandbox[1]):
        with pytest.raises(OSError):
            urllib.request.urlopen(url, timeout=2)
    assert _left_over(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells the children")
@pytest.mark.parametrize("killed", ["the demo", "make"])
def test_whatever_is_killed_takes_its_children_with_it(tmp_path: Path, killed: str) -> None:
    script = """
import os, sys, time
from pathlib import Path
from studio import demo
def run(folder, port):
    with demo._child("child", folder, "sandbox", "serve", "--port", "0"):
        print(os.getpid(), flush=True)
        time.sleep(60)
demo._run = run
demo.main(["--folder", sys.argv[1]])
"""
    (tmp_path / "run.py").write_text(script)
    (tmp_path / "Makefile").write_text("demo:\n\t@$(PYTHON) run.py var\n")
    (tmp_path / "var").mkdir()
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "IN": str(tmp_path)}
    command = ["make", "--no-print-directory", "-C", str(tmp_path), f"PYTHON={sys.executable}"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as make:
        assert make.stdout
        demo_pid = int(make.stdout.readline())
        assert len(_holding(tmp_path)) == 3  # make, the demo, the child
        os.kill(make.pid if killed == "make" else demo_pid, signal.SIGKILL)
        assert _left_over(tmp_path) == []


def _left_over(folder: Path) -> list[str]:
    """Return which processes still hold the folder after a while."""
    deadline = time.monotonic() + 15
    while (found := _holding(folder)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _holding(folder: Path) -> list[str]:
    """Return the ids of processes whose environment names the folder."""
    found = [entry.name for entry in Path("/proc").glob("[0-9]*") if str(folder) in _environment_of(entry)]
    return [name for name in found if name != str(os.getpid())]


def _environment_of(entry: Path) -> str:
    try:
        return (entry / "environ").read_text(errors="replace")
    except OSError:
        return ""
