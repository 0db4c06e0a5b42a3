"""`serve`: one server process — web, websockets, poller. The same command alone, or many behind a proxy."""

from dashboard.server import BoardServer, missing  # isort: skip - installs the reactor before anything uses one

import resource
import sys
import time
from argparse import ArgumentParser
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import logs
from config.checks import refuse_half_configured
from dashboard import first_run, lease
from dashboard.draining import refuse_takeovers_while_draining
from dashboard.mirror import mirror, read_news
from dashboard.station import station

OTHER_FILES = 1000  # unfinished requests (dashboard/slow_requests.py), others, the database, DeepCall


class Command(BaseCommand):
    help = "Runs one Callboard server process: pages, live boards and the poller."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on; other than loopback it needs "
                            "CALLBOARD_ALLOWED_HOSTS, CALLBOARD_ORIGINS and keys of its own (README, Settings)")
        parser.add_argument("--port", type=int, default=8000, help="TCP port (default: 8000)")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        refuse_half_configured(host)
        self._check_insides()
        self._check_database()
        self._make_room()
        self._wait_to_be_alone()
        if not settings.ORIGINS:
            settings.ORIGINS += own_origins(host, port)
        mirror.take(read_news({}, 0))  # boards of before the restart, so that screens have something to show
        welcome = "\n".join(filter(None, [
            f"Callboard is on http://{host}:{port}/", first_run.hint(f"http://{host}:{port}/")]))
        self._leave_database()
        from config.asgi import application  # after the origins are known

        logs.for_a_server(settings.LOG_FORMAT)  # after Django, set up once more by the import, has begun its own

        server = BoardServer(
            refuse_takeovers_while_draining(application),
            build_endpoint_description_strings(host=host, port=port), station,
            on_listening=lambda: self.stdout.write(welcome),
        )
        server.run()
        if not server.ports:
            raise CommandError(f"Cannot listen on {host}:{port}. Is another process using the port?")
        sys.exit(server.exit_code)

    def _leave_database(self) -> None:
        """A pooled connection goes back. On SQLite this one stays open: when the last one closes, SQLite writes its
        whole log back, and a click would wait for that."""
        if connection.vendor != "sqlite":
            connection.close()

    def _check_insides(self) -> None:
        if lost := missing():
            raise CommandError(f"daphne or autobahn changed: {', '.join(lost)} missing. Install the locked versions.")

    def _check_database(self) -> None:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError("The database is not up to date. Run: .venv/bin/python manage.py migrate")

    def _make_room(self) -> None:
        """Each socket is an open file; what a shell allows a process is often less than CALLBOARD_MAX_SOCKETS."""
        wanted = settings.MAX_SOCKETS + OTHER_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise CommandError(f"This process may open {hard} files; {settings.MAX_SOCKETS} sockets need {wanted}. "
                               "Raise the limit (ulimit -Hn, LimitNOFILE=) or lower CALLBOARD_MAX_SOCKETS.")
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def _wait_to_be_alone(self) -> None:
        """On the in-memory layer a second process would show its screens nothing: it refuses to start.

        After a crash the old process's lease runs on for a few seconds; that is waited for.
        """
        if settings.REDIS_URL:
            return
        deadline = time.monotonic() + lease.TTL_S + 1
        while held := lease.held_by_others(station.holder):
            if time.monotonic() > deadline:
                raise CommandError(
                    f"Another process is already serving ({', '.join(sorted(held))}). "
                    "Stop it, or set REDIS_URL so that several processes can share the work.")
            time.sleep(0.2)  # the lease's end is a moment in the database, not an event


def own_origins(host: str, port: int) -> list[str]:
    """The addresses a browser on this machine may use, when none are configured."""
    names = ["127.0.0.1", "localhost", "[::1]"] if host in ("127.0.0.1", "localhost", "::1") else [host]
    return [f"http://{name}:{port}" for name in names]
