"""One event, one line: as JSON that always parses, whatever is logged by whomever, or as text for a terminal."""

import errno
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest

from config import logs
from config.logs import LINE_LIMIT, Context, Json, Line, Stderr, concerns, configuration, current

NUMBER = "+919876543210"


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(out: io.StringIO) -> Iterator[logging.Logger]:
    """A logger that writes JSON to `out`, as the product's handler does."""
    logger, handler = logging.getLogger("tests.logs"), Stderr(out)
    handler.setFormatter(Json())
    logger.addHandler(handler)
    logger.propagate = False
    yield logger
    logger.removeHandler(handler)
    logger.propagate = True


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """Each line parsed; none is longer than it may be, and none holds anything but printable ASCII."""
    texts = out.getvalue().splitlines()
    assert all(len(text) <= LINE_LIMIT and text.isascii() and text.isprintable() for text in texts)
    return [json.loads(text) for text in texts]


def fail(sentence: str) -> None:
    raise ValueError(sentence)


def direct(log: logging.Logger, text: str, *args: object, error: BaseException | None = None, **more: Any) -> None:
    """To our handler alone: pytest's own would raise, or send on what its workers cannot read."""
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(log.name, logging.WARNING, "", 0, text, args, exc_info)
    vars(record).update(more)
    log.handlers[0].handle(record)


def test_a_line_says_when_how_bad_who_and_what(log: logging.Logger, out: io.StringIO) -> None:
    log.warning("feed %s: %s", "Northgate", "late")
    (line,) = lines(out)
    assert line.pop("ts").endswith("Z")
    assert line == {"level": "WARNING", "logger": "tests.logs", "message": "feed Northgate: late"}


@pytest.mark.parametrize("odd", [
    "a\r\nb", "\x1b[31mred\x1b[0m", "\u202eevil", "\x00", "a" * 1_000_000, "é" * 1_000_000, "😀" * 100_000, "\ud800",
    '"}\n{"level":"INFO"', "%s %d %", "\u2028",
], ids=range(11))
def test_f82_whatever_is_logged_makes_one_line_that_parses(log: logging.Logger, out: io.StringIO, odd: str) -> None:
    direct(log, "said: %s", odd, fields={"object": odd})
    direct(log, odd)
    try:
        fail(odd)
    except ValueError as error:
        direct(log, "failed with %s", odd, error=error)
    assert [line["level"] for line in lines(out)] == ["WARNING"] * 3
    assert "ValueError" in lines(out)[2]["exception"]


def test_an_exception_is_one_string_with_its_end_and_without_numbers_and_secrets(
    log: logging.Logger, out: io.StringIO
) -> None:
    try:
        fail(f"{NUMBER} with ssid=abc-canary" + " and more" * 2000 + " the end")
    except ValueError:
        log.exception("it went wrong")
    exception = lines(out)[0]["exception"]
    assert exception.startswith("Traceback (most recent call last):\n")
    assert exception.endswith("the end")
    assert "98765" not in exception
    assert "abc-canary" not in exception
    assert len(exception) < 8100


def test_numbers_and_secrets_are_hidden_in_arguments_too(log: logging.Logger, out: io.StringIO) -> None:
    log.info("body %s of %s", {"ssid": "abc-canary", "callernumber": NUMBER}, NUMBER)
    assert lines(out)[0]["message"] == "body {'ssid': •••, 'callernumber': '•••210'} of •••210"


def test_a_wrong_call_of_a_logger_costs_neither_the_line_nor_prints_by_itself(
    log: logging.Logger, out: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    for text, argument in (("%d calls of %s", "no number"), ("%s", Untellable())):
        direct(log, text, argument)
    assert [line["message"] for line in lines(out)] == [
        "%d calls of %s (TypeError in the arguments)", "%s (RuntimeError in the arguments)"]
    assert capsys.readouterr().err == ""


class Untellable:
    def __str__(self) -> str:
        raise RuntimeError("ssid=canary")


def test_a_line_that_cannot_be_made_is_said_to_be_lost(
    log: logging.Logger, out: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log.warning("no JSON", extra={"fields": {"object": {"a", "set"}}})
    assert lines(out)[0]["message"] == "a line of tests.logs was lost: TypeError"
    assert capsys.readouterr().err == ""


# ── the request a line belongs to ──────────────────────────────────────────────────────────────────
@pytest.fixture
def within() -> Iterator[Callable[[Context], None]]:
    """Enters a request's context until the test is over."""
    token = current.set(None)
    yield lambda context: (current.set(context), None)[1]
    current.reset(token)


def test_a_line_within_a_request_carries_its_number_who_asked_and_what_it_is_about(
    log: logging.Logger, out: io.StringIO, within: Callable[[Context], None]
) -> None:
    log.info("before")
    within(Context("abcdef0123456789", actor=lambda: 7))
    log.info("first")
    concerns("takeover 17")
    log.info("then")
    before, first, then = lines(out)
    assert "request_id" not in before
    assert (first["request_id"], first["actor"], first.get("object")) == ("abcdef0123456789", 7, None)
    assert then["object"] == "takeover 17"


def test_djangos_own_lines_name_the_route_and_not_the_address(
    log: logging.Logger, out: io.StringIO, within: Callable[[Context], None]
) -> None:
    request = HttpRequest()
    request.path = "/wall/join/canary-token-of-a-wall"
    within(Context("abcdef0123456789", route=lambda: "wall/join/<str:secret>", path=request.path))
    try:
        fail(f"cannot show {request.path}")
    except ValueError:
        log.exception("Internal Server Error: %s", request.path, extra={"request": request, "status_code": 500})
    (line,) = lines(out)
    assert line["message"] == "Internal Server Error: /wall/join/<str:secret>"
    assert "canary" not in json.dumps(line)


# ── for people ─────────────────────────────────────────────────────────────────────────────────────
def test_at_a_terminal_a_line_is_text_and_as_clean(out: io.StringIO, log: logging.Logger) -> None:
    log.handlers[0].setFormatter(Line())
    try:
        fail("no\nanswer")
    except ValueError:
        log.exception("called %s\x1b[2J\n", NUMBER, extra={"fields": {"code": 4401}})
    first, *trace = out.getvalue().splitlines()
    assert first.split(" ", 1)[1] == "ERROR tests.logs called •••210\\x1b[2J\\n code=4401"
    assert trace[0] == "Traceback (most recent call last):"
    assert trace[-2:] == ["ValueError: no", "answer"]


@pytest.mark.parametrize(("form", "chosen"), [("json", "json"), ("line", "line"), ("", "line"), ("nonsense", "line")])
def test_every_handler_cleans_whatever_format_is_asked_for(form: str, chosen: str) -> None:
    made = configuration(form)
    assert made["handlers"]["stderr"]["formatter"] == chosen
    assert list(made["handlers"]) == ["stderr"]
    assert all(not rules.get("handlers") for rules in made["loggers"].values())


# ── what nobody caught ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, out: io.StringIO) -> Iterator[io.StringIO]:
    """What a server's process writes, its hooks included; everything is as before afterwards."""
    hooks = {(sys, "excepthook"), (threading, "excepthook"), (sys, "unraisablehook")}
    for module, name in hooks:
        monkeypatch.setattr(module, name, getattr(module, name))
    handler, root = Stderr(out), logging.getLogger()
    root.addHandler(handler)
    logs.for_a_server("json")
    yield out
    logging.captureWarnings(False)
    root.removeHandler(handler)
    for other in root.handlers:
        if isinstance(other, Stderr):
            other.setFormatter(Line())


def test_what_nobody_caught_is_a_line_as_well(server: io.StringIO) -> None:
    thread = threading.Thread(target=fail, args=(f"in a thread {NUMBER}",), name="worker")
    thread.start()
    thread.join(5)
    try:
        fail(f"at the end {NUMBER}")
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old {NUMBER}", UserWarning, stacklevel=1)
    in_thread, at_end, warned = lines(server)
    assert in_thread["message"] == "nobody caught an exception in thread worker"
    assert "in a thread •••210" in in_thread["exception"]
    assert (at_end["level"], "at the end •••210" in at_end["exception"]) == ("CRITICAL", True)
    assert (warned["logger"], "old •••210" in warned["message"]) == ("py.warnings", True)


class Pipe(io.StringIO):
    """A stream that refuses what it is given while `error` is set; flushing what it holds fails, too."""

    error: OSError | None = None

    def write(self, text: str) -> int:
        if self.error:
            raise self.error
        return super().write(text)

    def flush(self) -> None:
        if self.error:
            raise self.error


def on_pipe() -> tuple[logging.Logger, Pipe]:
    pipe = Pipe()
    logger, handler = logging.Logger("tests.pipe"), Stderr(pipe)
    handler.setFormatter(Json())
    logger.addHandler(handler)
    return logger, pipe


def test_when_nobody_reads_the_log_any_more_what_is_logged_raises_nothing() -> None:
    logger, pipe = on_pipe()
    pipe.error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    logger.warning("one")
    logger.warning("two")
    (handler,) = logger.handlers
    assert isinstance(handler, Stderr)
    assert handler.stream is not pipe
    handler.stream.close()


def test_a_disk_that_was_full_for_a_moment_costs_the_lines_of_that_moment_alone() -> None:
    logger, pipe = on_pipe()
    pipe.error = OSError(errno.ENOSPC, "No space left on device")
    logger.warning("lost")
    pipe.error = None
    logger.warning("kept")
    assert json.loads(pipe.getvalue().splitlines()[-1])["message"] == "kept"
