"""Refusing to run half-configured: each refusal says what to set."""

from django.conf import settings
from django.core.management.base import CommandError

from config.logs import FORMATS

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def refuse_half_configured(host: str) -> None:
    """Raises CommandError with every reason why this process must not serve on `host`."""
    hosts = set(settings.ALLOWED_HOSTS) - set(settings.LOOPBACK_HOSTS)
    public = host not in LOOPBACK or settings.BEHIND_PROXY or bool(hosts)
    reasons = []
    if public and settings.DEBUG:
        reasons.append("CALLBOARD_DEBUG is on: debug pages show secrets. Switch it off to listen on a public address.")
    if (public or settings.DATABASE_URL) and not settings.OWN_KEYS:
        reasons.append("Set CALLBOARD_SECRET_KEY and CALLBOARD_FIELD_KEYS: generated keys are for one machine alone.")
    if len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith("django-insecure-"):
        reasons.append("CALLBOARD_SECRET_KEY must have at least 32 characters and be secret.")
    if settings.LOG_FORMAT not in ("", *FORMATS):
        reasons.append("CALLBOARD_LOG_FORMAT must be json or line.")
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 16:
        reasons.append("CALLBOARD_METRICS_TOKEN must have at least 16 characters.")
    if "*" in settings.ALLOWED_HOSTS:
        reasons.append("CALLBOARD_ALLOWED_HOSTS may not contain *: name the hosts.")
    if settings.DATABASE_URL and not settings.REDIS_URL and public:
        reasons.append("With DATABASE_URL on a public address set REDIS_URL, too: processes find each other there.")
    if host not in LOOPBACK and not hosts:
        reasons.append("Set CALLBOARD_ALLOWED_HOSTS to the names browsers use: others are answered 400.")
    if host not in LOOPBACK and not settings.ORIGINS:
        reasons.append(f"Set CALLBOARD_ORIGINS to the addresses browsers use, for example http://{host}:8000.")
    if reasons:
        raise CommandError("Callboard does not start:\n  " + "\n  ".join(reasons))
