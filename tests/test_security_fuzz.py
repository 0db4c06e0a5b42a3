"""F87: odd requests at every address, by every role: never a 5xx, never what is not theirs.

The generator is one seed: a failure names the request, and the same seed makes it again (CALLBOARD_SEED).
"""

import copy
import os
import random
from typing import Any, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from dashboard.models import AuditEvent, TakeoverAttempt
from queue_api.errors import NoUsableAnswer
from queue_api.models import Account
from tests.doors import ROLES, Site, build_site, hidden_from, routes

HERE = "http://testserver/"
REQUESTS = 20_000 if os.environ.get("CALLBOARD_LONG") else 2_000
OURS = [route for route in routes() if not route.startswith("admin/")]
METHODS = ["GET"] * 8 + ["POST"] * 8 + ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get", "\u017fOS"]
ODD = [
    "", "0", "-1", "1", "1.5", "1e999", "NaN", "9" * 30, "9" * 5000, "x" * 10_000, "\0", "a\0b", "\r\nX-Evil: 1",
    "\ud7ff", "\uffff", "\u202e", "😀" * 50, "%", "%00", "%zz", "%c0%ae", "../../etc/passwd", "..\\..", "'", '"',
    "' OR 1=1 --", "<script>alert(1)</script>", "{{7*7}}", "{% debug %}", "${7*7}", "[]", "{}", '{"a":', "null", "true",
    "__class__", "pk__in", "2026-13-45", "0000-00-00", "9999-12-31", "٣", "\x7f", "\x1b[31m", "//evil.example", "http://[",
    "https://evil.example/", "javascript:alert(1)", "id", "-id", "1,2,3", "all", "on", "_popup", "moved",
]
NAMES = [
    "call", "key", "attempt", "verdict", "seat", "ssid", "preference", "arm_first", "username", "password", "next", "q",
    "p", "o", "e", "all", "_popup", "_to_field", "action", "_selected_action", "index", "select_across", "post",
    "kind", "code", "at__year", "at__month", "at__day", "at__gte", "created_at__gte", "created_at__year", "state",
    "account_name", "attempt_id", "account__id__exact", "enabled__exact", "password__startswith", "id__in", "pk",
    "name", "queues", "base_url", "token", "user_id", "poll_interval_s", "list_request", "field_names", "time_zone",
    "here", "app_label", "model_name", "field_name", "term", "csrfmiddlewaretoken", "_changelist_filters", "_save",
    "language", "seats-TOTAL_FORMS", "seats-INITIAL_FORMS", "seats-0-account", "form-TOTAL_FORMS", "is_superuser",
    "password1", "day", "per",
]
HEADERS = [
    "HTTP_HX_REQUEST", "HTTP_ACCEPT_LANGUAGE", "HTTP_COOKIE", "HTTP_REFERER", "HTTP_ORIGIN", "HTTP_X_FORWARDED_FOR",
    "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REQUEST_ID", "HTTP_AUTHORIZATION", "HTTP_RANGE", "HTTP_HOST",
    "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_SEC_FETCH_SITE", "HTTP_X_CSRFTOKEN", "CONTENT_TYPE",
    "HTTP_HX_CURRENT_URL", "HTTP_HX_TARGET", "HTTP_CONTENT_ENCODING", "HTTP_TRANSFER_ENCODING", "HTTP_USER_AGENT",
]
TYPES = ["application/x-www-form-urlencoded", "application/json", "multipart/form-data", "text/xml", "", "x/\u00e4",
         "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "x" * 300,
         "application/x-www-form-urlencoded; charset=utf-7", "application/x-www-form-urlencoded; charset=nonsense"]
BODIES = [b"", b"\xff\xfe", b"{", b"[" * 5000, b"--x\r\n", b"&" * 999, b"a=1&" * 2000,
          b"--x\r\nContent-Disposition: form-data; name=call\r\n\r\n1\r\n--x--",
          b"--x\r\nContent-Disposition: form-data; name=f; filename=\"../x\"\r\n\r\nx\r\n--x--",
          b"=&=&==", b"call=%ff%fe", b"call=%00", b"a" * 100_000]


class Odd(NamedTuple):
    role: str
    method: str
    path: str
    body: bytes
    kind: str
    headers: dict[str, str]


def generated(dice: random.Random, site: Site, known: list[str]) -> Odd:
    path = site.path(dice.choice(known if dice.random() < 0.5 else OURS))
    if dice.random() < 0.2:
        parts = path.split("/")
        parts[dice.randrange(len(parts))] = dice.choice(ODD)
        path = "/" + "/".join(parts).lstrip("/")
    values = [*ODD, *site.refs.values(), str(site.attempt.pk), "0" * 32]
    pairs = {dice.choice(NAMES): dice.choice(values) for _ in range(dice.randrange(5))}
    query = {dice.choice(NAMES): dice.choice(values) for _ in range(dice.choice([0, 0, 1, 2]))}
    kind = dice.choice(TYPES) if dice.random() < 0.4 else TYPES[0]
    body = dice.choice(BODIES) if dice.random() < 0.3 else encoded(pairs)
    headers = {dice.choice(HEADERS): header(dice.choice(ODD)) for _ in range(dice.choice([0, 0, 0, 1, 2]))}
    return Odd(dice.choice(ROLES), dice.choice(METHODS), path + ("?" + encoded(query).decode() if query else ""), body,
               kind, headers)


def encoded(pairs: dict[str, str]) -> bytes:
    return urlencode(pairs, errors="replace").encode()


def header(text: str) -> str:
    """As a server would pass it on: without line ends, in Latin-1."""
    kept = "".join(character for character in text if character not in "\r\n\0")
    return kept.encode("utf-8", "replace").decode("latin-1")[:8000]


@pytest.fixture
def site(db: None, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Nothing is asked of DeepCall: here it is about what comes in, and each wait would take its time."""
    monkeypatch.setattr("dashboard.asking._post", refused)
    return build_site()


async def refused(*_args: Any, **_more: Any) -> Any:
    return NoUsableAnswer("takeover", message="not asked in this test")


def send(client: Client, odd: Odd) -> Any:
    path, _, query = odd.path.partition("?")
    return client.generic(odd.method, path, odd.body, odd.kind, **(odd.headers | {"QUERY_STRING": query}))  # type: ignore[arg-type]


@pytest.mark.parametrize("share", range(4))
def test_f87_odd_requests_never_break_anything_and_never_tell_anything(site: Site, share: int) -> None:
    seed = f"{os.environ.get('CALLBOARD_SEED', '2026')}-{share}"
    dice, known = random.Random(seed), routes()
    statuses: set[int] = set()
    for number in range(REQUESTS // 4):
        odd = generated(dice, site, known)
        if "/inspect/" in odd.path or "_test" in odd.path:
            continue
        savepoint, cookies = transaction.savepoint(), copy.deepcopy(site.clients[odd.role].cookies)
        answer = send(site.clients[odd.role], odd)
        text = b"".join(answer) if answer.streaming else answer.content
        transaction.savepoint_rollback(savepoint)
        site.clients[odd.role].cookies = cookies  # whoever signed out is there again
        told = {word for word in hidden_from(odd.role) if word.encode() in text}
        assert answer.status_code < 500 or odd.path.startswith("/readyz"), (seed, number, odd)
        assert told == set(), (seed, number, odd)
        assert b"Traceback" not in text, (seed, number, odd)
        assert "X-Evil" not in answer, (seed, number, odd)
        assert urlsplit(urljoin(HERE, answer.get("Location", ""))).netloc == "testserver", (seed, number, odd)
        statuses.add(answer.status_code)
    assert {200, 302, 403, 404, 405} <= statuses, "they come through to the pages"
    assert User.objects.filter(is_superuser=True).count() == 1
    assert (Account.objects.count(), TakeoverAttempt.objects.count(), AuditEvent.objects.count()) == (2, 1, 1)
    assert connection.is_usable()
