"""What the history costs: a tick's work, pages, a start, and how the database grows. `make bench-history` runs it.

    python -m bench.history [--calls 50000] [--grow DAYS]

On SQLite and, when it is there, on PostgreSQL, each in a process and a database of its own. Prints a table and writes
var/bench/history.json. `processor`: what it took of one, whatever else the machine does. Growth: days of 10,000 calls,
each written when it came, spoke and went, and purged.
"""

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.processes import ROOT, environment

OUT = ROOT / "var" / "bench" / "history.json"
GOALS = {"tick": 20.0, "page": 200.0, "month": 50.0}
LIVE, TICK_MS, TICKS = 1000, 2000, 60
HOURS, OPEN_HOURS, CALLS_A_DAY = 21, 10, 10_000  # of the day that is shown; of each that the databases grow by


def milliseconds(work: Callable[[], object], times: int) -> dict[str, float]:
    """Median and most by the clock, and the median of the processor's time in this thread."""
    taken, spent = [], []
    for _ in range(times):
        began, began_here = time.perf_counter(), time.thread_time()
        work()
        taken.append(1000 * (time.perf_counter() - began))
        spent.append(1000 * (time.thread_time() - began_here))
    return {"median": round(statistics.median(taken), 1), "most": round(max(taken), 1),
            "processor": round(statistics.median(spent), 1)}


# ── in a process of its own ────────────────────────────────────────────────────────────────────────
def measure(calls: int) -> dict[str, Any]:
    from bench.centre import Polled, furnish, write_day
    from dashboard.clock import now_ms
    from dashboard.days import midnight_ms
    from dashboard.noting import recount

    account, now = furnish(), now_ms()
    write_day(account, midnight_ms(account.time_zone, now), calls, HOURS, until=now - 1000)
    tidy()
    floor = Polled(account, now - 1_000_000, LIVE / 210)
    floor.looks(now)
    first = milliseconds(floor.notes, 1)
    ticks, changed = [], []
    for tick in range(1, TICKS):
        before = floor.board
        floor.looks(now + tick * TICK_MS)
        changed.append(sum(before.calls.get(key) != live for key, live in floor.board.calls.items()))
        ticks.append(milliseconds(floor.notes, 1))
    return {
        "calls": calls, "live": len(floor.board.calls), "changed": statistics.median(changed),
        "first tick": first["most"], "recount": milliseconds(lambda: recount(account, now), 3)["median"],
        "tick": {"median": statistics.median(one["median"] for one in ticks), "most": max(one["most"] for one in ticks),
                 "processor": statistics.median(one["processor"] for one in ticks)}, "pages": pages(floor.board)}


def pages(board: Any) -> dict[str, dict[str, float]]:
    from django.contrib.auth.models import User
    from django.test import Client

    from dashboard.mirror import mirror, read_news
    from dashboard.models import Queue
    from queue_api.models import Account

    mirror.take(read_news({}, 0))
    mirror.offer(board)
    found = {}
    for name, paths in _paths(Queue.objects.order_by("pk")[0].pk, Account.objects.get().pk).items():
        client = Client(REMOTE_ADDR="127.0.0.1")
        client.force_login(User.objects.get(username=name))
        for path in paths:
            assert client.get(path).status_code in (200, 302, 503), path
            found[f"{name} {path}"] = milliseconds(lambda c=client, p=path: c.get(p), 15)  # type: ignore[misc]
    return found


def _paths(queue: int, account: int) -> dict[str, list[str]]:
    """By who asks."""
    day, accounts = f"/queues/{queue}/", "/admin/queue_api/account/"
    asked = ("", "?per=15", "day.csv", "day.csv?per=1")
    return {
        "sita": ["/", "/queues/", *(f"{day}{one}" for one in asked), "/me/"],
        "admin": ["/", day, "/setup/", "/admin/", "/admin/dashboard/queue/", accounts, f"{accounts}{account}/change/",
                  f"{accounts}{account}/delete/", "/admin/dashboard/takeoverattempt/", "/metrics", "/readyz"]}


def grow(days: int) -> dict[str, Any]:
    """MB after each day: as it stands, and at the end vacuumed."""
    from bench.centre import HOUR_MS, furnish, live_day
    from dashboard.clock import now_ms
    from dashboard.days import midnight_ms
    from dashboard.purge import purge_batch

    account = furnish()
    first = midnight_ms(account.time_zone, now_ms() - days * 24 * HOUR_MS)
    sizes = [size()]
    for day in range(days):
        midnight = first + 24 * day * HOUR_MS
        live_day(account, midnight, CALLS_A_DAY, OPEN_HOURS)
        while purge_batch(account.pk, midnight + 24 * HOUR_MS):
            pass
        tidy()
        sizes.append(size())
        print(f"day {day + 1}: {sizes[-1]:.1f} MB", file=sys.stderr, flush=True)
    vacuum()
    return {"days": days, "MB": [round(one, 1) for one in sizes], "vacuumed": round(size(), 1)}


def tidy() -> None:
    """As PostgreSQL does by itself in the course of a real day: without statistics a tick reads all of its calls."""
    from django.db import connection

    if connection.vendor == "postgresql":
        connection.cursor().execute("VACUUM ANALYZE")


def size() -> float:
    """MB on the disk."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return float(cursor.fetchone()[0]) / 1e6
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()
    return Path(str(connection.settings_dict["NAME"])).stat().st_size / 1e6


def vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL" if connection.vendor == "postgresql" else "VACUUM")


def here(calls: int, days: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django
    from django.conf import settings
    from django.core.management import call_command

    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)
    print(json.dumps(grow(days) if days else measure(calls)))


# ── both databases ─────────────────────────────────────────────────────────────────────────────────
def run(calls: int, days: int, **more: str) -> dict[str, Any]:
    words = ["--here", "--calls", str(calls), "--grow", str(days)]
    with tempfile.TemporaryDirectory() as data:
        done = subprocess.run([sys.executable, "-m", "bench.history", *words], env=environment(Path(data), **more),
                              cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def table(database: str, figures: dict[str, Any]) -> str:
    if "MB" in figures:
        return (f"{database}: {figures['MB'][0]} MB, after {figures['days']} days {figures['MB'][-1]} MB, "
                f"vacuumed {figures['vacuumed']} MB; goal: {GOALS['month']:g} MB a month")
    lines = [f"{database}: a day of {figures['calls']} calls, milliseconds (median, most, processor)",
             f"  tick, {figures['live']} live, {figures['changed']:g} changed".ljust(44)
             + "{median:>8.1f}{most:>8.1f}{processor:>8.1f}".format(**figures["tick"]) + f"   goal: {GOALS['tick']:g}",
             "  first tick of a leader".ljust(44) + f"{figures['first tick']:>8.1f}",
             "  a target was changed: counted anew".ljust(44) + f"{figures['recount']:>8.1f}"]
    return "\n".join([*lines, *(f"  {path}".ljust(44) + "{median:>8.1f}{most:>8.1f}{processor:>8.1f}".format(**taken)
                                for path, taken in figures["pages"].items()), f"  goal for pages: {GOALS['page']:g}"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=50_000)
    options.add_argument("--grow", type=int, default=0, metavar="DAYS")
    options.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.here:
        here(given.calls, given.grow)
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from tests.services import POSTGRES, postgres, works

    found = {"SQLite": run(given.calls, given.grow)}
    with ExitStack() as stack:
        if works("psql", f"{POSTGRES}/postgres", "-c", "SELECT 1"):
            found["PostgreSQL"] = run(given.calls, given.grow, **stack.enter_context(postgres()))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join(table(database, figures) for database, figures in found.items()))


if __name__ == "__main__":
    main()
