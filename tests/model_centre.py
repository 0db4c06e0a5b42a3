"""A simulated centre and somebody who looks at it, by a clock of their own: hours pass as fast as they can be reckoned.

Lists are DeepCall's bytes, read by the real parser, merged by the real board, noted in a real database, kept as the
real snapshot. Only the sockets are missing, and the waiting.
"""

import json
import random
from collections import Counter
from typing import Any

import msgspec

from dashboard import history
from dashboard.board import Board, failed, heard
from dashboard.models import Queue
from dashboard.numbers import Day
from dashboard.snapshots import load_board, save_board
from queue_api.calls import CallState, FieldMap, find_rows, parse_rows
from queue_api.client import Listing
from queue_api.errors import NoUsableAnswer
from queue_api.models import Account
from queue_api.simulator import endpoints
from queue_api.simulator.dialects import DIALECTS
from queue_api.simulator.people import ASHA
from queue_api.simulator.simulation import Simulation
from tests.reckoning import Look

SECOND, MINUTE = 1000, 60_000
ANSWERS_MS = 50  # after asking
MEANWHILE_MS = 900
TAKEN_OVER = 0.02  # of the pauses between two lists


class Centre:
    """The simulated DeepCall, and the clock."""

    def __init__(self, at: int, *, seed: int = 16, calls: int = 24, dialect: str = "default", **more: Any) -> None:
        self.at = at
        self.deepcall = Simulation(
            seed=seed, calls=calls, dialect=dialect, story=True, clock=lambda: self.at, **more)

    def list(self, limit: int | None = None) -> dict[str, Any]:
        body = {"ssid": ASHA.ssid} | ({} if limit is None else {"limit": limit})
        fault = self.deepcall.faults.take("list")
        answer: dict[str, Any] = json.loads(endpoints.list_calls(self.deepcall, body, fault).body)
        return answer


class Watcher:
    """The processes that lead, one after the other. `looks`: the lists they got; `days`: the newest numbers of each day
    by its midnight, and after how many lists they were so.

    Its snapshot is kept with every other list, so that a new leader begins from an older board than the last noted.
    """

    def __init__(self, centre: Centre, account: Account, interval_ms: int) -> None:
        self.centre, self.account, self.interval_ms = centre, account, interval_ms
        self.field_map = FieldMap.with_overrides(account.field_names, account.state_words)
        self.looks: list[Look] = []
        self.days: dict[int, tuple[int, Day]] = {}
        self.gap_ms = int(max(3 * interval_ms, 5000))
        self.waiting: dict[tuple[int, str], int] = {}  # (minute, queue) -> how many waited at once, at most
        self._chance = random.Random(3)
        self._since_saved = 0
        self._fence = 0
        self.leads()

    def leads(self) -> None:
        """A new process: all that it knows is the board that was kept."""
        self._fence += 1
        self.noted = load_board(self.account) or Board(account=self.account.pk)
        self.board = msgspec.structs.replace(self.noted, fence=self._fence, seq=0)
        self._since_saved = 1

    def listing(self, limit: int | None = None) -> Listing:
        answer = self.centre.list(limit)
        rows, total = find_rows(answer)
        assert rows is not None
        now = self.centre.at + ANSWERS_MS
        parsed = parse_rows(rows, self.field_map, self.account.time_zone, now)
        date = self.centre.at + int(self.centre.deepcall.clock_offset_s * 1000)
        return Listing(calls=parsed.calls, received=len(rows), unusable=parsed.unusable, duplicates=parsed.duplicates,
                       declared_total=total, upstream_now_ms=date // 1000 * 1000)

    def look(self, limit: int | None = None, *, dies: bool = False) -> None:
        """One list; `limit`: a shorter one, which says so. `dies`: before it is noted, but after its board was kept."""
        listing = self.listing(limit)
        self.board = msgspec.structs.replace(heard(
            self.board, listing, asked_at=self.centre.at, now=self.centre.at + ANSWERS_MS, misses=self.account.misses,
            gap_ms=self.gap_ms), interval_s=self.interval_ms / 1000)
        ids = None if listing.complete else frozenset(call.call_id for call in listing.calls)
        self.looks.append(Look(self.centre.at, ids, noted=not dies))
        self._since_saved += 1
        if dies or self._since_saved >= 2:
            self._since_saved = 0
            save_board(self.board, self.account)
        if not dies:
            self._note()
            self._count_waiting(listing)
        self._meanwhile()

    def _meanwhile(self) -> None:
        """Till the next list. Now and then a supervisor takes a call over, from an agent or out of its queue."""
        self.centre.at += MEANWHILE_MS
        world = self.centre.deepcall.catch_up()
        if world.calls and self._chance.random() < TAKEN_OVER:
            world.take_over(self._chance.choice(list(world.calls.values())), ASHA.agent_id, ASHA.name)
        self.centre.at += self.interval_ms - MEANWHILE_MS

    def _count_waiting(self, listing: Listing) -> None:
        counts = Counter(call.queue_key for call in listing.calls if call.state is CallState.WAITING)
        for queue, count in counts.items():
            place = self.centre.at // MINUTE, queue
            self.waiting[place] = max(count, self.waiting.get(place, 0))

    def _note(self) -> None:
        day = history.note_board(self.noted, self.board, self.account)
        assert day is not None
        self.noted, self.days[day.since] = self.board, (len(self.looks), day)

    def fails(self, for_ms: int) -> None:
        """DeepCall cannot be asked for so long."""
        self.board = failed(self.board, NoUsableAnswer("list", message="…"), now=self.centre.at)
        self.passes(for_ms)

    def passes(self, for_ms: int) -> None:
        """Time, in which nobody asks. In pieces that the simulator does not leave out."""
        end = self.centre.at + for_ms
        while self.centre.at < end:
            self.centre.at = min(end, self.centre.at + 5 * MINUTE)
            self.centre.deepcall.catch_up()

    def dies(self, for_ms: int, *, before_noting: bool = False) -> None:
        """As by kill -9; the next one leads after so long."""
        if before_noting:
            self.look(dies=True)
        self.passes(for_ms)
        self.leads()

    def watches(self, for_ms: int) -> None:
        end = self.centre.at + for_ms
        while self.centre.at < end:
            self.look()


def account_for(dialect: str, zone: str, targets: dict[str, int]) -> Account:
    names = DIALECTS[dialect]
    account = Account(name="Northgate", base_url="https://deepcall.example", time_zone=zone)
    if dialect != "default":
        account.field_names = {ours: [theirs] for ours, theirs in names.fields.items()}
        account.state_words = {ours: [theirs] for ours, theirs in names.words.items()}
    account.save()
    for key, seconds in targets.items():
        Queue.objects.create(account=account, key=key, name=key, target_s=seconds)
    return account
