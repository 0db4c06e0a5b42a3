"""The takeover service against a DeepCall that fails in every way, with crashes, lists and time at any moment.

Hypothesis makes the story; `takeover_stage` runs the real service in it, `takeover_lists` plays the poller,
`flaky_deepcall` is the other side, and `takeover_claims` holds what the states claim against what really happened:

    one click moves a call at most once · at most one open attempt per call, and nobody else's click goes out meanwhile
    no effect without a committed attempt · what moved is never called refused, not sent or busy, nor unmoved by lists
    that could have known · accepted, confirmed and ended only on evidence · news in any order are one picture
    the record is whole · nothing stays open longer than two minutes after the last unknown began
"""

import os
import sys
from contextlib import ExitStack
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dashboard.board import Board
from dashboard.models import TakeoverAttempt
from dashboard.reconcile import age, reconcile
from queue_api.models import Account
from tests.flaky_deepcall import AGENTS, LAG_S, SCRIPTS, SUCCESS, Click, Step
from tests.takeover_claims import TWO_MINUTES_MS, Witness
from tests.takeover_lists import Delivery, Poller
from tests.takeover_stage import DANGEROUS, OUTSIDE, POINTS, Crash, Run, Stage, set_up

pytestmark = pytest.mark.django_db
LONG = bool(os.environ.get("CALLBOARD_LONG"))
STEPS, TICK_S = 12, 4
CALLS = ("c-1", "c-2", "c-3", "c-4")  # the last one comes later


class Interruption(msgspec.Struct, frozen=True):
    """What happens at one point of a click: the end of its process, or time, a list and somebody else's click."""

    point: str
    dies: bool = True
    seconds: int = 0
    aged: bool = False
    listed: bool = False
    rival: bool = False


PEOPLE, KEYS = st.integers(0, 2), st.sampled_from(CALLS[:3] * 2 + CALLS[3:])
DEATHS = st.builds(Interruption, st.sampled_from([*POINTS, *DANGEROUS]))
MEANWHILE = st.builds(Interruption, st.sampled_from(OUTSIDE), st.just(False), st.sampled_from([0, 3, 6, 21, 40]),
                      st.booleans(), st.booleans(), st.booleans())
WORDINGS = st.sampled_from(["whole", "whole", "whole", "ids", "names", "no agents"])
LEFT_OUT = st.none() | st.none() | st.sampled_from([*CALLS, "nothing"])  # None: the list is complete
Move = tuple[str, str | None]
NOTHING, MOSTLY = st.none(), st.sampled_from([True, True, True, False])
MOVES = st.tuples(st.sampled_from(CALLS), st.none() | st.sampled_from(sorted(AGENTS)))
PROCESSES = st.sampled_from(["the web process", "the poller wakes up", "the poller", "the poller and its version"])


class Takeovers(RuleBasedStateMachine):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self._undone = ExitStack()
        self._undone.enter_context(stage.opened())
        self.deepcall, self.clock, self.witness = stage.deepcall, stage.clock, Witness(stage)
        stage.notice = self.witness.look
        self.poller = Poller(stage, self._look_up)
        self.clicks: list[Click] = []

    @initialize(lists_go_on=st.booleans())
    def a_board_is_there(self, lists_go_on: bool) -> None:
        """`lists_go_on`: whether any come after the last step of the story."""
        self.lists_go_on = lists_go_on
        self.poller.ask()
        self.poller.hear()

    # ── clicks ─────────────────────────────────────────────────────────────────────────────────────
    @rule(person=PEOPLE, call=KEYS, script=SCRIPTS)
    def click(self, person: int, call: str, script: tuple[Step, ...]) -> None:
        self._play(self._fresh(person, call), script)

    @rule(person=PEOPLE, call=KEYS, script=SCRIPTS, interruption=DEATHS | MEANWHILE)
    def click_interrupted(self, person: int, call: str, script: tuple[Step, ...], interruption: Interruption) -> None:
        self._play(self._fresh(person, call), script, interruption)

    @precondition(lambda self: self.clicks)
    @rule(which=st.integers(0, 9), person=st.none() | PEOPLE, script=SCRIPTS)
    def click_again(self, which: int, person: int | None, script: tuple[Step, ...]) -> None:
        """An earlier key once more, by the same person (None) or perhaps by another with the same key."""
        click = self.clicks[which % len(self.clicks)]
        self._play(click if person is None else click._replace(person=self.stage.people[person].pk), script)

    def _fresh(self, person: int, call: str) -> Click:
        self.clicks.append(Click(self.stage.people[person].pk, f"{len(self.clicks):032x}", call))
        return self.clicks[-1]

    def _play(self, click: Click, script: tuple[Step, ...], what: Interruption | None = None) -> None:
        run = Run(click, what.point, lambda: self._interrupt(what, click)) if what else Run(click)
        try:
            self.stage.click(run, script)
        except Crash:
            self.stage.restart()

    def _interrupt(self, what: Interruption, click: Click) -> None:
        if what.dies:
            raise Crash(what.point)
        self._wait(what.seconds, what.aged)
        if what.listed:
            self.poller.ask()
            self.poller.hear()
        if what.rival:
            person = [user.pk for user in self.stage.people].index(click.person)
            self._play(self._fresh((person + 1) % 3, click.call), SUCCESS)

    # ── lists, time, and everything else ───────────────────────────────────────────────────────────
    @rule(after_s=st.sampled_from([0, 1, 2, 5, 6]), moved=NOTHING | MOVES, lag_s=st.sampled_from(LAG_S),
          wording=WORDINGS, left_out=LEFT_OUT, comes=MOSTLY, shown=MOSTLY, in_time=MOSTLY)
    def a_list(self, after_s: int, moved: Move | None, lag_s: int, wording: str, left_out: str | None, comes: bool,
               shown: bool, in_time: bool) -> None:
        """Is asked for, unless one is still awaited; and comes, or is awaited from now on."""
        self.clock.wait(after_s)
        if moved:
            self.deepcall.moves(*moved)
        self.poller.ask(lag_s, wording, left_out)
        if comes:
            self.poller.hear(shown, in_time)

    def _look_up(self, delivery: Delivery, board: Board) -> None:
        self.witness.look()
        self.witness.deliveries.append(delivery)
        reconcile(board)
        self.witness.look()

    @rule(seconds=st.sampled_from([0, 1, 5, 11, 21, 31, 61, 121]), aged=MOSTLY, what=NOTHING | MOVES | PROCESSES)
    def meanwhile(self, seconds: int, aged: bool, what: Move | str | None) -> None:
        """Time; an agent takes a call, or (None) its caller hangs up; a process of ours begins anew, or wakes up."""
        self._wait(seconds, aged)
        if isinstance(what, tuple):
            self.deepcall.moves(*what)
        elif what == "the web process":
            self.stage.restart()
        elif what == "the poller wakes up":
            self.poller.wakes_up()
        elif what:
            self.poller.leads_anew(knows_what_was_kept=what == "the poller")

    def _wait(self, seconds: float, aged: bool) -> None:
        self.clock.wait(seconds)
        if aged:
            age(self.stage.account.pk)

    # ── what must hold ─────────────────────────────────────────────────────────────────────────────
    @invariant()
    def claims_hold(self) -> None:
        self.witness.check()

    def teardown(self) -> None:
        with self._undone:
            if sys.exc_info()[0] is None:
                self._everything_closes()

    def _everything_closes(self) -> None:
        began = self.clock.ms
        while TakeoverAttempt.objects.filter(is_open=True).exists():
            self._tick()
            last = max(began, self.witness.last_unknown)
            assert self.clock.ms <= last + TWO_MINUTES_MS + TICK_S * 1000, "open for longer than two minutes"
        self.claims_hold()

    def _tick(self) -> None:
        """What a poller does all the time; when DeepCall is down for good, time alone is left."""
        self._wait(TICK_S, aged=True)
        if self.lists_go_on:
            self.poller.ask()
            self.poller.hear()
        self.witness.look()


@pytest.fixture
def stage(account: Account, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(account)
    set_up(monkeypatch, stage)
    return stage


def run(stage: Stage, examples: int, **options: Any) -> None:
    chosen = settings(max_examples=examples, stateful_step_count=STEPS, deadline=None,
                      suppress_health_check=[HealthCheck.too_slow], **options)
    machine: Any = lambda: Takeovers(stage)  # noqa: E731 - hypothesis's types know classes alone
    run_state_machine_as_test(machine, settings=chosen)


def test_no_story_makes_a_takeover_claim_what_is_not_so(stage: Stage) -> None:
    if LONG:
        run(stage, 2000, print_blob=True)
    else:
        run(stage, 40, derandomize=True)
