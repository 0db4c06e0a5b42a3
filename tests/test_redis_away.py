"""A Redis server of its own that is killed and comes back: the log of a real process tells it in a few lines."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import needs
from tests.processes import Callboard, Logged, free_port, manage, running, until

pytestmark = [pytest.mark.processes, pytest.mark.long]

AWAY_S = 20


@contextmanager
def redis(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Nothing of it is kept. Killed at the end, if it still runs."""
    process = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
                               stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def about_redis(serve: Callboard) -> list[Logged]:
    return [line for line in serve.logged() if line.fields["logger"] in ("dashboard.layer", "channels_redis.pubsub")]


def test_while_redis_is_away_the_log_stays_short_and_its_return_is_said(tmp_path: Path) -> None:
    needs(shutil.which("redis-server"), "redis-server", "apt install redis-server")
    manage(tmp_path, "migrate", "--verbosity", "0")
    port = free_port()
    with redis(port):
        serve = Callboard(tmp_path, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    with running(serve):
        bell = "from dashboard import generation; generation.bump('config')"
        until(lambda: about_redis(serve), 30, "a word about Redis")
        time.sleep(AWAY_S)  # the library would have written as many tracebacks by now
        assert len(about_redis(serve)) <= 2
        assert not [line for line in about_redis(serve) if "exception" in line.fields]
        with redis(port):
            manage(tmp_path, "shell", "-v", "0", "-c", bell, REDIS_URL=f"redis://127.0.0.1:{port}/0")
            until(lambda: "can be used again" in about_redis(serve)[-1].message, 30, "the return in the log")
            assert len(about_redis(serve)) <= 3
