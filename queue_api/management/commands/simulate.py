"""`manage.py simulate`: serves the simulated DeepCall until it is stopped. Needs no database."""

# daphne.server installs its reactor and must come before anything that imports one.
import daphne.server  # isort: skip

import asyncio
import os
import signal
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from queue_api.simulator import people
from queue_api.simulator.app import Simulator
from queue_api.simulator.dialects import DIALECTS

DEFAULT_PORT = 8010


def not_negative(text: str) -> float:
    """An option's number, 0 or more."""
    number = float(text)
    if not 0 <= number <= 100_000:
        raise ArgumentTypeError(f"{text} is not between 0 and 100000")
    return number


def times_as_fast(text: str) -> float:
    """How many times as fast its clock runs, 0.1 to 1000."""
    number = float(text)
    if not 0.1 <= number <= 1000:
        raise ArgumentTypeError(f"{text} is not between 0.1 and 1000")
    return number


def count(text: str) -> int:
    """An option's whole number, 0 or more."""
    return int(not_negative(str(int(text))))


class Command(BaseCommand):
    """Start, say where and for whom, serve, and go at once when told to."""

    help = "Serve a simulated DeepCall. Faults are switched over POST /_simulator; GET tells how it stands."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=count, default=DEFAULT_PORT, help="0 takes any free port")
        parser.add_argument("--calls", type=count, default=24, help="live calls to steer to")
        parser.add_argument("--story", action="store_true",
                            help="play a plausible hour, over and over, instead of steering to a number of calls")
        parser.add_argument("--churn", type=not_negative, help="visible changes per second; default: natural")
        parser.add_argument("--seed", type=count, default=1)
        parser.add_argument("--speed", type=times_as_fast, default=1.0,
                            help="how many times as fast its clock runs, for example 60: a day in 24 minutes")
        parser.add_argument("--dialect", choices=sorted(DIALECTS), default="default")

    def handle(self, *args: Any, **options: Any) -> None:
        given = ("calls", "churn", "seed", "dialect", "story", "speed")
        simulator = Simulator(**{name: options[name] for name in given})
        host, port = options["host"], options["port"]
        server: Any = daphne.server.Server(
            simulator,
            endpoints=[f"tcp:{port}:interface={host.replace(':', chr(92) + ':')}"],
            signal_handlers=False,
            ready_callable=lambda: self._begin(server),
            application_close_timeout=60,  # a held-back takeover still acts after its client has left
            server_name=None,
        )
        server.run()
        if not server.listening_addresses:
            raise CommandError(f"The simulator could not listen on {host}:{port}: is something else there?")
        # Nothing is worth saving, and with requests in flight Python's own ending can crash in Twisted.
        sys.stdout.flush()
        os._exit(0)

    def _begin(self, server: Any) -> None:
        loop = asyncio.get_event_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.stop)
        if server.listening_addresses:
            host, port = server.listening_addresses[0]
            sessions = ", ".join(f"{person.name} {person.ssid}" for person in people.PEOPLE)
            self.stdout.write(
                f"Simulator (not DeepCall) on http://{host}:{port} · sessions: {sessions} · "
                f"userId {people.USER_ID} with token {people.TOKEN} · faults: POST /_simulator"
            )
            self.stdout.flush()
