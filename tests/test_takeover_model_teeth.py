"""The takeover model has teeth: each mistake that could be made in the service is made here, and the model finds it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase

from dashboard import audit, generation, reconcile, takeover, takeover_states
from dashboard.models import TakeoverAttempt
from dashboard.takeover_states import Event, State
from queue_api.errors import NoUsableAnswer, QueueApiError
from queue_api.tries import Tries
from tests.takeover_stage import Stage
from tests.test_takeover_model import run, stage  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db
EXAMPLES = 1000
Mistake = Callable[[pytest.MonkeyPatch], None]


# ── asking ─────────────────────────────────────────────────────────────────────────────────────────
def a_lost_answer_is_asked_again(patch: pytest.MonkeyPatch) -> None:
    pause_s = Tries.pause_s

    def again(tries: Tries, error: QueueApiError) -> float | None:
        return 0 if type(error) is NoUsableAnswer and tries.count < 3 else pause_s(tries, error)

    patch.setattr(Tries, "pause_s", again)


def the_clicks_key_counts_for_nothing(patch: pytest.MonkeyPatch) -> None:
    def another(key: str) -> str:
        return f"{TakeoverAttempt.objects.count():032d}" if TakeoverAttempt.objects.filter(key=key).exists() else key

    patch.setattr(takeover, "same_click", lambda *_: None)
    patch.setattr(takeover, "clean_key", another)


def what_is_open_holds_up_nobody(patch: pytest.MonkeyPatch) -> None:
    begin = takeover.begin

    def pushing_in(viewer: Any, account: Any, live: Any, *args: Any, **kwargs: Any) -> TakeoverAttempt:
        in_the_way = TakeoverAttempt.objects.filter(call_key=live.call.key, is_open=True)
        in_the_way.update(is_open=False, version=generation.bump(generation.TAKEOVER))
        return begin(viewer, account, live, *args, **kwargs)

    patch.setattr(takeover, "begin", pushing_in)


def it_is_not_marked_as_sent_before_asking(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(takeover, "mark_sent", lambda _attempt: True)


# ── what answers mean ──────────────────────────────────────────────────────────────────────────────
def a_lost_answer_is_called_refused(patch: pytest.MonkeyPatch) -> None:
    event_of = takeover_states.event_of

    def hopeful(outcome: Any) -> Event:
        event = event_of(outcome)
        return Event.REFUSAL if event is Event.NO_USABLE_ANSWER else event

    patch.setattr(takeover, "event_of", hopeful)


def the_vendors_own_trouble_is_called_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("queue_api.client.VENDOR_SIDE_CODES", frozenset())


def not_found_after_busy_is_called_refused(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tries, "seen_whole", lambda _tries, error: error)


def what_was_sent_and_left_behind_is_called_not_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(takeover_states.EDGES, (State.SENT, Event.OUT_OF_TIME), State.NOT_SENT)


# ── what lists mean ────────────────────────────────────────────────────────────────────────────────
def one_early_list_is_enough_for_not_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "UNMOVED_LISTS", 1)
    patch.setattr(reconcile, "SETTLE_MS", -60_000)


def two_early_lists_are_enough_for_not_confirmed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "SETTLE_MS", 0)


def a_list_from_before_it_was_sent_is_evidence(patch: pytest.MonkeyPatch) -> None:
    look_up = reconcile._look_up

    def too_soon(attempt: TakeoverAttempt, *args: Any) -> bool:
        attempt.sent_at = datetime(2000, 1, 1, tzinfo=UTC)
        return look_up(attempt, *args)

    patch.setattr(reconcile, "_look_up", too_soon)


def unknown_stays_open_for_longer(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(takeover_states.TIME_S, State.UNKNOWN, 200)


# ── record and news ────────────────────────────────────────────────────────────────────────────────
def a_change_keeps_its_version(patch: pytest.MonkeyPatch) -> None:
    bump = generation.bump
    patch.setattr(generation, "bump", lambda name: 1 if name == generation.TAKEOVER else bump(name))


def a_line_is_left_out(patch: pytest.MonkeyPatch) -> None:
    record = audit.record
    patch.setattr(audit, "record", lambda kind, **fields: kind == "takeover.unknown" or record(kind, **fields))


def the_overlay_takes_what_comes_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("dashboard.overlay._is_newer", lambda _news, _known: True)


SLOW = {the_clicks_key_counts_for_nothing, the_vendors_own_trouble_is_called_refused,
        what_was_sent_and_left_behind_is_called_not_sent, two_early_lists_are_enough_for_not_confirmed}  # to be found
MISTAKES: list[tuple[Mistake, str]] = [
    (a_lost_answer_is_asked_again, "moved twice by one click"),
    (the_clicks_key_counts_for_nothing, "moved twice by one click|reached DeepCall while open"),
    (what_is_open_holds_up_nobody, "and open is False|reached DeepCall while open"),
    (it_is_not_marked_as_sent_before_asking, "reached DeepCall while open"),
    (a_lost_answer_is_called_refused, "called refused, and it moved the call"),
    (the_vendors_own_trouble_is_called_refused, "called refused, and it moved the call"),
    (not_found_after_busy_is_called_refused, "called refused, and it moved the call"),
    (what_was_sent_and_left_behind_is_called_not_sent, "called not-sent, and it moved the call"),
    (one_early_list_is_enough_for_not_confirmed, "not confirmed without two late lists"),
    (two_early_lists_are_enough_for_not_confirmed, "not confirmed without two late lists"),
    (a_list_from_before_it_was_sent_is_evidence, "by a list from before it was sent"),
    (unknown_stays_open_for_longer, "open for longer than two minutes"),
    (a_change_keeps_its_version, "no version grew"),
    (a_line_is_left_out, "leads from sent to|does not end as the rows do"),
    (the_overlay_takes_what_comes_last, "the order of the news shows"),
]


@pytest.mark.parametrize(("mistake", "found"), [
    pytest.param(*both, id=both[0].__name__, marks=[pytest.mark.long] if both[0] in SLOW else []) for both in MISTAKES])
def test_the_model_finds(
    mistake: Mistake, found: str, stage: Stage, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    mistake(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        run(stage, EXAMPLES, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)
