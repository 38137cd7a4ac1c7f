"""Settings of the studio: every one has a default, and an environment variable that changes it (docs/operations.md)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django
import environ
from django.core.exceptions import ImproperlyConfigured

from financial import conf
from studio.secrets_kept import kept

env = environ.Env()

VAR = Path(env.str("STUDIO_VAR", default="var")).resolve()
VAR.mkdir(parents=True, exist_ok=True, mode=0o700)

# Who may ask, and how.
DEBUG = env.bool("STUDIO_DEBUG", default=False)
SECRET_KEY = env.str("STUDIO_SECRET_KEY", default="") or kept(VAR, "secret_key")
ALLOWED_HOSTS = env.list("STUDIO_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
HTTPS = env.bool("STUDIO_HTTPS", default=False)

INSTALLED_APPS = [
    "studio",
    "financial",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
]
MIDDLEWARE = [
    "studio.middleware.webhooks_first",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "studio.middleware.careful_headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "studio.urls"
WSGI_APPLICATION = "studio.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


# Every commit is on the disk before it is told; the journal moves into the file every 16 MB, not every 4: less to write.
_PRAGMAS = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA wal_autocheckpoint=4000"


# The database: a SQLite file in the data folder unless DATABASE_URL names another.
def _database() -> dict[str, Any]:
    file = {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "studio.sqlite3"}
    found: dict[str, Any] = env.db_url("DATABASE_URL") if env.str("DATABASE_URL", default="") else file
    options = found.setdefault("OPTIONS", {})  # merged: a socket folder given in the URL is in there
    if found["ENGINE"].endswith("sqlite3"):
        options.setdefault("transaction_mode", "IMMEDIATE")
        options.setdefault("timeout", 20)
        found["CONN_MAX_AGE"] = None  # closing the last connection moves the whole journal into the file, each time
        options.setdefault("init_command", _PRAGMAS)
    elif found["ENGINE"].endswith("postgresql"):
        # One for each thread that may ask; seconds until a database that is away is said to be: Stripe waits.
        options.setdefault("pool", {"min_size": 1, "max_size": 20, "timeout": 4})
    found["ATOMIC_REQUESTS"] = False  # no network inside a database transaction
    return found


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": env.cache_url("CACHE_URL", default="locmemcache://studio")}

# Signing in.
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_AGE = 8 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # forms carry the token themselves
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
AUTH_PASSWORD_VALIDATORS: list[dict[str, Any]] = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
if HTTPS:
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # the proxy must set it, whatever the client sent
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    # No SECURE_SSL_REDIRECT: Stripe follows no redirect, so the proxy redirects people and nothing else.
SILENCED_SYSTEM_CHECKS = ["security.W008", "security.W021"]  # the redirect is the proxy's; preloading is the owner's

# Language and time.
LANGUAGE_CODE = "en-us"
USE_I18N = False  # one language: nothing is looked up for each value that a page shows
USE_TZ = True
TIME_ZONE = env.str("STUDIO_TIME_ZONE", default="UTC")

# Static files: straight out of the packages, or hashed and compressed from the folder collectstatic filled.
STATIC_URL = "static/"
STATIC_ROOT = env.str("STUDIO_STATIC_ROOT", default="") or None
WHITENOISE_USE_FINDERS = STATIC_ROOT is None
WHITENOISE_ALLOW_ALL_ORIGINS = False
_STATIC_STORAGE = (
    "django.contrib.staticfiles.storage.StaticFilesStorage"
    if STATIC_ROOT is None
    else "whitenoise.storage.CompressedManifestStaticFilesStorage"
)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC_STORAGE},
}

# E-mail: printed unless EMAIL_URL names a server or, with filemail:////, a folder.
_MAIL_OPTIONS = {
    "EMAIL_HOST": "host",
    "EMAIL_PORT": "port",
    "EMAIL_HOST_USER": "username",
    "EMAIL_HOST_PASSWORD": "password",
    "EMAIL_USE_TLS": "use_tls",
    "EMAIL_USE_SSL": "use_ssl",
    "EMAIL_TIMEOUT": "timeout",
    "EMAIL_FILE_PATH": "file_path",
}


def _mail() -> dict[str, Any]:
    """Return the settings of the mail server as this Django wants them: MAILERS from 6.1 on, EMAIL_… before."""
    found: dict[str, Any] = env.email_url("EMAIL_URL", default="consolemail://")
    if django.VERSION < (6, 1):
        return found
    options = {option: found[name] for name, option in _MAIL_OPTIONS.items() if found.get(name)}
    return {"MAILERS": {"default": {"BACKEND": found["EMAIL_BACKEND"], "OPTIONS": options}}}


vars().update(_mail())
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("STUDIO_EMAIL_FROM", default="studio@localhost")

# Logs go to standard error; one name covers the app.
LOG_LEVEL = env.str("STUDIO_LOG_LEVEL", default="INFO").upper()
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        "financial.stripe_services": {"level": LOG_LEVEL},
    },
}


# The app: FINANCIAL_<NAME> from the variable of that name, Stripe's keys from Stripe's usual names.
def _financial(name: str, default: Any) -> Any:
    variable = f"FINANCIAL_{name}"
    readers = {bool: env.bool, int: env.int, float: env.float, list: env.list, dict: env.json}
    try:
        return readers.get(type(default), env.str)(variable, default=default)
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable} must be a {type(default).__name__}: {error}") from error


for _name, _default in conf.DEFAULTS.items():
    globals()[f"FINANCIAL_{_name}"] = _financial(_name, _default)
FINANCIAL_ENCRYPTION_KEYS = env.list("FINANCIAL_ENCRYPTION_KEYS", default=[]) or [kept(VAR, "encryption_key")]
FINANCIAL_STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
FINANCIAL_STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", default="")
FINANCIAL_STRIPE_WEBHOOK_SECRETS = [
    *env.list("STRIPE_WEBHOOK_SECRETS", default=[]),
    *env.list("STRIPE_WEBHOOK_SECRET", default=[]),
]
