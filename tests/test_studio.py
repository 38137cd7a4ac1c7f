"""The ready-to-run site: its settings and its own pages."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from studio import urls
from studio.middleware import CONTENT_SECURITY_POLICY
from studio.secrets_kept import kept

ROOT = Path(__file__).parents[1]
PASSWORD = "correct horse battery"
WEBHOOK = "/studio/financial/stripe/webhook/"


# Settings


def _settings(folder: Path, *names: str, **environment: str) -> Any:
    """Return these settings as a fresh process reads them from this environment."""
    script = f"import json; from studio import settings as s; print(json.dumps([getattr(s, n, None) for n in {names}]))"
    done = _python(folder, script, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _python(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "STUDIO_VAR": str(folder), **environment}
    return subprocess.run([sys.executable, "-c", script], env=env, cwd=folder, capture_output=True, text=True)


def test_first_start_makes_secrets_only_the_owner_reads_and_later_ones_keep_them(tmp_path: Path) -> None:
    first = _settings(tmp_path, "SECRET_KEY", "FINANCIAL_ENCRYPTION_KEYS")
    assert len(first[0]) >= 50 and len(first[1][0]) >= 50 and first[0] != first[1][0]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("secret_key", "encryption_key")} == {0o600}
    assert _settings(tmp_path, "SECRET_KEY", "FINANCIAL_ENCRYPTION_KEYS") == first


def test_secrets_of_the_environment_win_and_leave_no_file(tmp_path: Path) -> None:
    found = _settings(
        tmp_path,
        "SECRET_KEY",
        "FINANCIAL_ENCRYPTION_KEYS",
        STUDIO_SECRET_KEY="of the environment",
        FINANCIAL_ENCRYPTION_KEYS="new,old",
    )
    assert found == ["of the environment", ["new", "old"]]
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    together = threading.Barrier(16)

    def start(_: int) -> str:
        together.wait()
        return kept(tmp_path, "secret_key")

    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(start, range(16)))
    assert len(found) == 1 and found != {""}
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


def test_sqlite_takes_the_write_lock_first_and_syncs_every_commit(tmp_path: Path) -> None:
    (database,) = _settings(tmp_path, "DATABASES", DATABASE_URL="sqlite:////tmp/other.sqlite3")
    options = database["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20
    pragmas = {"journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"}
    assert set(options["init_command"].split(";")) == {f"PRAGMA {pragma}" for pragma in pragmas}
    assert database["default"]["CONN_MAX_AGE"] is None
    assert database["default"]["ATOMIC_REQUESTS"] is False


def test_postgres_gets_a_pool_and_keeps_the_options_of_its_url(tmp_path: Path) -> None:
    url = "postgres://someone@/books?host=/run/postgresql"
    (database,) = _settings(tmp_path, "DATABASES", DATABASE_URL=url)
    assert database["default"]["ENGINE"] == "django.db.backends.postgresql"
    assert database["default"]["OPTIONS"] == {
        "host": "/run/postgresql",
        "pool": {"min_size": 1, "max_size": 20, "timeout": 4},
    }


def test_any_other_django_database_is_taken_by_its_url(tmp_path: Path) -> None:
    (database,) = _settings(tmp_path, "DATABASES", DATABASE_URL="mysql://someone:secret@db.example/books")
    assert database["default"]["ENGINE"] == "django.db.backends.mysql"
    assert database["default"]["OPTIONS"] == {}


def test_cookies_are_secure_only_behind_https(tmp_path: Path) -> None:
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_NAME", "SECURE_HSTS_SECONDS")
    assert _settings(tmp_path, *names) == [False, False, None, None]
    assert _settings(tmp_path, *names, STUDIO_HTTPS="true") == [True, True, "__Host-sessionid", 31_536_000]


def _sent_with(folder: Path, url: str, *names: str) -> Any:
    """Return the class and these attributes of what a fresh process sends mails with."""
    script = f"""
import json
from django.core.mail import get_connection
backend = get_connection()
print(json.dumps([type(backend).__module__.rsplit(".")[-1], *[getattr(backend, name) for name in {names}]]))
"""
    done = _python(folder, script, EMAIL_URL=url, DJANGO_SETTINGS_MODULE="studio.settings")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mails_go_to_a_server_or_to_files_in_the_folder_named_with_four_slashes(tmp_path: Path) -> None:
    server = _sent_with(tmp_path, "smtp+tls://ada:pa%20ss@mail.example:587", "host", "port", "username", "password")
    assert server == ["smtp", "mail.example", 587, "ada", "pa ss"]
    folder = tmp_path / "our studio"
    assert _sent_with(tmp_path, f"filemail:///{tmp_path}/our%20studio", "file_path") == ["filebased", str(folder)]
    assert _sent_with(tmp_path, "consolemail://") == ["console"]


def test_every_setting_of_the_app_is_read_from_the_environment_in_its_type(tmp_path: Path) -> None:
    given = {
        "FINANCIAL_STRIPE_ATTEMPTS": "2",
        "FINANCIAL_STRIPE_BACKOFF_SECONDS": "0.25",
        "FINANCIAL_SEND_PAYMENT_EMAILS": "yes",
        "FINANCIAL_ENGINE": "none",
        "FINANCIAL_FEE_RULES": '{"*": ["0.03", 10]}',
        "STRIPE_SECRET_KEY": "sk_test_of_the_environment",
        "STRIPE_WEBHOOK_SECRETS": "whsec_new,whsec_old",
        "STRIPE_WEBHOOK_SECRET": "whsec_single",
    }
    found = _settings(
        tmp_path,
        *[name for name in given if name.startswith("FINANCIAL_")],
        "FINANCIAL_STRIPE_SECRET_KEY",
        "FINANCIAL_STRIPE_WEBHOOK_SECRETS",
        **given,
    )
    assert found == [
        2, 0.25, True, "none", {"*": ["0.03", 10]}, "sk_test_of_the_environment",
        ["whsec_new", "whsec_old", "whsec_single"],
    ]  # fmt: skip


def test_a_value_of_the_wrong_type_is_named(tmp_path: Path) -> None:
    done = _python(tmp_path, "from studio import settings", FINANCIAL_PAGE_SIZE="many")
    assert done.returncode != 0
    assert "FINANCIAL_PAGE_SIZE must be a int" in done.stderr


def test_checks_for_deployment_find_nothing_behind_https(tmp_path: Path) -> None:
    script = "import django; django.setup(); from django.core.management import call_command as c; "
    script += "c('check', deploy=True, fail_level='WARNING')"
    deployed = {"STUDIO_HTTPS": "true", "EMAIL_URL": "smtp+tls://mail.example:587"}
    done = _python(tmp_path, script, DJANGO_SETTINGS_MODULE="studio.settings", **deployed)
    assert done.returncode == 0, done.stderr


# Pages


@pytest.fixture
def studio(settings: Any) -> None:
    settings.INSTALLED_APPS = ["studio", *settings.INSTALLED_APPS]
    settings.ROOT_URLCONF = "studio.urls"
    settings.LOGIN_REDIRECT_URL = "home"
    settings.LOGOUT_REDIRECT_URL = "login"
    ours = ["studio.middleware.webhooks_first", "studio.middleware.careful_headers"]
    settings.MIDDLEWARE = [*ours, *settings.MIDDLEWARE]


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("ada", "ada@publisher.example", PASSWORD)


def _is_careful(html: str) -> bool:
    """No inline style, script or handler, which the policy would forbid."""
    return not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", html)


@pytest.mark.usefixtures("studio")
def test_stripe_is_answered_before_anything_that_is_there_for_people(client: Client, db: None, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["studio.example"]
    answer = client.post(WEBHOOK, b"{}", content_type="application/json")

    assert (answer.status_code, answer.headers["Content-Length"]) == (503, "9")  # there is no secret to verify with
    assert "Content-Security-Policy" not in answer.headers
    assert not answer.cookies


@pytest.mark.usefixtures("studio")
def test_home_leads_staff_to_the_financial_dashboard(client: Client, staff: User) -> None:
    client.force_login(staff)
    page = client.get("/")
    assert page.status_code == 200
    assert "Publisher" in page.text and "Financial Dashboard" in page.text
    assert 'href="/studio/financial/"' in page.text
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert page.headers["Cache-Control"] == "no-store"
    assert _is_careful(page.text)


@pytest.mark.usefixtures("studio", "db")
def test_home_sends_visitors_to_the_login_and_back(client: Client, staff: User) -> None:
    assert client.get("/", follow=False).headers["Location"] == "/login/?next=/"
    page = client.get("/login/?next=/")
    assert page.status_code == 200 and _is_careful(page.text)
    signed_in = client.post("/login/", {"username": "ada", "password": PASSWORD, "next": "/"})
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/")


@pytest.mark.usefixtures("studio")
def test_wrong_password_is_said_without_saying_which_part_is_wrong(client: Client, staff: User) -> None:
    wrong = client.post("/login/", {"username": "ada", "password": "guess"})
    unknown = client.post("/login/", {"username": "nobody", "password": "guess"})
    messages = [re.search(r'role="alert"><p>(.*?)</p>', page.text, re.S) for page in (wrong, unknown)]
    assert messages[0] and messages[1] and messages[0][1] == messages[1][1]


@pytest.mark.usefixtures("studio")
def test_login_goes_on_to_no_foreign_site(client: Client, staff: User) -> None:
    answer = client.post("/login/", {"username": "ada", "password": PASSWORD, "next": "https://elsewhere.example/"})
    assert answer.headers["Location"] == "/"


@pytest.mark.usefixtures("studio", "db")
def test_home_is_for_staff(client: Client) -> None:
    client.force_login(User.objects.create_user("reader", password=PASSWORD))
    page = client.get("/")
    assert page.status_code == 403
    assert "You may not see this" in page.text and _is_careful(page.text)


@pytest.mark.usefixtures("studio")
def test_signing_out_needs_a_post(client: Client, staff: User) -> None:
    client.force_login(staff)
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").headers["Location"] == "/login/"
    assert client.get("/").status_code == 302


@pytest.mark.usefixtures("studio", "db")
def test_unknown_address_has_a_page_of_its_own(client: Client) -> None:
    page = client.get("/nowhere/")
    assert page.status_code == 404
    assert "There is nothing at this address" in page.text and _is_careful(page.text)


def _broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken")


urlpatterns = [path("broken", _broken), *urls.urlpatterns]  # for the test below


@pytest.mark.usefixtures("studio", "db")
def test_error_of_our_own_has_a_page_that_needs_no_context(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    page = Client(raise_request_exception=False).get("/broken")
    assert page.status_code == 500
    assert "an error of its own" in page.text and "broken" not in page.text and _is_careful(page.text)


@pytest.mark.usefixtures("studio", "db")
def test_form_without_its_token_is_asked_for_again(staff: User) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert page.status_code == 403
    assert "Please send that again" in page.text


@pytest.mark.usefixtures("studio")
def test_health_needs_neither_login_nor_database(client: Client) -> None:
    assert client.get("/healthz").text == "ok\n"
    assert client.post("/healthz").status_code == 405


@pytest.mark.usefixtures("studio", "db")
def test_readiness_asks_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").status_code == 200

    def refuse() -> None:
        raise OperationalError("no such host")

    with monkeypatch.context() as without_database:
        without_database.setattr(connection, "cursor", refuse)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "no such host" not in answer.text
