"""Refusing to run half-configured: each refusal has an id and says what to set.

The same list twice: `serve` knows the address it is to listen on and refuses to start; `manage.py check --deploy`
knows none and judges as for a public one.
"""

from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.management.base import CommandError

from config.logs import FORMATS

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def refuse_half_configured(host: str) -> None:
    """Raises CommandError with every reason why this process must not serve on `host`."""
    reasons = [f"{error.msg} {error.hint} ({error.id})" for error in problems(host)]
    if reasons:
        raise CommandError("Callboard does not start:\n  " + "\n  ".join(reasons))


@register(Tags.security, deploy=True)
def fit_for_the_public(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """For `manage.py check --deploy`: as if this process were to be reached by everybody."""
    refusals = problems("127.0.0.1" if settings.BEHIND_PROXY else "0.0.0.0")  # noqa: S104 - judged, not bound
    return [*refusals, *_weaknesses()]


def problems(host: str) -> Iterator[Error]:
    """Everything that stands against serving on `host`."""
    hosts = set(settings.ALLOWED_HOSTS) - set(settings.LOOPBACK_HOSTS)
    direct = host not in LOOPBACK
    public = direct or settings.BEHIND_PROXY or bool(hosts)
    yield from _keys(public)
    yield from _openings(public, hosts, named=direct or settings.BEHIND_PROXY)
    yield from _others(public)


def _keys(public: bool) -> Iterator[Error]:
    if (public or settings.DATABASE_URL) and not settings.OWN_KEYS:
        yield Error("Generated keys are for one machine alone.", "Set CALLBOARD_SECRET_KEY and CALLBOARD_FIELD_KEYS.",
                    id="callboard.E001")
    if len(settings.SECRET_KEY) < 32 or settings.SECRET_KEY.startswith("django-insecure-"):
        yield Error("CALLBOARD_SECRET_KEY must have at least 32 characters and be secret.",
                    "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'", id="callboard.E002")
    if not all(map(_is_field_key, settings.FIELD_KEYS)):
        yield Error("CALLBOARD_FIELD_KEYS holds something that is no Fernet key.",
                    "Make one: python -c 'from cryptography.fernet import Fernet; "
                    "print(Fernet.generate_key().decode())'",
                    id="callboard.E003")


def _openings(public: bool, hosts: set[str], named: bool) -> Iterator[Error]:
    """`named`: browsers use another name than this machine's own for itself."""
    if public and settings.DEBUG:
        yield Error("CALLBOARD_DEBUG is on: debug pages show secrets.",
                    "Switch it off to listen on a public address.", id="callboard.E004")
    if "*" in settings.ALLOWED_HOSTS:
        yield Error("CALLBOARD_ALLOWED_HOSTS may not contain *.", "Name the hosts.", id="callboard.E005")
    if named and not hosts:
        yield Error("No host but loopback is allowed: every other is answered 400.",
                    "Set CALLBOARD_ALLOWED_HOSTS to the names browsers use.", id="callboard.E006")
    if named and not settings.ORIGINS:
        yield Error("Nothing says where browsers come from: sockets and forms would be refused.",
                    "Set CALLBOARD_ORIGINS to the addresses browsers use, for example https://board.example.",
                    id="callboard.E007")
    if settings.BEHIND_PROXY and not all(origin.startswith("https://") for origin in settings.ORIGINS):
        yield Error("Behind a proxy browsers come by https.",
                    "Begin each of CALLBOARD_ORIGINS with https://.", id="callboard.E008")


def _others(public: bool) -> Iterator[Error]:
    if public and settings.DATABASE_URL and not settings.REDIS_URL:
        yield Error("Processes that share a database would not hear of each other's boards.",
                    "With DATABASE_URL on a public address set REDIS_URL, too.", id="callboard.E009")
    if settings.LOG_FORMAT not in ("", *FORMATS):
        yield Error("CALLBOARD_LOG_FORMAT is not known.", "It must be json or line.", id="callboard.E010")
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 16:
        yield Error("CALLBOARD_METRICS_TOKEN can be guessed.", "It must have at least 16 characters.",
                    id="callboard.E011")


    if settings.SECOND_FACTOR not in ("administrators", "offered"):
        yield Error("CALLBOARD_SECOND_FACTOR is not known.", "It must be administrators or offered.",
                    id="callboard.E012")


def _weaknesses() -> Iterator[Warning]:
    """What somebody may have decided to do without."""
    if settings.SECOND_FACTOR == "offered":
        yield Warning("Administrators come in with a password alone.",
                      "Leave CALLBOARD_SECOND_FACTOR away, unless something in front asks for a second factor.",
                      id="callboard.W001")


def _is_field_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True
