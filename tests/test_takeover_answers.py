"""What DeepCall may do with a takeover, line by line through the view against a real socket: its class, its words.

The lines are those of the takeover model: what proves that nothing was sent, what DeepCall said, and what leaves the
outcome unknown. Only 1501 and the first of them are ever asked again.
"""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from dashboard import asking
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.takeover_states import CELLS, State
from queue_api import client as queue_client
from queue_api import tries
from queue_api.client import QueueClient
from queue_api.models import Account
from tests.peer import Step, answer, close, cut, drip, endless, hang, reset, self_signed
from tests.processes import free_port
from tests.takeovers import SUCCESS, beside, click, error, live, show, signed_in

pytestmark = pytest.mark.django_db
BOM = b"\xef\xbb\xbf"


@pytest.fixture(autouse=True)
def _impatient(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines in the product's proportions, but short."""
    settings.ALLOW_PRIVATE_UPSTREAM = True
    monkeypatch.setattr(tries, "BUSY_WAITS_S", (0.01, 0.01))
    monkeypatch.setitem(QueueClient.__init__.__kwdefaults__ or {}, "takeover_deadline_s", 0.6)
    monkeypatch.setattr(queue_client, "CONNECT_S", 0.15)


def plain(status: int, body: bytes = b"{}", **headers: str) -> Step:
    return answer(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


LINES: dict[str, tuple[list[Step], str, str, int]] = {  # what DeepCall does: script, state, code, posts
    "success": ([SUCCESS], State.ACCEPTED, "", 1),
    "success without words": ([answer({"status": "success"})], State.ACCEPTED, "", 1),
    "1501 for ever": ([error(1501)], State.BUSY, "1501", 3),
    "1501, then success": ([error(1501), SUCCESS], State.ACCEPTED, "", 2),
    "1501 twice, then success": ([error(1501), error(1501), SUCCESS], State.ACCEPTED, "", 3),
    "1501, then 1000": ([error(1501), error(1000)], State.UNKNOWN, "1000", 2),
    "1501, then another refusal": ([error(1501), error(1015)], State.REFUSED, "1015", 2),
    "1501, then silence": ([error(1501), hang], State.UNKNOWN, "", 2),
    "1000": ([error(1000, "Live call not found or invalid")], State.REFUSED, "1000", 1),
    "1502": ([error(1502)], State.REFUSED, "1502", 1),
    **{f"{code}": ([error(code)], State.UNKNOWN, str(code), 1) for code in (1009, 1010, 1032)},
    **{f"{code}": ([error(code)], State.REFUSED, str(code), 1)
       for code in (1001, 1002, 1014, 1015, 1020, 1039, 1043, 1047, 4711)},
    "a code as text": ([error("1043")], State.REFUSED, "1043", 1),
    **{f"HTTP {status}": ([plain(status)], State.REFUSED, str(status), 1)
       for status in (401, 403, 404, 405, 413, 415, 422, 429)},
    **{f"HTTP {status}": ([plain(status, b"<html>")], State.UNKNOWN, str(status), 1)
       for status in (201, 204, 400, 408, 409, 500, 502, 503, 504)},
    **{f"HTTP {status}": ([plain(status, Location="http://169.254.169.254/")], State.UNKNOWN, str(status), 1)
       for status in (301, 302, 307)},
    "hangs up": ([close], State.UNKNOWN, "", 1),
    "resets": ([reset], State.UNKNOWN, "", 1),
    "cut in the middle": ([cut(b'{"status":"success"}')], State.UNKNOWN, "", 1),
    "silence": ([hang], State.UNKNOWN, "", 1),
    "a byte now and then": ([drip(0.05)], State.UNKNOWN, "", 1),
    "without end": ([endless], State.UNKNOWN, "", 1),
    "too large": ([plain(200, b'{"status":"success","message":"' + b"x" * 70_000 + b'"}')], State.UNKNOWN, "", 1),
    "packed": ([plain(200, b"\x1f\x8b", Content_Encoding="gzip")], State.UNKNOWN, "", 1),
    **{f"body {body[:24]!r}": ([plain(200, body)], State.UNKNOWN, "", 1) for body in (
        b"", b"[]", b"null", b'"success"', b"<html>fine</html>", b"\xff\xfe", BOM + b'{"status":"success"}',
        b'{"status":"Success"}', b'{"status":"success","status":"error"}', b'{"status":"success","x":NaN}',
        b'{"status":"success","x":1e999}', b'{"status":"error","message":"no code"}', b'{"status":true}',
        b'{"code":0}', b"[" * 10_000, b'{"status":"error","code":' + b"9" * 5_000 + b"}")},
}


@pytest.mark.parametrize("line", LINES)
def test_each_line_is_classed_recorded_and_shown_and_never_asked_again_but_for_1501(
    supervisor: User, account: Account, line: str
) -> None:
    script, state, code, posts = LINES[line]
    with beside(*script) as deepcall:
        response = ask(supervisor, account, deepcall.url)
        assert len(deepcall.journal) == posts
    attempt, said = TakeoverAttempt.objects.get(), response.content.decode()
    assert (attempt.state, attempt.code, attempt.tries) == (state, code, posts)
    assert response.status_code == (202 if state == State.UNKNOWN else 200)
    assert f'data-takeover="{CELLS[state]}"' in said
    assert (f'data-code="{code}"' in said) == bool(code)
    assert ('aria-disabled="true"' in said) == attempt.is_open == (state in (State.UNKNOWN, State.ACCEPTED))
    outcome = AuditEvent.objects.latest("seq")
    assert (outcome.kind, len(outcome.detail["tries"])) == (f"takeover.{state}", posts)
    assert outcome.detail["tries"][-1]["code"] == code
    assert all(one["ms"] >= 0 for one in outcome.detail["tries"])


def ask(supervisor: User, account: Account, url: str) -> Any:
    account.base_url = url
    account.save()
    return click(signed_in(supervisor), show(account, live()))


# ── nothing was sent ───────────────────────────────────────────────────────────────────────────────
@contextlib.contextmanager
def deaf() -> Iterator[str]:
    """A port whose queue of connections is full: who connects waits for ever."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for one in waiting:
            one.close()


def refusing() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(f"http://127.0.0.1:{free_port()}")


def nowhere() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext("http://no-such-host.invalid")


@pytest.mark.parametrize("where", [refusing, deaf, nowhere])
def test_without_a_connection_it_is_tried_once_more_and_said_that_nothing_was_sent(
    supervisor: User, account: Account, where: Any
) -> None:
    with where() as url:
        response = ask(supervisor, account, url)
    attempt, said = TakeoverAttempt.objects.get(), response.content.decode()
    assert (response.status_code, attempt.state, attempt.reason) == (200, State.NOT_SENT, "no-connection")
    assert attempt.tries == len(AuditEvent.objects.latest("seq").detail["tries"]) == 2
    assert "Nothing was sent" in said
    assert 'aria-disabled="true"' not in said


def test_who_cannot_prove_who_they_are_gets_nothing_and_is_not_tried_again(
    supervisor: User, account: Account, tmp_path: Path
) -> None:
    with beside(SUCCESS, tls=self_signed(tmp_path)) as deepcall:
        response = ask(supervisor, account, deepcall.url)
        assert deepcall.journal == []
    attempt = TakeoverAttempt.objects.get()
    assert (response.status_code, attempt.state, attempt.tries) == (200, State.NOT_SENT, 1)
    assert "could not prove who it is" in attempt.message


def test_a_server_that_was_held_up_before_asking_does_not_ask_any_more(
    supervisor: User, account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.asking.SEND_WITHIN_S", -1)
    with beside(SUCCESS) as deepcall:
        ask(supervisor, account, deepcall.url)
        assert deepcall.journal == []
    assert TakeoverAttempt.objects.get().state == State.NOT_SENT


# ── an answer that comes too late ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("meanwhile", "ends", "line"), [
    (State.UNKNOWN, State.REFUSED, "takeover.refused"),  # by age: an answer still counts
    (State.CONFIRMED, State.CONFIRMED, "takeover.late-answer"),  # by a list: what came is only recorded
])
def test_an_answer_that_was_overtaken_is_on_record(
    supervisor: User, account: Account, monkeypatch: pytest.MonkeyPatch, meanwhile: str, ends: str, line: str
) -> None:
    really_ask = asking._ask

    def overtaken(*args: Any) -> Any:
        outcome = really_ask(*args)
        TakeoverAttempt.objects.update(state=meanwhile, is_open=meanwhile == State.UNKNOWN)
        return outcome

    monkeypatch.setattr(asking, "_ask", overtaken)
    with beside(error(1000)) as deepcall:
        ask(supervisor, account, deepcall.url)
    assert TakeoverAttempt.objects.get().state == ends
    last = AuditEvent.objects.latest("seq")
    assert (last.kind, last.detail["code"], last.detail["event"]) == (line, "1000", "refusal")
