"""`kill -9` at each point of a takeover, in the real `serve` (`tests/crashing.py`), while another process goes on.

Whatever was begun is on record afterwards, no call moved twice, and within two minutes each attempt says what is true.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.crash_site import DOES, EACH, RESOLVED_S, Attempt, Site, crashed_site
from tests.crashing import POINTS
from tests.processes import manage

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with crashed_site(tmp_path_factory.mktemp("crashes")) as site:
        yield site


@pytest.fixture(scope="module")
def attempts(site: Site) -> dict[str, Attempt]:
    return site.attempts()


@pytest.fixture(scope="module")
def posts(site: Site) -> dict[str, list[bool]]:
    """By call: of each request that reached DeepCall, whether it moved the call."""
    posts: dict[str, list[bool]] = {call: [] for call in ("no-row", *(crash.call for crash in site.crashes))}
    for entry in site.deepcall.journal():
        posts.setdefault(entry["body"]["callId"], []).append(entry["effect"])
    return posts


def calls_of(*points: str) -> list[str]:
    return [f"{point}-{number}" for point in points for number in range(EACH)]


# ── what each point leaves behind ──────────────────────────────────────────────────────────────────
def test_killed_before_the_intent_is_committed_nothing_is_left_and_nothing_went_out(
        site: Site, attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    for call in calls_of("writing"):
        assert (call in attempts, posts[call]) == (False, [])
        assert site.asked(f"SELECT 1 FROM dashboard_auditevent WHERE call_ref LIKE '%{call}'") == []


def test_killed_after_the_intent_it_was_not_sent(
        attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    for call in calls_of("intent"):
        assert attempts[call][:4] == ("not-sent", False, "interrupted", ("intent", "not-sent"))
        assert posts[call] == []


def test_killed_after_it_was_marked_as_sent_the_lists_show_that_it_did_not_move(
        attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    for call in calls_of("sent"):
        assert attempts[call][:2] == ("not-confirmed", False)
        assert attempts[call].lines == ("intent", "sent", "unknown", "not-confirmed")
        assert posts[call] == []


@pytest.mark.parametrize("point", ["bytes", "answer"])
def test_killed_between_its_bytes_and_its_outcome_the_lists_tell_whether_it_moved(
        point: str, attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    for call in calls_of(point):
        settled = "confirmed" if any(posts[call]) else "not-confirmed"
        assert attempts[call][:2] == (settled, False)
        assert attempts[call].lines == ("intent", "sent", "unknown", settled)


def test_killed_after_its_outcome_what_deepcall_said_is_kept(
        attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    ways = {(any(posts[call]), attempts[call].lines[2:]) for call in calls_of("outcome")}
    assert ways == {
        (True, ("accepted", "confirmed")), (False, ("unknown", "not-confirmed")), (False, ("refused",)),
        (True, ("unknown", "confirmed"))}
    assert all(attempts[call].state == attempts[call].lines[-1] for call in calls_of("outcome"))


def test_what_the_database_does_not_take_is_not_sent_or_is_told_by_the_lists(
        site: Site, attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    no_row, no_outcome = site.refused
    assert (no_row.status, no_row.cell) == (503, "not-sent")
    assert ("no-row" in attempts, posts["no-row"]) == (False, [])
    assert (no_outcome.status, no_outcome.cell) == (202, "unknown")
    assert attempts["no-outcome"].lines == ("intent", "sent", "unknown", "confirmed")
    assert posts["no-outcome"] == [True]


# ── and what holds at every point ──────────────────────────────────────────────────────────────────
def test_no_call_moved_twice_and_each_that_moved_has_its_record(
        attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    for call, effects in posts.items():
        assert effects.count(True) <= 1
        assert len(effects) <= 1 or effects == [False, True]  # asked again after 1501 alone
        assert not effects or call in attempts
    tried = {point: {any(posts[call]) for call in calls_of(point)} for point in DOES}
    assert all(moved == {True, False} for moved in tried.values())  # else the cases above would prove little


def test_within_two_minutes_every_attempt_says_what_is_true(
        attempts: dict[str, Attempt], posts: dict[str, list[bool]]) -> None:
    assert {call: attempt.state for call, attempt in attempts.items() if any(posts[call])} == dict.fromkeys(
        (call for call in posts if any(posts[call])), "confirmed")
    stayed = Counter(attempt.state for call, attempt in attempts.items() if not any(posts[call]))
    assert stayed.keys() == {"not-sent", "not-confirmed", "refused"}
    assert max(attempt.took_s for attempt in attempts.values()) <= RESOLVED_S


def test_every_record_begins_with_the_intent_and_is_in_order(site: Site, attempts: dict[str, Attempt]) -> None:
    assert all(attempt.lines[0] == "intent" for attempt in attempts.values())
    assert "in order" in manage(site.data, "verify_audit")
    assert len(attempts) == 5 * EACH + 1  # of the points all but the first


def test_the_same_click_again_gets_what_became_of_it_and_sends_nothing(
        site: Site, attempts: dict[str, Attempt]) -> None:
    before = len(site.deepcall.journal())
    for crash in site.crashes:
        if crash.call in attempts:
            told = site.asha.click(site.ref(crash.call), crash.key)
            assert (told.status, told.notice) == (200, attempts[crash.call].state)
    assert len(site.deepcall.journal()) == before


def test_the_process_that_went_on_met_no_error(site: Site) -> None:
    assert "Traceback" not in site.healthy.log.read_text()


def test_every_point_was_reached(site: Site) -> None:
    assert {crash.point for crash in site.crashes} == set(POINTS)
