"""Canaries: real processes with known secrets, numbers and names go through good and bad days; nothing of it is in the
log or in the metrics, and every line of the log parses (G11, S21, S27, F80)."""

import html
import http.client
import http.cookiejar
import re
import socket
import sqlite3
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from dashboard.management.commands.demo import PASSWORD
from queue_api.simulator import people
from tests.canaries import ANSWER, DATABASE, aviary
from tests.processes import FAST, Callboard, Upstream, furnish, manage, running, until
from tests.supervisors import Supervisor

pytestmark = pytest.mark.processes

NUMBER, NAME, CALLED = "919876512345", "Birdsong Canary", "911140404040"
NEW_SSID, WRONG_PASSWORD, LINK, QUERY = "canary-ssid-renewed", "canary-wrong-word", "canary-link-secret", "canary-query"
for canary in (NEW_SSID, WRONG_PASSWORD, LINK, QUERY):
    aviary.sow(f"of a busy day: {canary[7:]}", canary)
for number in (NUMBER, CALLED):
    aviary.sow("a caller's number", number, DATABASE, ANSWER)
WALL_LINK = "from dashboard.models import Display; from dashboard.pairing import make_link; " \
            "print(make_link(Display.objects.create(name='Hall')))"


class Site(NamedTuple):
    serve: Callboard
    deepcall: Upstream
    asha: Supervisor
    admin: Supervisor
    wall_secret: str

    def secrets(self) -> set[str]:
        kept = {(self.serve.data / name).read_text() for name in ("secret_key", "field_key")}
        cookies = {str(cookie.value) for who in (self.asha, self.admin) for cookie in who.jar}
        return kept | cookies | set(people.BY_SSID) | {
            people.TOKEN, PASSWORD, NEW_SSID, WRONG_PASSWORD, LINK, QUERY, self.wall_secret}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    data = tmp_path_factory.mktemp("callboard")
    deepcall = Upstream(data, "--seed", "3")
    with running(deepcall):
        furnish(data, deepcall.url)
        secret = manage(data, "shell", "-v", "0", "-c", f"{FAST}; {WALL_LINK}").strip()
        serve = Callboard(data)
        with running(serve):
            deepcall.switch(frozen=True)
            yield Site(serve, deepcall, Supervisor(serve.url, "asha"), Supervisor(serve.url, "admin"), secret)


@pytest.fixture(scope="module")
def after_everything(site: Site) -> Site:
    """The site after a day with everything in it."""
    click_on_calls(site)
    hear_of_canaries_from_deepcall(site)
    knock_at_all_doors(site)
    renew_the_session_in_the_admin(site)
    open_sockets(site)
    break_a_view(site)
    return site


def click_on_calls(site: Site) -> None:
    """Taken, refused with DeepCall's words about the call, and no usable answer that repeats what was sent."""
    for call_id, fault in {
        "taken": None,
        "refused": {"code": 1015, "message": f"No right to call {NUMBER} of {people.ASHA.ssid}"},
        "unknown": {"status": 500, "body": f"ssid={people.ASHA.ssid} callernumber=+{NUMBER}"},
    }.items():
        site.deepcall.switch(add_call={
            "call_id": call_id, "caller": NUMBER, "caller_name": NAME, "called_number": CALLED, "queue_id": "301",
            "queue_name": "Support", "state": "talking", "agent_id": "2001", "agent_name": "Meera Iyer"})
        ref = site.asha.ref(call_id)
        if fault:
            site.deepcall.switch(fault={"endpoint": "takeover", "times": 1, **fault})
        told = site.asha.click(ref)
        assert told.cell == {"taken": "accepted"}.get(call_id, call_id), told
    assert NAME in site.asha.get("/")[1]
    assert NUMBER[-10:] in re.sub(r"\D", "", site.asha.row("refused"))  # the canary sings on the screen of who may


def hear_of_canaries_from_deepcall(site: Site) -> None:
    """An answer that is no list, and one that is refused with everything in its words."""
    for fault in ({"status": 502, "body": f"<b>{NUMBER}</b>"},
                  {"code": 1014, "message": f"token {people.TOKEN} ssid={people.FRONT_DESK.ssid} +91 98765 12345"}):
        code = str(fault.get("code", "502"))
        site.deepcall.switch(fault={"endpoint": "list", **fault})
        until(lambda: f"-> failing {code}" in newest_change(site), 15, "the failing feed in the log")  # noqa: B023
        site.deepcall.switch(clear="list")


def newest_change(site: Site) -> str:
    return site.serve.logged("dashboard.poller")[-1].message


def knock_at_all_doors(site: Site) -> None:
    """Wrong passwords, foreign hosts, odd methods, addresses with secrets in them, and a wall's link."""
    stranger, stranger.jar = site.asha.at(site.serve.url), http.cookiejar.CookieJar()
    stranger.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(stranger.jar))
    stranger.get("/accounts/login/")
    assert 'name="password"' in stranger.post("/accounts/login/", username=NUMBER, password=WRONG_PASSWORD)[1]
    for path in (f"/wall/link/{LINK}", f"/wall/link/{site.wall_secret}", f"/{NUMBER}?token={QUERY}", f"/%0d%0a{LINK}",
                 f"/metrics?token={QUERY}", f"/takeover/?call={NUMBER}"):
        site.asha.get(path)
    assert site.asha.click(f"1-{NUMBER}").status == 404
    for method, headers in (("TRACE", {}), ("CANARY", {}), ("GET", {"Host": "elsewhere.example"}),
                            ("POST", {"Cookie": f"sessionid={QUERY}", "Content-Length": "0"})):
        door = http.client.HTTPConnection("127.0.0.1", site.serve.port, timeout=10)
        door.request(method, f"/accounts/login/?token={QUERY}", headers=headers | {"Authorization": f"Bearer {LINK}"})
        assert door.getresponse().status >= 400
        door.close()


def renew_the_session_in_the_admin(site: Site) -> None:
    path = "/admin/queue_api/account/1/change/"
    page = site.admin.get(path)[1]
    fields = {name: html.unescape(value) for name, value in re.findall(
        r'<(?:input|textarea)[^>]* name="([^"]+)"(?:[^>]* value="([^"]*)")?', page)}
    chosen = {found[0]: found[1] for found in re.findall(
        r'<select name="([^"]+)".*?<option value="([^"]*)" selected', page, re.DOTALL)}
    texts = {name: html.unescape(text).strip() for name, text in re.findall(
        r'<textarea[^>]* name="([^"]+)"[^>]*>(.*?)</textarea>', page, re.DOTALL)}
    kept = {name: value for name, value in (fields | texts | chosen).items() if not name.startswith("_")}
    status, answer = site.admin.post(path, **kept | {"ssid": NEW_SSID, "enabled": "on"})
    assert (status, "was changed successfully" in answer) == (200, True), re.findall(r'errorlist.*', answer)
    status, answer = site.admin.post(path, **kept | {"ssid": NEW_SSID, "base_url": f"http://{NUMBER}:x/"})
    assert "errorlist" in answer
    until(lambda: "-> fresh" in newest_change(site), 15, "a fresh feed with the new credentials")


def open_sockets(site: Site) -> None:
    """A supervisor's, a stranger's, one that talks nonsense, and addresses that do not exist."""
    assert opened(site, "/ws/board/", f"sessionid={site.asha.cookie('sessionid')}") == 101
    assert opened(site, "/ws/board/", f"sessionid={QUERY}") == 101
    assert opened(site, "/ws/wall/", f"wall={LINK}") == 101
    for path in (f"/ws/{LINK}/", f"/ws/board/{NUMBER}?token={QUERY}", "/ws"):
        assert opened(site, path, "") != 101


def opened(site: Site, path: str, cookie: str) -> int:
    """The status of a handshake; what is open says something odd and hangs up."""
    with socket.create_connection(("127.0.0.1", site.serve.port), timeout=10) as wire:
        wire.sendall("\r\n".join([
            f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{site.serve.port}", f"Origin: {site.serve.url}",
            "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", f"Cookie: {cookie}", "", ""]).encode())
        status = int(wire.recv(4096).split(b" ", 2)[1])
        if status == 101:
            wire.sendall(b"\x81\x05" + QUERY[:5].encode())  # not masked, as a browser's must be
        return status


def break_a_view(site: Site) -> None:
    """An exception nobody foresaw, with a secret in the address: the wall's table is gone."""
    database = sqlite3.connect(site.serve.data / "callboard.sqlite3", timeout=20)
    database.execute("ALTER TABLE dashboard_display RENAME TO put_aside")
    assert site.asha.get(f"/wall/link/{LINK}?token={QUERY}")[0] == 500
    database.execute("ALTER TABLE put_aside RENAME TO dashboard_display")
    database.close()


def test_every_line_of_the_log_is_a_json_object_and_tells_of_the_day(after_everything: Site) -> None:
    serve = after_everything.serve
    until(lambda: len(serve.logged("callboard.sockets")) >= 4, 10, "the sockets' lines")
    statuses = {line.fields["status"] for line in serve.logged("callboard.access")}
    assert {200, 302, 404, 500} <= statuses
    (failed,) = serve.logged("django.request")
    (host,) = serve.logged("django.security.DisallowedHost")
    assert "elsewhere.example" in host.message
    assert "exception" not in host.fields
    assert "no such table" in failed.fields["exception"]
    assert [line.fields["code"] for line in serve.logged("callboard.sockets") if "code" in line.fields].count(4401) == 1
    assert any("now accepted" in line.message for line in serve.logged("dashboard.takeover"))


def test_no_secret_no_name_and_no_whole_number_is_in_the_log(after_everything: Site) -> None:
    log = after_everything.serve.log.read_text()
    assert not {secret for secret in after_everything.secrets() if secret in log}
    assert NAME not in log
    assert not re.search("98765[ -]?12345", log)
    assert CALLED[2:] not in log


def test_nor_in_the_metrics_which_tell_of_the_day_in_numbers(after_everything: Site) -> None:
    text = after_everything.asha.get("/metrics")[1]
    assert not {secret for secret in after_everything.secrets() if secret in text}
    assert not [name for name in (NAME, NUMBER, "Northgate", "Asha", "asha") if name in text]
    for sample in ('callboard_takeovers_total{outcome="accepted"} 1.0',
                   'callboard_takeovers_total{outcome="unknown"} 1.0', 'callboard_polls_total{account="1",code="1014"}',
                   'callboard_sockets_refused_total{reason="path"} 3.0',
                   'callboard_http_requests_total{status="5xx"} 1.0', 'callboard_sockets_closed_total{code="4401"} 1.0',
                   'callboard_poller_leads{account="1"} 1.0'):
        assert sample in text, text


def test_the_simulator_never_had_the_whole_log_to_itself(after_everything: Site) -> None:
    """What `simulate` prints is a log as well."""
    log = after_everything.deepcall.log.read_text()
    assert not {secret for secret in after_everything.secrets() if secret in log}
    assert NUMBER not in log
