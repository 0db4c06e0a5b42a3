"""All settings, read once from the environment (names in README.md; each may be given as NAME_FILE).

With nothing set Callboard runs on SQLite and the in-memory layer, on loopback, with keys generated
into the data directory. `config/checks.py` refuses to start anything half-configured.
"""

from pathlib import Path
from typing import Any

import environ
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from config.keys import given, given_list, given_number, kept_key, layer_name, new_field_key, new_secret_key
from config.logs import configuration

env = environ.FileAwareEnv()
BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(given("CALLBOARD_DATA_DIR", str(BASE_DIR / "var"))).resolve()
DATABASE_URL: str = given("DATABASE_URL")
REDIS_URL: str = given("REDIS_URL")
BEHIND_PROXY: bool = env.bool("CALLBOARD_BEHIND_PROXY", default=False)
DEBUG: bool = env.bool("CALLBOARD_DEBUG", default=False)
ALLOW_PRIVATE_UPSTREAM: bool = env.bool("CALLBOARD_ALLOW_PRIVATE_UPSTREAM", default=False)

# Keys. `OWN_KEYS` says that an operator gave them; generated ones are only good for one machine.
OWN_KEYS: bool = bool(given("CALLBOARD_SECRET_KEY") and given("CALLBOARD_FIELD_KEYS"))
SECRET_KEY: str = given("CALLBOARD_SECRET_KEY") or kept_key(DATA_DIR / "secret_key", new_secret_key)
FIELD_KEYS: list[str] = given_list("CALLBOARD_FIELD_KEYS", []) or [
    kept_key(DATA_DIR / "field_key", new_field_key)
]

# Where browsers may come from. `serve` adds its own address to an empty list.
LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS: list[str] = given_list("CALLBOARD_ALLOWED_HOSTS", LOOPBACK_HOSTS)
ORIGINS: list[str] = given_list("CALLBOARD_ORIGINS", [])
CSRF_TRUSTED_ORIGINS: list[str] = list(ORIGINS)

# Sockets: how many this process keeps, and how long one lives, give or take a fifth: 8 to 12 h.
MAX_SOCKETS: int = given_number("CALLBOARD_MAX_SOCKETS", 2000)
SOCKET_LIFE_S: int = given_number("CALLBOARD_SOCKET_LIFE_S", 10 * 3600)

# Sessions, in hours: without any sign of life (a live board is one), and at the latest (decision 014).
SESSION_IDLE_S: int = given_number("CALLBOARD_SESSION_IDLE_HOURS", 12) * 3600
SESSION_COOKIE_AGE: int = given_number("CALLBOARD_SESSION_HOURS", 160) * 3600
SESSION_ENGINE = "dashboard.session_store"

# The history, in days: each call that was observed, and the minutes that were counted from them (decision 022).
KEEP_CALLS_DAYS: int = given_number("CALLBOARD_KEEP_CALLS_DAYS", 8)
KEEP_MINUTES_DAYS: int = given_number("CALLBOARD_KEEP_MINUTES_DAYS", 400)

# Who must have a second factor: "administrators", or nobody, and then it is "offered" to all alike.
SECOND_FACTOR: str = given("CALLBOARD_SECOND_FACTOR", "administrators")

INSTALLED_APPS = [
    "servestatic",
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "csp",
    "django_htmx",
    "queue_api",
    "dashboard",
]
MIDDLEWARE = [
    "dashboard.request_log.request_log",
    "dashboard.answer_headers.answer_headers",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "dashboard.signed_out.say_why",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.views.note",
            ]
        },
    }
]

# IMMEDIATE takes the write lock when a transaction begins: read-then-write never meets "database is locked".
# WAL is stored in the file and set once after migrate (dashboard/apps.py), not on every connection.
DATABASE_OPTIONS: dict[str, dict[str, Any]] = {
    "django.db.backends.sqlite3": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON;",
    },
    "django.db.backends.postgresql": {
        "pool": {"min_size": 1, "max_size": 40, "timeout": 5},
        # A process that is frozen in a transaction must not keep the next leader waiting for its rows.
        "options": "-c statement_timeout=10000 -c idle_in_transaction_session_timeout=5000",
    },
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url_config(DATABASE_URL or f"sqlite:///{DATA_DIR / 'callboard.sqlite3'}")
}
DATABASES["default"]["OPTIONS"] = {  # what the address itself says, sslmode for example, counts
    **DATABASE_OPTIONS.get(DATABASES["default"]["ENGINE"], {}), **DATABASES["default"].get("OPTIONS", {})
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
}
if REDIS_URL:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [
                {"address": REDIS_URL, "socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 15}
            ],
            "prefix": layer_name(SECRET_KEY),
        },
    }

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTHENTICATION_BACKENDS = ["dashboard.sign_in.GatedBackend"]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = LOGIN_URL

NOTE: str = given("CALLBOARD_NOTE")  # shown on every page, for example by the demo
METRICS_TOKEN: str = given("CALLBOARD_METRICS_TOKEN")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True

# No collectstatic step: the few files are read from the tree at start and revalidated by ETag.
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_AUTOREFRESH = DEBUG
SERVESTATIC_MAX_AGE = 0

# Cookies and headers. Plain http is for loopback only; behind a proxy everything is TLS.
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False  # the page reads it at click time: signing in elsewhere rotates the token
CSRF_FAILURE_VIEW = "dashboard.views.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if BEHIND_PROXY:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-session", "__Host-csrftoken"
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]  # asked of each process directly, past the proxy
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = True

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],  # Django admin's icons
        "connect-src": [SELF, *(origin.replace("http", "ws", 1) for origin in ORIGINS)],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}

LOG_FORMAT: str = given("CALLBOARD_LOG_FORMAT")
LOGGING = configuration(LOG_FORMAT)
