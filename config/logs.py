"""How this process speaks to whoever runs it: one line per event, as JSON for a collector or as text for a terminal.

    record ──> Context (who asked, which request) ──> message ──> redaction.clean ──> one line on stderr

Every line passes the same redaction, whatever logger it comes from: docs/decisions/011-metrics-and-logs.md.
"""

import errno
import json
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from config.redaction import clean

LINE_LIMIT = 16 * 1024
MESSAGE_LIMIT, EXCEPTION_LIMIT = 4000, 8000
FORMATS = ("json", "line")
NOBODY_READS = {errno.EPIPE, errno.EBADF}  # for good; a disk that is full may have room again

logger = logging.getLogger("callboard")


class Context:
    """What is known of the request that is being answered: every line written meanwhile says it, too."""

    def __init__(self, request_id: str, actor: Callable[[], int | None] = lambda: None,
                 route: Callable[[], str] = lambda: "", path: str = "") -> None:
        self.request_id, self.actor, self.route, self.path = request_id, actor, route, path
        self.object = ""


current: ContextVar[Context | None] = ContextVar("callboard_request", default=None)


def concerns(what: str) -> None:
    """From here on the request is about `what`, for example "takeover 17"."""
    if (context := current.get()) is not None:
        context.object = what


class Line(logging.Formatter):
    """For people at a terminal: the time, what happened, then what else is known; a traceback keeps its lines."""

    def format(self, record: logging.LogRecord) -> str:
        parts = dict(_parts(record, MESSAGE_LIMIT))
        exception = parts.pop("exception", "")
        said = [str(parts.pop(name)) for name in ("ts", "level", "logger", "message")]
        more = [f"{name}={value}" for name, value in parts.items()]
        return " ".join([*said, *more]) + (f"\n{exception}" if exception else "")


class Json(logging.Formatter):
    """For a collector: one JSON object, ASCII alone, at most LINE_LIMIT bytes."""

    def format(self, record: logging.LogRecord) -> str:
        limit = MESSAGE_LIMIT
        while len(line := json.dumps(_parts(record, limit))) > LINE_LIMIT and limit > 100:
            limit //= 2
        return line


def _parts(record: logging.LogRecord, limit: int) -> dict[str, Any]:
    """The line by name. `limit`: characters of the message; an exception may have twice as many."""
    context = current.get()
    fields: dict[str, Any] = getattr(record, "fields", {})
    known = {"request_id": context.request_id, "actor": context.actor(), "object": context.object} if context else {}
    parts = {
        "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname, "logger": record.name,
        "message": clean(_without_path(_message(record), record, context), limit),
        **{name: value for name, value in (known | fields).items() if value not in (None, "")},
    }
    if record.exc_info and record.exc_info[0] is not None:
        told = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        parts["exception"] = clean(_without_path(told, record, context), 2 * limit, lines=True)
    elif record.exc_text or record.stack_info:
        parts["exception"] = clean(record.exc_text or record.stack_info or "", 2 * limit, lines=True)
    return {name: clean(value, 200) if isinstance(value, str) and name in fields else value
            for name, value in parts.items()}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # noqa: BLE001 - a wrong call of a logger must not cost the line, nor print by itself
        return f"{record.msg} ({type(error).__name__} in the arguments)"


def _without_path(text: str, record: logging.LogRecord, context: Context | None) -> str:
    """An address may hold a secret, so lines name the route instead; Django's own name the address."""
    request = getattr(record, "request", None)
    for path in {getattr(request, "path", ""), context.path if context else ""}:
        if path.count("/") > 1 or len(path) > 20:
            text = text.replace(path, "/" + (context.route() if context else "…"))
    return text


class Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Never prints anything but lines: what cannot be written is said in one, without what it was about."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        kind = sys.exc_info()[0]
        try:
            lost = logging.LogRecord("callboard", logging.ERROR, "", 0, "a line of %s was lost: %s",
                                     (record.name, kind.__name__ if kind else "?"), None)
            self.stream.write(self.format(lost) + self.terminator)
        except OSError as error:
            if error.errno in NOBODY_READS:
                self.stream = open_nothing()  # not setStream(): it would flush the old one
        except ValueError:  # closed
            self.stream = open_nothing()


def open_nothing() -> Any:
    return open(os.devnull, "w")


class OnlyExceptions(logging.Filter):
    """Statuses have their access line; of an exception that ended a request Django alone tells."""

    def filter(self, record: logging.LogRecord) -> bool:
        return bool(record.exc_info)


def configuration(form: str) -> dict[str, Any]:
    """Django's LOGGING. `form`: one of FORMATS."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "config.logs.Line"}, "json": {"()": "config.logs.Json"}},
        "filters": {
            "exceptions": {"()": "config.logs.OnlyExceptions"},
            "once_a_minute": {"()": "dashboard.said_once.OnceAMinute"},
        },
        "handlers": {"stderr": {"()": "config.logs.Stderr", "formatter": form if form in FORMATS else "line"}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        "loggers": {
            # At INFO these print every upstream address; at WARNING nothing a supervisor's day needs is lost.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            "django.channels.server": {"level": "WARNING"},
            "daphne": {"level": "WARNING"},
            # Django's own handlers go: they would print a second time, and past the redaction.
            "django": {"handlers": [], "level": "INFO"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.request": {"level": "ERROR", "filters": ["exceptions"]},
            # Any probe under a wrong name would be a page of traceback.
            "django.security.DisallowedHost": {"filters": ["once_a_minute"]},
            # While Redis is away it prints sixty lines a second.
            "channels_redis.pubsub": {"filters": ["once_a_minute"]},
            "channels_redis.core": {"filters": ["once_a_minute"]},
        },
    }


# ── a server's process ─────────────────────────────────────────────────────────────────────────────
def for_a_server(form: str) -> None:
    """For `serve`: JSON unless `form` says otherwise or stderr is a terminal, also for what nobody caught."""
    chosen = form or ("line" if sys.stderr.isatty() else "json")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Stderr):
            handler.setFormatter(Json() if chosen == "json" else Line())
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger.critical("nobody caught an exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: "threading.ExceptHookArgs") -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        name = args.thread.name if args.thread else "?"
        logger.critical("nobody caught an exception in thread %s", name,
                        exc_info=(args.exc_type, args.exc_value, args.exc_traceback))


def _unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        logger.error("an exception went nowhere: %s", args.err_msg or "",
                     exc_info=(args.exc_type, args.exc_value, args.exc_traceback))
