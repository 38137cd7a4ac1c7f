"""The app on its own, without the studio; the database is SQLite unless DATABASE_URL names another."""

from __future__ import annotations

import django
import environ

env = environ.Env()

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "financial",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
TEMPLATES = [
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
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
LOGIN_URL = "/login/"
DATABASES = {"default": env.db_url("DATABASE_URL", default="sqlite:///:memory:")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 5}
elif DATABASES["default"]["ENGINE"].endswith("postgresql"):
    DATABASES["default"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}  # no test cuts the server's power
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
_MAIL = "django.core.mail.backends.locmem.EmailBackend"
if django.VERSION < (6, 1):
    EMAIL_BACKEND = _MAIL
else:
    MAILERS = {"default": {"BACKEND": _MAIL}}
FINANCIAL_ENCRYPTION_KEYS = ["only-for-tests-and-long-enough"]
FINANCIAL_ENGINE = "none"
FINANCIAL_STRIPE_BASE_URL = "http://127.0.0.1:9"  # nothing listens there; tests that talk set their own
FINANCIAL_STRIPE_BACKOFF_SECONDS = 0.01
FINANCIAL_STRIPE_TEST_REQUESTS_PER_SECOND = FINANCIAL_STRIPE_ENDPOINT_REQUESTS_PER_SECOND = 100_000
FINANCIAL_SYNC_EVERY_MINUTES = 0
