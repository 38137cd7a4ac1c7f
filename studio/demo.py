"""`python -m studio demo`: the studio with a Stripe account of its own, on this machine only.

It starts the bundled sandbox as a child, fills a fresh database through the real sync, serves the studio, and ends
both when it ends. Everything it writes is in `var/demo/`, which every start makes anew, as the sandbox begins anew too.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import importlib.util
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

HOST = "127.0.0.1"
SANDBOX_PORT = 12111
START_SECONDS = 60
STOP_SECONDS = 10
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
# Never taken over from the caller: a demo must not touch a real account, database or mail server.
FORGOTTEN = ("DATABASE_URL", "CACHE_URL", "STUDIO_SECRET_KEY", "STUDIO_HTTPS", "STUDIO_HOSTS", "STUDIO_STATIC_ROOT")
FORGOTTEN_PREFIXES = ("STRIPE_", "FINANCIAL_", "EMAIL_")


class DemoError(Exception):
    """What keeps the demo from running, said for the person at the terminal."""


def main(arguments: Sequence[str]) -> int:
    """Run the demo until Ctrl-C. Returns 0 when it was stopped, 1 when it failed, 2 for wrong options."""
    options = _options(arguments)
    for signum in STOP_SIGNALS:
        signal.signal(signum, _interrupt)
    if "MAKELEVEL" in os.environ:  # what `make` started ends with it, however it ends
        _ends_with(os.getppid())()
    try:
        with _only_one(options.folder):
            _run(options.folder, options.port)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 0
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m studio demo", description=__doc__)
    parser.add_argument("--port", type=_port, default=os.environ.get("DEMO_PORT", "8000"), help="default: 8000")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"), help="made anew (default: var/demo)")
    return parser.parse_args(arguments)


def _port(text: str) -> int:
    if text.isdecimal() and 1024 <= int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1024 to 65535")


def _interrupt(signum: int, frame: object) -> None:
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)  # once is enough; the children are ended now
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoError(f"a demo is already running in {folder}. Stop it first (Ctrl-C where it runs).") from error
        yield


def _run(folder: Path, port: int) -> None:
    if importlib.util.find_spec("sandbox") is None:
        raise DemoError(
            "the bundled sandbox is not here: the demo runs in a checkout of the repository, not from a wheel."
        )
    if not _is_free(port):
        raise DemoError(f"port {port} is taken. Stop what listens there, or choose another: make demo DEMO_PORT=8001")
    _empty(folder)
    _environment(folder)
    with _sandbox(folder) as (sandbox, stripe):
        os.environ["FINANCIAL_STRIPE_BASE_URL"] = stripe
        _say("Making a database …")
        password = _database()
        _credential(stripe, f"http://{HOST}:{port}")
        with _server(folder, port) as studio:
            _sync()
            _say(_block(folder, port, stripe, password))
            _watch(folder, sandbox=sandbox, studio=studio)


def _empty(folder: Path) -> None:
    mark = folder / "made-by-make-demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DemoError(f"{folder} holds something else. Move it away, or name another folder with --folder.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    mark.write_text("`make demo` empties this folder at every start.\n")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _environment(folder: Path) -> None:
    for name in list(os.environ):
        if name in FORGOTTEN or name.startswith(FORGOTTEN_PREFIXES):
            del os.environ[name]
    mail = (folder / "mail").resolve()
    mail.mkdir()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "studio.settings",
        "STUDIO_VAR": str(folder.resolve()),
        "STUDIO_DEBUG": "false",
        "STUDIO_EMAIL_FROM": "books@publisher.example",
        "STUDIO_LOG_LEVEL": "WARNING",  # here, at the terminal; the server tells more in its log
        "EMAIL_URL": f"filemail:///{urllib.parse.quote(str(mail))}",  # of the path the first slash is cut off
        "FINANCIAL_SEND_PAYMENT_EMAILS": "true",
        "PYTHONUNBUFFERED": "1",
    }


def _database() -> str:
    """Make the tables and a member of staff who may do everything; return the password."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    password = secrets.token_urlsafe(12)
    User.objects.create_superuser("demo", "demo@publisher.example", password)
    return password


@contextmanager
def _child(name: str, folder: Path, module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    # A session of its own: Ctrl-C reaches this process alone, which then ends its children in order.
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", module, *arguments],
            env=os.environ | {"STUDIO_LOG_LEVEL": "INFO"},
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_ends_with(os.getpid()),
        )
    try:
        yield child
    finally:
        _end(child)


def _ends_with(parent: int) -> Callable[[], None]:
    """Return what a child calls to be ended when its parent is killed: on Linux; elsewhere an orderly stop does it."""
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:  # killed before we could ask
            os._exit(1)

    return ask


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@contextmanager
def _sandbox(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start the sandbox on its usual port, or where that is taken on any other; yield it and its address."""
    _say("Starting the sandbox, a small Stripe on this machine …")
    log = folder / "sandbox.log"
    with ExitStack() as children:
        for port in (SANDBOX_PORT, 0) if _is_free(SANDBOX_PORT) else (0,):
            arguments = ("serve", "--demo", "--live", "20", "--port", str(port))
            child = children.enter_context(_child("sandbox", folder, "sandbox", *arguments))
            if _is_up(lambda: _address_in(log) != "", child):
                yield child, _address_in(log)
                return
        raise _not_started(log)


def _address_in(log: Path) -> str:
    said = re.search(r"Sandbox Stripe listening on (http://\S+)\n", log.read_text(errors="replace"))
    return said[1] if said else ""


@contextmanager
def _server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    _say("Starting the studio …")
    arguments = ["studio.wsgi:application", "--bind", f"{HOST}:{port}", "--worker-class", "gthread", "--workers", "1"]
    arguments += ["--threads", "8", "--no-control-socket", "--access-logfile", "-"]
    with _child("studio", folder, "gunicorn", *arguments) as child:
        if not _is_up(lambda: _answers(f"http://{HOST}:{port}/readyz"), child):
            raise _not_started(folder / "studio.log")
        yield child


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
        return bool(response.status == 200)
    return False


def _is_up(is_ready: Callable[[], bool], child: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        if is_ready():
            return True
        time.sleep(0.1)
    return False


def _not_started(log: Path) -> DemoError:
    return DemoError(f"it did not start. The end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _credential(sandbox: str, studio: str) -> None:
    """Add the sandbox's keys as the active credential, with the secret of a webhook endpoint registered there."""
    from django.urls import reverse

    from financial.models import StripeCredential

    key = f"sk_test_sandbox_{secrets.token_hex(12)}"
    StripeCredential.objects.create(
        name="Demo (bundled sandbox)",
        publishable_key=f"pk_test_sandbox_{secrets.token_hex(12)}",
        secret_key=key,
        webhook_secret=_webhook_secret(sandbox, key, studio + reverse("financial:webhook")),
        is_active=True,
    )


def _webhook_secret(sandbox: str, key: str, url: str) -> str:
    form = urllib.parse.urlencode({"url": url, "enabled_events[0]": "*"}).encode()
    request = urllib.request.Request(  # noqa: S310
        f"{sandbox}/v1/webhook_endpoints", data=form, headers={"Authorization": f"Bearer {key}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            return str(json.load(response)["secret"])
    except urllib.error.HTTPError as error:
        raise DemoError(f"the sandbox refused the webhook endpoint: {error.read().decode(errors='replace')}") from error


def _sync() -> None:
    from django.core.management import CommandError, call_command

    _say("Reading the account, as `manage.py sync_stripe` does:")
    try:
        call_command("sync_stripe")
    except (CommandError, SystemExit) as error:
        raise DemoError(f"the sync failed: {error}") from error


def _block(folder: Path, port: int, stripe: str, password: str) -> str:
    line = "─" * 72
    return f"""
{line}
  The demo runs.      http://{HOST}:{port}/
  User                demo
  Password            {password}

  Stripe is played by the sandbox at {stripe}; every 20 seconds
  something happens there, and its signed webhook arrives here.
  Its control page    {stripe}/_sandbox
  Mails to customers  {folder / "mail"}
  Logs                {folder / "studio.log"}, {folder / "sandbox.log"}
  Ctrl-C stops. The next `make demo` starts with a new account.
{line}"""


def _watch(folder: Path, **children: subprocess.Popen[bytes]) -> None:
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                log = folder / f"{name}.log"
                raise DemoError(f"the {name} ended by itself ({child.returncode}). The end of {log}:\n{_tail(log)}")
        time.sleep(0.5)
