"""`serve`, but nobody is told that they click too often, and each takeover notes where its time went.

    python -m bench.serving NOTES serve --port PORT        NOTES: a file that gets one JSON object per takeover

The limits are asked for as ever, so that they cost what they cost; only their refusal is taken back.
"""

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

FIRST, LAST = "rights", "rendering"
STEPS = {
    FIRST: ("views", "viewer_for"), "intent": ("takeover", "begin"), "mark": ("takeover", "mark_sent"),
    "client": ("asking", "_ask"), "outcome": ("takeover", "settle"), LAST: ("views", "_answer"),
}


class Watches(threading.local):
    """The takeover in this thread: seconds by step, and the thread's processor time when it began."""

    steps: dict[str, float] = {}
    cpu_at: float = 0


def timed(name: str, work: Callable[..., Any], watches: Watches, out: TextIO) -> Callable[..., Any]:
    """`work` as ever, timed; the last step writes the takeover down."""
    @functools.wraps(work)
    def measured(*args: Any, **kwargs: Any) -> Any:
        if name == FIRST:
            watches.steps, watches.cpu_at = {}, time.thread_time()
        began = time.monotonic()
        try:
            return work(*args, **kwargs)
        finally:
            watches.steps[name] = time.monotonic() - began
            if name == LAST:
                print(json.dumps({"steps": watches.steps, "cpu": time.thread_time() - watches.cpu_at}), file=out)

    return measured


def prepare(notes: Path) -> None:
    """Puts the stop watches in. The server's own module comes first: it installs the reactor."""
    import dashboard.server  # noqa: F401
    from dashboard import asking, takeover, views

    modules = {"views": views, "takeover": takeover, "asking": asking}
    with_limits = takeover._check_limits

    def without_limits(user_id: int, account: int) -> None:
        with contextlib.suppress(takeover.TooMany):
            with_limits(user_id, account)

    takeover._check_limits = without_limits
    out, watches = notes.open("a", buffering=1), Watches()
    for name, (module, function) in STEPS.items():
        setattr(modules[module], function, timed(name, getattr(modules[module], function), watches, out))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    prepare(Path(sys.argv[1]))
    execute_from_command_line(["manage.py", *sys.argv[2:]])


if __name__ == "__main__":
    main()
