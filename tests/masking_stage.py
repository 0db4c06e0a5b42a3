"""A site whose callers are canaries: two masked supervisors with a queue each, one who sees whole numbers of a third,
and a wall; all that each of them is ever sent is kept."""

import asyncio
import contextlib
import http.cookiejar
import json
import random
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dashboard.management.commands.demo import PASSWORD
from tests.caller_canaries import Canary
from tests.processes import Callboard, Upstream, furnish, manage
from tests.supervisors import Supervisor
from tests.tabs import Wire

DESKS = {"Quokka desk": "901", "Walrus desk": "902", "Heron desk": "903"}
QUOKKA, WALRUS, HERON = DESKS
SCOPES = {"sol": {QUOKKA}, "bea": {WALRUS}, "fay": {HERON}, "wall": {QUOKKA, WALRUS}}
PEOPLE = f"""
from django.contrib.auth.models import Permission, User
from dashboard.models import Display, Queue, Seat
from dashboard.pairing import make_link
from queue_api.models import Account
Account.objects.update(poll_interval_s=0.5)
account = Account.objects.get()
desks = [Queue.objects.create(account=account, key=key, name=name) for name, key in {DESKS!r}.items()]
rights = dict(sol=("take_over", "reveal_numbers"), bea=("take_over",), fay=("see_full_numbers",))
for desk, (name, given) in zip(desks, rights.items()):
    user = User.objects.create_user(name, password={PASSWORD!r}, first_name=name.title())
    user.user_permissions.set(Permission.objects.filter(codename__in=("watch", *given)))
    Seat.objects.create(user=user, account=account).queues.add(desk)
wall = Display.objects.create(name="Hall")
wall.queues.set(desks[:2])
print(make_link(wall))
"""


class Heard(Wire):
    """A connection of which every frame is kept as it came."""

    kept: list[bytes]

    async def frame(self) -> tuple[int, bytes]:
        kind, data = await super().frame()
        self.kept.append(data)
        return kind, data


class Viewer:
    """One of them: what came over their sockets, in answers, and the numbers they were shown for holding."""

    def __init__(self, name: str, browser: Supervisor, path: str = "/ws/board/", cookie: str = "sessionid") -> None:
        self.name, self.browser, self.path = name, browser, path
        self.cookies = f"{cookie}={browser.cookie(cookie)}"
        self.frames: list[bytes] = []
        self.answers: list[str] = []
        self.shown: list[str] = []
        self.connections = 0

    @property
    def scope(self) -> set[str]:
        return SCOPES[self.name]

    def look(self, path: str = "/") -> str:
        text = self.browser.get(path)[1]
        self.answers.append(text)
        return text

    def hold(self, ref: str) -> int:
        status, text = self.browser.post("/reveal/", call=ref)
        if status == 200:
            self.shown.append(json.loads(text)["number"])
        else:
            self.answers.append(text)
        return status

    def take(self, ref: str) -> int:
        told = self.browser.click(ref)
        self.answers.append(told.html)
        return told.status

    async def watch(self, port: int, chance: random.Random) -> None:
        """Comes, reads for a while, drops the line and comes back; until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                wire = await Heard.open(port, self.cookies, self.path)
                wire.kept = self.frames
                self.connections += wire.status == 101
                async with asyncio.timeout(chance.uniform(0.8, 2.5)):
                    await self._listen(wire)
                wire.hang_up()
            await asyncio.sleep(0.2)

    async def _listen(self, wire: Wire) -> None:
        told = 0.0
        while (message := await wire.message()) is not None:
            if "seq" in message and time.monotonic() - told >= 1:
                told = time.monotonic()
                wire.say(json.dumps({"ack": message["seq"]}))

    def sent(self) -> str:
        """All of it but what they held; each piece of it once, with a word between that no number runs over."""
        texts = self.answers + [text for frame in self.frames for text in _texts(frame)]
        return "\nend\n<".join(sorted({piece for text in texts for piece in text.split("<")}))


def _texts(frame: bytes) -> Iterator[str]:
    """Every text in a message; a frame that is none (a close, a ping) as it is."""
    try:
        message = json.loads(frame)
    except ValueError:
        yield frame.decode(errors="replace")
        return
    for value in message.values():
        yield from value if isinstance(value, list) else [value] if isinstance(value, str) else []


class Site:
    """The programs, and the callers so far. `serve` may be killed and started anew on its port."""

    def __init__(self, data: Path) -> None:
        self.data, self.chance = data, random.Random(18)
        self.deepcall = Upstream(data, "--seed", "3", "--calls", "0")
        self.canaries: list[Canary] = []
        self.live: dict[str, list[Canary]] = {queue: [] for queue in DESKS}
        self._windows: set[str] = set()
        self.logs: list[Path] = []

    def open(self) -> None:
        furnish(self.data, self.deepcall.url)
        secret = manage(self.data, "shell", "-v", "0", "-c", PEOPLE).strip()
        self.deepcall.switch(frozen=True)
        self.start()
        self.viewers = {name: Viewer(name, Supervisor(self.serve.url, name)) for name in ("sol", "bea", "fay")}
        wall = self.viewers["sol"].browser.at(self.serve.url)
        wall.jar = http.cookiejar.CookieJar()
        wall.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(wall.jar))
        wall.get(f"/wall/link/{secret}")
        self.viewers["wall"] = Viewer("wall", wall, "/ws/wall/", "wall-socket")

    def start(self, port: int | None = None) -> None:
        self.serve = Callboard(self.data, port)
        self.logs.append(self.serve.log)

    def crash(self) -> None:
        self.serve.kill()
        self.start(self.serve.port)

    def close(self) -> None:
        self.deepcall.kill()
        if self.logs:
            self.serve.kill()

    # ── calls come, change and go ──────────────────────────────────────────────────────────────────
    def come(self, queue: str) -> Canary:
        canary = self._new(queue)
        self.canaries.append(canary)
        self.live[queue].append(canary)
        self.deepcall.switch(add_call={
            "call_id": canary.call_id, "caller": canary.spelled, "queue_id": DESKS[queue], "queue_name": queue,
            "caller_name": f"{canary.name} {canary.spelled}" if len(self.canaries) % 3 else canary.name,
            **({"agent_id": canary.call_id[-4:], "agent_name": canary.agent} if len(self.canaries) % 2 else {})})
        return canary

    def change(self, queue: str) -> None:
        one = self.chance.choice(self.live[queue])
        self.deepcall.switch(change_call={
            "call_id": one.call_id, "state": self.chance.choice(["waiting", "talking", "hold"]),
            "caller_name": f"{one.name} ({one.number[2:7]} / {one.number[7:]})"})

    def go(self, queue: str) -> None:
        self.deepcall.switch(end_call=self.live[queue].pop(0).call_id)

    def refuse(self, canary: Canary) -> None:
        """DeepCall will answer the next takeover with the caller's number in its words."""
        words = f"Caller {canary.spelled} ({canary.number[2:]}) cannot be moved"
        self.deepcall.switch(fault={"endpoint": "takeover", "times": 1, "code": 4711, "message": words})

    def _new(self, queue: str) -> Canary:
        """Nobody shares seven digits or an ending; some calls are named by the number itself."""
        count = len(self.canaries)
        animal = queue.split()[0]
        while True:
            digits = "".join(self.chance.choices("0123456789", k=5))
            number = f"919{digits}{self.chance.randrange(5000, 10_000)}"  # no ending is one of DeepCall's codes
            spelled = [f"+{number}", f"+91 {number[2:7]} {number[7:]}", f"{number[2:7]}-{number[7:]}",
                       f"(+91) {number[2:5]}.{number[5:8]}.{number[8:]}"][count % 4]
            call_id = f"{number}-{count}" if count % 5 == 4 else f"{animal.lower()}-call-{count}"
            made = Canary(queue, number, spelled, f"{animal}ling{count}x", call_id, f"{animal}gent{count}x")
            if self._windows.isdisjoint(made.windows()) and made.ending not in {one.ending for one in self.canaries}:
                self._windows |= set(made.windows())
                return made

    def ref(self, viewer: Viewer, canary: Canary) -> str:
        """Our reference for a call on a viewer's board now; "" when it is not there."""
        for row in viewer.look().split('<div role="row"')[1:]:
            if f"{canary.name}" in row:
                return str(row.split('data-call-ref="', 1)[1].split('"', 1)[0])
        return ""


def lines(site: Site) -> list[dict[str, Any]]:
    """The record, line by line."""
    code = ("import json; from dashboard.models import AuditEvent; print(json.dumps(list(AuditEvent.objects.order_by("
            "'seq').values('kind', 'actor_name', 'account_name', 'call_ref', 'detail'))))")
    found: list[dict[str, Any]] = json.loads(manage(site.data, "shell", "-v", "0", "-c", code).splitlines()[-1])
    return found
