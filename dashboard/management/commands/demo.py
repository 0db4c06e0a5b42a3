"""`demo`: Callboard beside a simulated DeepCall, with people to sign in as. What `make demo` runs."""

import os
import signal
import subprocess
import sys
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from dashboard.models import Display, Queue, Seat
from dashboard.pairing import make_link
from dashboard.roles import Numbers, Role, give, give_numbers
from queue_api.models import Account
from queue_api.simulator import people
from queue_api.simulator.centre import QUEUES

PASSWORD = "callboard-demo"  # noqa: S105 - for the demo's own database, on loopback
ACCOUNT, WALL = "Northgate", "Service desk"
ADMIN_IS = "owner: set-up, people and roles, the record, all queues of all accounts"
NO_CODE = "  No second factor is demanded in the demo; with “serve” administrators need one for the admin site."
# Every line that begins with "curl" is for pasting; a test hands them to the simulator.
TO_TRY = """\
  Worth trying, in this order
    1  Two screens. Sign in as asha here and as ben in a private window. As asha, take over a Support call
       that somebody talks on: both screens say who asks, what DeepCall answered, and with whom the call is then.
    2  A queue in trouble. carla sees Billing only: half its agents are away for the first quarter of an
       hour, and the longest wait grows. Sales has a rush after one minute. The hour repeats itself. What is out of
       its limits is marked; behind the bell it may ring and show on the desktop, and there is a test of it.
    3  DeepCall says no. Paste this, then take a call over: Refused, with the code and its words.
         curl {simulator} -d '{{"fault":{{"endpoint":"takeover","times":1,"code":4711}}}}'
       Or DeepCall says nothing: pending, after 12 seconds Outcome not known, then what its lists show. It is
       never asked again by itself.
         curl {simulator} -d '{{"fault":{{"endpoint":"takeover","times":1,"hang":true}}}}'
       Or its lists become an HTML page: the calls stay as last known, marked as old, and a line says why.
         curl {simulator} -d '{{"fault":{{"endpoint":"list","body":"<html>Hello</html>"}}}}'
       All well again:
         curl {simulator} -d '{{"clear":"*"}}'
    4  Whose phone. ben's button rings the front desk. Under “My session” he may paste demo-ssid-ben-okafor, and
       it rings him; anything else is refused, and he reads whose session it was and where to renew it.
    5  A role, as admin: beside ben's open board give him the role Observer. His buttons go within seconds, and the
       record says who did it.
         {here}/admin/auth/user/
    6  The record, as admin: who took what over, when, and what DeepCall answered
         {here}/admin/dashboard/takeoverattempt/
         {here}/admin/dashboard/auditevent/       (manage.py verify_audit checks it for edits)
"""
AIMS = {"target_s": 45, "waiting_warn": 3, "waiting_crit": 6, "wait_warn_s": 60, "wait_crit_s": 120, "talk_warn_s": 480,
        "talk_crit_s": 900, "hold_warn_s": 60, "hold_crit_s": 120, "level_warn": 80, "level_crit": 60}
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]


class DemoPerson(msgspec.Struct, frozen=True):
    username: str
    first: str
    last: str
    queues: tuple[str, ...]  # names; empty: all queues
    role: Role
    numbers: Numbers
    upstream: people.Person | None = None
    what: str = ""


SUPERVISORS = (
    DemoPerson("asha", "Asha", "Rao", (), Role.SUPERVISOR, Numbers.WHOLE, people.ASHA,
               "supervisor: all queues, takes over, sees whole numbers"),
    DemoPerson("ben", "Ben", "Okafor", ("Support", "Sales"), Role.SUPERVISOR, Numbers.HELD, None,
               "supervisor: Support and Sales, takes over with the front desk's phone, may hold a number to see it"),
    DemoPerson("carla", "Carla", "Mendes", ("Billing",), Role.OBSERVER, Numbers.MASKED, None,
               "observer: Billing, watches only, last four digits"),
)


class Command(BaseCommand):
    help = "Runs Callboard with a simulated DeepCall and people to sign in as, until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--simulator-port", type=int, help="default: one above --port")
        parser.add_argument("--calls", type=int, default=24)

    def handle(self, *args: Any, port: int, calls: int, **options: Any) -> None:
        upstream = options["simulator_port"] or port + 1
        environment = os.environ | {"CALLBOARD_ALLOW_PRIVATE_UPSTREAM": "1", "CALLBOARD_NOTE": "DeepCall is simulated",
                                    "CALLBOARD_SECOND_FACTOR": "offered"}
        simulator = subprocess.Popen(  # noqa: S603 - our own command
            [*MANAGE, "simulate", "--port", str(upstream), "--calls", str(calls), "--seed", "16", "--story"],
            env=environment, stdout=subprocess.PIPE)
        try:
            self._wait_for(simulator, upstream)
            settings.ALLOW_PRIVATE_UPSTREAM = True
            call_command("migrate", verbosity=0)
            furnish(f"http://127.0.0.1:{upstream}")
            self._explain(port, upstream, furnish_wall())
            server = subprocess.Popen([*MANAGE, "serve", "--port", str(port)], env=environment)  # noqa: S603
            self._until_one_ends(simulator, server)
        finally:
            simulator.terminate()
            simulator.wait(timeout=10)

    def _wait_for(self, simulator: "subprocess.Popen[bytes]", port: int) -> None:
        """The simulator's first line says that it listens; without one it has said why not."""
        if not simulator.stdout or not simulator.stdout.readline():
            raise CommandError(f"The simulator did not start on port {port}. Choose another: make demo PORT=8100")

    def _until_one_ends(self, simulator: "subprocess.Popen[bytes]", server: "subprocess.Popen[bytes]") -> None:
        """Ctrl-C or SIGTERM stops both; a server that ends by itself ends the demo with its exit code."""
        def stop(*_args: Any) -> None:
            server.send_signal(signal.SIGTERM)

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        sys.exit(server.wait())

    def _explain(self, port: int, upstream: int, wall_secret: str) -> None:
        self.stdout.write(explanation(port, upstream, wall_secret))


def explanation(port: int, upstream: int, wall_secret: str) -> str:
    """The map of the demo: where to look, as whom, and what to try."""
    here, simulator = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{upstream}/_simulator"
    addresses = {
        "Board": f"{here}/",
        "Admin": f"{here}/admin/",
        "Wall": f"{here}/wall/link/{wall_secret}  (paired; opens once)",
        "New wall": f"{here}/wall/  (in another browser: shows a code; enter it under Admin → Wall displays)",
        "Simulator": simulator,
    }
    people_lines = {person.username: person.what for person in SUPERVISORS} | {"admin": ADMIN_IS}
    return "\n".join([
        "", "Callboard demo. The calls are made up: DeepCall is simulated on this machine. Ctrl-C stops it.", "",
        *_table(addresses), "", f"  Sign in with the password  {PASSWORD}", *_table(people_lines), NO_CODE, "",
        TO_TRY.format(here=here, simulator=simulator),
    ])


def _table(lines: dict[str, str]) -> list[str]:
    return [f"    {name:<11}{text}" for name, text in lines.items()]


def furnish(base_url: str) -> None:
    """The demo's account and people; harmless to repeat."""
    account = Account.objects.filter(name=ACCOUNT).first() or Account(name=ACCOUNT)
    account.base_url, account.user_id, account.line = base_url, people.USER_ID, people.FRONT_DESK.name
    account.set_ssid(people.FRONT_DESK.ssid)
    account.set_token(people.TOKEN)
    account.full_clean()
    account.save()
    if not User.objects.filter(username="admin").exists():
        User.objects.create_superuser("admin", password=PASSWORD, first_name="Dev", last_name="Nair")
    for person in SUPERVISORS:
        _furnish_person(person, account)


def furnish_wall() -> str:
    """The demo's wall, and the secret of a new link to it; a screen that is that wall already stays it meanwhile."""
    account = Account.objects.get(name=ACCOUNT)
    wall, created = Display.objects.get_or_create(name=WALL, revoked_at=None)
    if created:
        wall.queues.set([_queue(account, queue.name) for queue in QUEUES])
    return make_link(wall)


def _furnish_person(person: DemoPerson, account: Account) -> None:
    user, created = User.objects.get_or_create(
        username=person.username, defaults={"first_name": person.first, "last_name": person.last})
    if not created:
        return
    user.set_password(PASSWORD)
    user.save()
    give(user, person.role)
    give_numbers(user, person.numbers)
    seat = Seat(user=user, account=account, all_queues=not person.queues)
    if person.upstream:
        seat.agent_id = person.upstream.agent_id
        seat.set_ssid(person.upstream.ssid)
    seat.save()
    seat.queues.set([_queue(account, name) for name in person.queues])


def _queue(account: Account, name: str) -> Queue:
    """The simulator's queue of that name, made before its first call is seen."""
    key = next(queue.queue_id for queue in QUEUES if queue.name == name)
    return Queue.objects.get_or_create(account=account, key=key, defaults={"name": name} | AIMS)[0]
