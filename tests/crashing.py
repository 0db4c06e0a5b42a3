"""`serve` that dies by SIGKILL at one point of a takeover: `CRASH_AT=sent python -m tests.crashing serve --port …`.

The product has no hooks for it: what it calls at the point is wrapped from outside. Nor has this `serve` the limits
per minute, which many clicks of one person would reach.

    write intent ── commit ── mark sent ── write bytes ── read answer ── write outcome ── ring
                │          │            │              │             │                 │
             writing    intent        sent           bytes        answer            outcome
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django
import httpx  # noqa: TID251 - to see when the request's bytes have been written
from django.core.management import execute_from_command_line

POINTS = ("writing", "intent", "sent", "bytes", "answer", "outcome")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_before(place: Any, name: str) -> None:
    setattr(place, name, lambda *_args, **_options: die())


def die_after(place: Any, name: str) -> None:
    work: Callable[..., Any] = getattr(place, name)

    def last(*args: Any, **options: Any) -> None:
        work(*args, **options)
        die()

    setattr(place, name, last)


def die_when_written(url_end: str) -> None:
    stream = httpx.AsyncClient.stream

    async def watch(event: str, _info: Any) -> None:
        if event == "http11.send_request_body.complete":
            die()

    def watched(client: httpx.AsyncClient, method: str, url: str, **options: Any) -> Any:
        if url.endswith(url_end):
            options["extensions"] = {"trace": watch}
        return stream(client, method, url, **options)

    setattr(httpx.AsyncClient, "stream", watched)  # noqa: B010 - mypy takes no assignment to a method


def arm(point: str) -> None:
    from dashboard import takeover
    from queue_api.client import TAKEOVER_PATH

    takeover.PER_PERSON = takeover.PER_ACCOUNT = 100_000
    {
        "writing": lambda: die_after(takeover, "_record"),  # the row and its line are written, and not committed
        "intent": lambda: die_after(takeover, "begin"),
        "sent": lambda: die_after(takeover, "mark_sent"),
        "bytes": lambda: die_when_written(TAKEOVER_PATH),
        "answer": lambda: die_before(takeover, "settle"),
        "outcome": lambda: die_after(takeover, "settle"),
    }[point]()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    arm(os.environ["CRASH_AT"])
    execute_from_command_line(sys.argv)
