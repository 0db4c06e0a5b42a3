"""What a takeover's state claims, held against what really happened.

The witness knows what DeepCall did and said, and every list as it was when it was taken. `look` judges each new state
as soon as the database is at rest; `check` holds what must be true at any time.
"""

from collections import Counter

from dashboard import audit, takeover
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.overlay import AttemptNews, Overlay
from dashboard.takeover_states import EDGES, OPEN, Event, State
from queue_api.calls import Call, CallState
from tests.flaky_deepcall import AGENTS, Click, Effect
from tests.takeover_lists import Delivery
from tests.takeover_stage import Stage

TWO_MINUTES_MS, ACCEPTED_MS, TOO_EARLY_MS = 120_000, 30_000, 5_000
NOTHING_DONE = frozenset({State.REFUSED, State.NOT_SENT, State.BUSY})
IDS = {name: agent for agent, name in AGENTS.items()}


class Witness:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.deepcall = stage, stage.deepcall
        self.deliveries: list[Delivery] = []
        self.known: dict[int, tuple[str, bool, int]] = {}
        self.since: dict[int, int] = {}  # when its state began
        self.last_unknown = 0
        self.news: list[AttemptNews] = []
        self.overlay = Overlay()  # of a process that missed nothing
        self._looked, self._checked = -1, (-1, 0, 0)

    def look(self) -> None:
        if self.stage.writes == self._looked:
            return
        self._looked = self.stage.writes
        fresh = takeover.news_since(self.overlay.version)
        self.news += fresh
        self.overlay.take(fresh)
        for attempt in TakeoverAttempt.objects.filter(pk__in=[news.id for news in fresh]) if fresh else ():
            before = self.known.get(attempt.pk)
            self.known[attempt.pk] = _standing(attempt)
            if before is None or before[0] != attempt.state:
                self._judge(attempt)
                self.since[attempt.pk] = self.stage.clock.ms

    def _judge(self, attempt: TakeoverAttempt) -> None:
        if attempt.state == State.UNKNOWN:
            self.last_unknown = self.stage.clock.ms
        claims = {State.ACCEPTED: self._accepted, State.CONFIRMED: self._confirmed, State.ENDED: self._ended,
                  State.NOT_CONFIRMED: self._not_confirmed, State.ABANDONED: self._abandoned}
        if (claim := claims.get(State(attempt.state))) is not None:
            claim(attempt)

    # ── what each state claims ─────────────────────────────────────────────────────────────────────
    def _accepted(self, attempt: TakeoverAttempt) -> None:
        assert (_click(attempt), "success") in self.deepcall.posts, "accepted, and DeepCall never said so"

    def _confirmed(self, attempt: TakeoverAttempt) -> None:
        newest = self.deliveries[-1]
        row = newest.rows.get(attempt.call_key)
        assert newest.asked_at > self.stage.sent_at[_click(attempt)], "confirmed by a list from before it was sent"
        assert row is not None, "confirmed by a list that does not have the call"
        assert _who(row.agent_id, row.agent_name) not in ("", _before(attempt)), "confirmed with the old agent"
        assert (attempt.agent_after, attempt.agent_after_name) == (row.agent_id, row.agent_name)

    def _ended(self, attempt: TakeoverAttempt) -> None:
        newest = self.deliveries[-1]
        assert newest.asked_at > self.stage.sent_at[_click(attempt)], "ended by a list from before it was sent"
        assert newest.complete, "ended by a list that leaves calls out"
        assert attempt.call_key not in newest.rows, "ended, and the newest list has the call"

    def _not_confirmed(self, attempt: TakeoverAttempt) -> None:
        click, key = _click(attempt), attempt.call_key
        over = self.deepcall.ended_at.get(click, self.stage.sent_at[click])
        late = {one.asked_at: one for one in self.deliveries
                if one.asked_at >= over + TOO_EARLY_MS and _old_agent(attempt, one.rows.get(key))}
        assert len(late) >= 2, "not confirmed without two late lists with the old agent"
        moved, newest = self._effect_of(click), max(one.as_of for one in late.values())
        if moved is not None and self._stayed_away(attempt, moved.at, newest):
            blind = [one for one in late.values() if one.as_of < moved.at]
            assert len(blind) >= 2, "not confirmed, and it had moved before the lists were asked for"

    def _abandoned(self, attempt: TakeoverAttempt) -> None:
        waited = self.stage.clock.ms - self.since[attempt.pk]
        assert waited >= TWO_MINUTES_MS, f"abandoned after {waited} ms"

    def _effect_of(self, click: Click) -> Effect | None:
        return next((effect for effect in self.deepcall.effects if effect.click == click), None)

    def _stayed_away(self, attempt: TakeoverAttempt, since: int, until: int) -> bool:
        """Whether from `since` to `until` the call was never (back) with the agent it was with before."""
        turns = [at for at, _agent in self.deepcall.history[attempt.call_key] if since <= at <= until]
        return not any(_old_agent(attempt, row) for at in (since, *turns)
                       for row in self.deepcall.rows(at, "whole") if row.key == attempt.call_key)

    # ── what holds at any time ─────────────────────────────────────────────────────────────────────
    def check(self) -> None:
        """All of it, unless nothing was written and nothing moved since the last time."""
        now = (self.stage.writes, len(self.deepcall.effects), len(self.stage.broken))
        if now == self._checked:
            return
        self._checked = now
        self.look()
        attempts = list(TakeoverAttempt.objects.all())
        assert {attempt.pk: _standing(attempt) for attempt in attempts} == self.known, "changed, and no version grew"
        self._one_click_moves_a_call_once_and_has_its_attempt(attempts)
        self._one_attempt_of_a_call_is_open_and_alone_goes_out(attempts)
        self._what_is_not_settled_is_open(attempts)
        self._what_moved_is_not_called_undone(attempts)
        self._the_record_is_whole(attempts)
        self._news_in_any_order_are_one_picture()

    def _one_click_moves_a_call_once_and_has_its_attempt(self, attempts: list[TakeoverAttempt]) -> None:
        moved = Counter(effect.click for effect in self.deepcall.effects)
        assert max(moved.values(), default=0) <= 1, f"moved twice by one click: {moved}"
        assert moved.keys() <= {_click(attempt) for attempt in attempts}, "moved without an attempt"

    def _one_attempt_of_a_call_is_open_and_alone_goes_out(self, attempts: list[TakeoverAttempt]) -> None:
        still_open = Counter(attempt.call_key for attempt in attempts if attempt.is_open)
        assert max(still_open.values(), default=0) <= 1, f"open attempts: {still_open}"
        assert not self.stage.broken, self.stage.broken[0]

    def _what_is_not_settled_is_open(self, attempts: list[TakeoverAttempt]) -> None:
        for attempt in attempts:
            free = self.stage.clock.ms - self.since[attempt.pk] >= ACCEPTED_MS and attempt.state == State.ACCEPTED
            assert attempt.is_open == (attempt.state in OPEN) or free, f"{attempt.state}, and open is {attempt.is_open}"

    def _what_moved_is_not_called_undone(self, attempts: list[TakeoverAttempt]) -> None:
        for attempt in attempts:
            moved = self._effect_of(_click(attempt)) if attempt.state in NOTHING_DONE else None
            assert moved is None, f"called {attempt.state}, and it moved the call: {moved}"

    def _the_record_is_whole(self, attempts: list[TakeoverAttempt]) -> None:
        assert list(audit.problems()) == []
        assert _told() == {attempt.pk: attempt.state for attempt in attempts}, "the record does not end as the rows do"

    def _news_in_any_order_are_one_picture(self) -> None:
        cold, mixed, half = Overlay(), Overlay(), len(self.news) // 2
        cold.take(takeover.news_since(0))
        mixed.take([*self.news[half:], *reversed(self.news), *self.news[:half]])
        for overlay in (self.overlay, mixed):
            same = (overlay.by_call, overlay.by_actor, overlay.version) == (cold.by_call, cold.by_actor, cold.version)
            assert same, "the order of the news shows in the overlay"


def _click(attempt: TakeoverAttempt) -> Click:
    return Click(attempt.actor_id, attempt.key, attempt.call_key)


def _standing(attempt: TakeoverAttempt) -> tuple[str, bool, int]:
    return attempt.state, attempt.is_open, attempt.version


def _who(agent_id: str, agent_name: str) -> str:
    """The one agent behind whatever a row tells of it; "" for nobody, or nothing told."""
    return agent_id or IDS.get(agent_name, "")


def _before(attempt: TakeoverAttempt) -> str:
    return _who(attempt.agent_before, attempt.agent_before_name)


def _old_agent(attempt: TakeoverAttempt, row: Call | None) -> bool:
    """Whether the row shows the agent of before: the same one, or still nobody on a call that waits."""
    if row is None or _who(row.agent_id, row.agent_name) != _before(attempt):
        return False
    return bool(_before(attempt)) or row.state == CallState.WAITING


def _told() -> dict[int | None, str]:
    """The states in which the record leaves the attempts, each line being a way of the table from the line before."""
    states: dict[int | None, str] = {}
    lines = AuditEvent.objects.exclude(attempt_id=None).exclude(kind="takeover.late-answer").order_by("seq")
    for attempt, kind, detail in lines.values_list("attempt_id", "kind", "detail"):
        to, known = kind.removeprefix("takeover."), states.get(attempt)
        expected = EDGES.get((State(known), Event(detail["event"]))) if known else State.INTENT
        assert to == expected, f"a line of {attempt} leads from {known} to {to}"
        states[attempt] = to
    return states
