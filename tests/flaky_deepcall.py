"""DeepCall as the takeover model has it: what it does with a takeover, what it says, what its lists show of any moment.

A clock that only the model moves, and a transport below the real client. What DeepCall did is in `effects`, what it
was asked in `posts`; `history` tells each call's agent at any time, None once it has ended.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import httpx  # noqa: TID251 - stands in for the network under the real client
import msgspec
from hypothesis import strategies as st

from queue_api.calls import Call, CallState
from tests.makers import NOW, call

DEADLINE_S = 12
LAG_S = (0, 0, 0, 2, 4)  # how old a list's rows are when it is asked for: less than the 5 s that are allowed for it
AGENTS = {"1100": "Front desk", "1101": "Asha Rao", "1102": "Ben Okafor", "2001": "Meera Iyer", "2002": "Kabir Khan"}


class Clock:
    """The only time there is. `alarms` go off as it passes them."""

    def __init__(self) -> None:
        self.ms = NOW
        self.alarms: list[tuple[int, Callable[[], object]]] = []

    def wait(self, seconds: float) -> None:
        end = self.ms + int(seconds * 1000)
        while due := sorted((alarm for alarm in self.alarms if alarm[0] <= end), key=lambda alarm: alarm[0]):
            self.alarms.remove(due[0])
            self.ms = due[0][0]
            due[0][1]()
        self.ms = end


class Click(NamedTuple):
    """One key of one person; `call` is what it was made on."""

    person: int
    key: str
    call: str


class Step(msgspec.Struct, frozen=True):
    """What becomes of one request: whether the call moves (at once, or `later_s` after), and what is heard of it."""

    says: str
    acts: bool = False
    later_s: int = 0

    def __repr__(self) -> str:
        return f"{self.says}{' acting' * self.acts}{f' in {self.later_s} s' if self.later_s else ''}"


BUSY, REFUSED = Step("1501"), Step("refused")
BEFORE = (*[()] * 6, (BUSY,), (BUSY, BUSY), (BUSY, BUSY, BUSY), (REFUSED,), (REFUSED, REFUSED), (REFUSED, BUSY),
          (BUSY, REFUSED))
GARBAGE = ("html", "no code", "odd status", "502")
LAST = (
    Step("success", acts=True), Step("silence", acts=True), Step("cut", acts=True), Step("silence"), Step("cut"),
    Step("1000"), Step("1502"), *(Step(code, acts) for code in ("1009", "1032") for acts in (True, False)),
    *(Step(words, acts) for words in GARBAGE for acts in (True, False)),
    *(Step("silence", later_s=seconds) for seconds in (1, 8, 30)),
)
SUCCESS = (LAST[0],)
MOVED_WHILE_BUSY = (Step("1501", acts=True), Step("1000"))  # the "similar request" of a 1501 may be our own first one
SCRIPTS = st.builds(lambda before, last: (*before, last), st.sampled_from(BEFORE), st.sampled_from(LAST)) | st.just(
    MOVED_WHILE_BUSY)
BODIES: dict[str, tuple[int, Any]] = {
    "success": (200, {"status": "success", "message": "Call connected"}), "html": (200, b"<html>fine</html>"),
    "no code": (200, {"status": "error", "message": "Oops"}), "odd status": (200, {"status": "Success"}),
    "502": (502, b"<html>Bad gateway</html>"),
}


class Effect(NamedTuple):
    """A call that DeepCall moved because of a click, and when."""

    click: Click
    at: int
    agent: str


class DeepCall(httpx.AsyncBaseTransport):
    """Everything behind the wire. `asked` is told of each click whose request has arrived, before anything is done;
    `done` when all is done that it made happen, before anything is said."""

    def __init__(self, clock: Clock, agent_of: dict[str, str], asked: Callable[[Click], None],
                 done: Callable[[], None]) -> None:
        self.clock, self.agent_of, self.asked, self.done = clock, agent_of, asked, done
        self.history: dict[str, list[tuple[int, str | None]]] = {
            "c-1": [(NOW, "2001")], "c-2": [(NOW, "2002")], "c-3": [(NOW, "")], "c-4": [(NOW, None)]}
        self.effects: list[Effect] = []
        self.posts: list[tuple[Click, str]] = []  # who asked, and what was said
        self.ended_at: dict[Click, int] = {}  # when the last exchange of a click was over
        self.playing: tuple[Click, list[Step]] | None = None

    # ── the calls ──────────────────────────────────────────────────────────────────────────────────
    def agent(self, key: str, at: int) -> str | None:
        """Who had the call then: an agent's id, "" while it waits, None when it had ended."""
        return [agent for since, agent in self.history[key] if since <= at][-1]

    def moves(self, key: str, agent: str | None) -> None:
        """To an agent, or to its end (None), from where none comes back."""
        turns = self.history[key]
        if turns[-1][1] is not None or len(turns) == 1:
            turns.append((self.clock.ms, agent))

    def rows(self, as_of: int, wording: str) -> tuple[Call, ...]:
        """The live calls of that moment; `wording` says what a row tells of its agent."""
        return tuple(_row(key, agent, wording) for key in self.history
                     if (agent := self.agent(key, as_of)) is not None)

    def _move_for(self, click: Click, agent: str) -> bool:
        if self.agent(click.call, self.clock.ms) is None:
            return False
        self.moves(click.call, agent)
        self.effects.append(Effect(click, self.clock.ms, agent))
        return True

    # ── the wire ───────────────────────────────────────────────────────────────────────────────────
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert self.playing is not None
        click, steps = self.playing
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        if step.says == "refused":
            raise httpx.ConnectError("Connection refused", request=request)
        agent = self.agent_of[json.loads(request.content)["ssid"]]
        self.posts.append((click, "nothing"))
        self.asked(click)
        self.ended_at[click] = self.clock.ms
        said = self._do(click, step, agent)
        self.ended_at[click] = self.clock.ms
        self.posts[-1] = (click, said)
        return _answer(said, request)

    def _do(self, click: Click, step: Step, agent: str) -> str:
        """Acts as the step has it; what is said. A call that is no more is not found, whatever was meant."""
        if step.later_s:
            due = self.clock.ms + (DEADLINE_S + step.later_s) * 1000
            self.clock.alarms.append((due, lambda: self._move_for(click, agent)))
        said = step.says if not step.acts or self._move_for(click, agent) else "1000"
        self.done()
        if said == "silence":
            self.clock.wait(DEADLINE_S)
        return said


def _answer(said: str, request: httpx.Request) -> httpx.Response:
    if said == "silence":
        raise httpx.ReadTimeout("", request=request)
    if said == "cut":
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.", request=request)
    status, body = BODIES.get(said) or (200, {"status": "error", "message": "No.", "code": said})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, stream=httpx.ByteStream(data))


def _row(key: str, agent: str, wording: str) -> Call:
    return call(key, state=CallState.TALKING if agent else CallState.WAITING,
                agent_id=agent if wording in ("whole", "ids") else "",
                agent_name=AGENTS.get(agent, "") if wording in ("whole", "names") else "")
