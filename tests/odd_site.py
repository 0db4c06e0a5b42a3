"""`serve` with something odd in it: `ODD=hasty,… python -m tests.odd_site serve --port …`.

The product has no hooks for it: pieces are replaced from outside.

    hasty    ticks five times as often, so that what takes three ticks takes six seconds
    slow     whatever reads the rights of `crowd-0` waits for a query of two seconds
    ending   a wall's consumer ends as soon as its socket is open; with the cookie `crash` it raises
    clock    this machine's clock is as many seconds off as the file CLOCK says
"""

import datetime
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.core.management import execute_from_command_line

from tests.processes import Callboard

SLOW_S = 2.0
TICK_S, ANSWER_S = 2.0, 0.5


class OddSite(Callboard):
    command = (sys.executable, "-m", "tests.odd_site")


def hasty() -> None:
    from dashboard import fanout

    fanout.TICK_S, fanout.ANSWER_S = TICK_S, ANSWER_S


def slow() -> None:
    from django.db import connection

    from dashboard import access, consumers, views

    def viewer_of(user: Any, *more: Any) -> access.Viewer | None:
        if user.is_authenticated and user.username == "crowd-0":
            with connection.cursor() as cursor:
                connection.connection.create_function("nap", 1, time.sleep)
                cursor.execute("SELECT nap(%s)", [SLOW_S])
        return access.viewer_of(user, *more)

    for place in (consumers, views):
        setattr(place, "viewer_of", viewer_of)  # noqa: B010 - mypy takes no assignment to a function


def ending() -> None:
    from channels.exceptions import StopConsumer

    from dashboard.consumers import WallConsumer

    async def connect(consumer: Any) -> None:
        await consumer.accept()
        if "crash" in consumer.scope["cookies"]:
            raise RuntimeError("after it was accepted")
        raise StopConsumer

    setattr(WallConsumer, "connect", connect)  # noqa: B010 - as above


def clock() -> None:
    from django.utils import timezone

    file, real, real_ns, real_now = Path(os.environ["CLOCK"]), time.time, time.time_ns, timezone.now

    def off_s() -> float:
        return float(file.read_text() or 0)

    setattr(time, "time", lambda: real() + off_s())  # noqa: B010 - as above
    setattr(time, "time_ns", lambda: real_ns() + int(off_s() * 1e9))  # noqa: B010
    setattr(timezone, "now", lambda: real_now() + datetime.timedelta(seconds=off_s()))  # noqa: B010


ODD: dict[str, Callable[[], None]] = {"hasty": hasty, "slow": slow, "ending": ending, "clock": clock}

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    if "clock" in os.environ["ODD"]:  # before anybody has taken time.time for themselves
        clock()
    django.setup()
    import dashboard.server  # noqa: F401 - installs the reactor, before anybody uses one

    for name in os.environ["ODD"].split(","):
        if name != "clock":
            ODD[name]()
    execute_from_command_line(["manage.py", *sys.argv[1:]])
