"""S03-S05, S13, S31: what every answer carries, over all addresses; which methods there are, and which act."""

import io
from http import HTTPStatus
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from pytest_django import Settings

from dashboard.answer_headers import ALWAYS, METHODS, bare, raw
from tests.conftest import PASSWORD
from tests.doors import DOORS, Site, build_site, kind_of, routes

POLICY = {"default-src 'none'", "script-src 'self'", "style-src 'self'", "font-src 'self'", "img-src 'self' data:",
          "connect-src 'self'", "form-action 'self'", "base-uri 'none'", "object-src 'none'", "frame-ancestors 'none'"}
WALLS = DOORS["wall"]
ELSEWHERE = ("/.git/config", "/.env", "/no/such/page", "/static/board/base.css", "/static/vendor/no-such.js",
             "/static/../config/settings.py")


@pytest.fixture
def site(db: None) -> Site:
    return build_site()


def wrong(response: Any, path: str) -> list[str]:
    """What an answer lacks or should not have."""
    found = []
    policy = {part.strip() for part in response.headers.get("Content-Security-Policy", "").split(";")}
    if policy != POLICY:
        found.append(f"policy {policy ^ POLICY}")
    expected = ALWAYS | {"Referrer-Policy": "no-referrer"} if path.startswith("/wall/") else ALWAYS
    for name, value in expected.items():
        said = response.headers.get(name, "")
        fits = value in said if name == "Cache-Control" else said == value
        if not fits and not (name == "Cache-Control" and path.startswith("/static/")):
            found.append(f"{name}: {said or 'missing'}")
    found += [name for name in ("Server", "X-Powered-By") if name in response.headers]
    return found


# ── headers ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("role", ["anonymous", "supervisor", "wall", "administrator"])
def test_s04_s05_every_address_says_the_same_to_the_browser(site: Site, role: str) -> None:
    paths = [*map(site.path, routes()), *ELSEWHERE]
    answers = {path: site.clients[role].get(path) for path in paths if "/inspect/" not in path}
    bad = {path: problems for path, answer in answers.items() if (problems := wrong(answer, path))}
    assert bad == {}
    assert {200, 302, 404, 405} <= {answer.status_code for answer in answers.values()}


def test_s04_s05_errors_say_it_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise RuntimeError("a bug")

    client = site.clients["supervisor"]
    strict = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.7")
    answers = {400: client.get("/", headers={"Host": "evil.example"}), 403: strict.post("/takeover/", {"call": "1-x"}),
               405: client.get("/takeover/"), 404: client.get("/nothing/")}
    monkeypatch.setattr("dashboard.views.viewer_of", broken)
    answers[500] = client.get("/")
    assert {status: answer.status_code for status, answer in answers.items()} == {
        status: status for status in answers}
    assert {status: problems for status, answer in answers.items() if (problems := wrong(answer, "/"))} == {}
    assert b"a bug" not in answers[500].content


def test_s05_answers_that_django_never_sees_carry_all_of_it(settings: Settings) -> None:
    settings.BEHIND_PROXY, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    lines = raw(HTTPStatus.REQUEST_ENTITY_TOO_LARGE).decode().split("\r\n")
    assert lines[0].startswith("HTTP/1.1 413 ")
    assert set(lines) >= {f"{name}: {value}" for name, value in bare().items()}
    assert bare()["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
    assert set(ALWAYS) < set(bare())


def test_s05_behind_a_proxy_plain_http_is_sent_to_https_and_kept_there(site: Site, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS, settings.SECURE_PROXY_SSL_HEADER = True, (
        "HTTP_X_FORWARDED_PROTO", "https")
    client = Client()
    assert client.get("/accounts/login/")["Location"] == "https://testserver/accounts/login/"
    safe = client.get("/accounts/login/", headers={"X-Forwarded-Proto": "https"})
    assert safe["Strict-Transport-Security"].startswith("max-age=31536000")


def test_s04_no_policy_anywhere_allows_what_is_unsafe(settings: Settings) -> None:
    assert "unsafe" not in str(configured.CONTENT_SECURITY_POLICY)
    assert "*" not in str(configured.CONTENT_SECURITY_POLICY)


# ── cookies ────────────────────────────────────────────────────────────────────────────────────────
def test_s03_signing_in_sets_a_cookie_that_no_script_reads(db: None) -> None:
    User.objects.create_superuser("dev")
    User.objects.create_user("sita", password=PASSWORD)
    client = Client()
    assert client.post("/accounts/login/", {"username": "sita", "password": PASSWORD}).status_code == 302
    session, token = client.cookies["sessionid"], client.cookies["csrftoken"]
    assert (session["httponly"], session["samesite"], session["path"], session["domain"]) == (True, "Lax", "/", "")
    assert (token["httponly"], token["samesite"]) == ("", "Lax")  # the page reads it at the moment of the click


# ── methods ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PUT", "DELETE", "X" * 40])
def test_s31_a_method_that_nobody_serves_is_refused_at_every_address(site: Site, method: str) -> None:
    for path in map(site.path, routes()):
        answer = site.clients["administrator"].generic(method, path, b"call=1", "application/x-www-form-urlencoded")
        assert (answer.status_code, answer["Allow"]) == (405, ", ".join(METHODS)), path
        assert wrong(answer, "/") == []


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_s13_reading_changes_nothing_in_the_database(site: Site, method: str) -> None:
    before = dump()
    for role in ("supervisor", "administrator"):
        for route in routes():
            if "inspect" in route or kind_of(route) == "wall":  # asks DeepCall; a screen may begin to wait
                continue
            query = {"call": site.refs["Sales"], "key": "0" * 32, "attempt": str(site.attempt.pk), "verdict": "moved",
                     "action": "delete_selected", "post": "yes", "_selected_action": "1"}
            answer = getattr(site.clients[role], method)(site.path(route), query_params=query)
            assert answer.status_code < 500 or route == "readyz", route
    assert dump() == before


def dump() -> str:
    """All of the database but what a session's use itself changes."""
    out = io.StringIO()
    call_command("dumpdata", exclude=["sessions"], stdout=out)
    return f"{out.getvalue()} {Session.objects.count()}"


@pytest.mark.parametrize("path", ["/takeover/", "/takeover/verdict/", "/reveal/", "/me/", "/accounts/logout/",
                                  "/accounts/login/", "/admin/queue_api/account/add/", "/setup/"])
def test_s13_a_form_from_elsewhere_is_refused(site: Site, path: str) -> None:
    browser = Client(enforce_csrf_checks=True, REMOTE_ADDR="192.0.2.7")
    browser.cookies = site.clients["administrator"].cookies
    answer = browser.post(path, {"call": site.refs["Sales"]}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert not browser.get("/").has_header("Location"), "still signed in"


# ── files that are none of anybody's business ──────────────────────────────────────────────────────
@pytest.mark.parametrize("path", [
    "/.git/HEAD", "/.git/config", "/.env", "/.env.local", "/.ci/run", "/var/secret_key", "/config/settings.py",
    "/manage.py", "/static/.git/HEAD", "/static/../manage.py", "/static/%2e%2e/manage.py", "/static/board/",
    "/pyproject.toml", "/requirements/base.txt", "/admin/.env", "/callboard.sqlite3"])
def test_s31_files_beside_the_product_are_not_there(site: Site, path: str) -> None:
    for role in ("anonymous", "supervisor"):
        answer = site.clients[role].get(path)
        assert answer.status_code in (404, 302 if path.startswith("/admin/") else 404), role
        assert b"DJANGO" not in answer.content
