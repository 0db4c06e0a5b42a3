"""Two masked supervisors of disjoint queues, one with whole numbers of a third and a wall, recorded through churn,
takeovers, holds, dropped lines and a crash: what each was sent holds nobody they should not know (S17, S27, G11)."""

import itertools
import json
import os
import re
import time
from collections.abc import Iterator

import pytest

from tests.caller_canaries import marks_in, numbers_in
from tests.masking_stage import DESKS, HERON, QUOKKA, WALRUS, Site, Viewer, lines
from tests.tabs import beside

pytestmark = pytest.mark.processes
LONG = bool(os.environ.get("CALLBOARD_LONG"))
SECONDS = 60 if LONG else 8
KEPT = 6  # live calls of a queue
STEP_S = 0.1


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site after all of it. Its programs run on."""
    site = Site(tmp_path_factory.mktemp("callboard"))
    try:
        site.open()
        for queue in DESKS:
            for _ in range(KEPT):
                site.come(queue)
        with beside() as here:
            here.start(*(viewer.watch(site.serve.port, site.chance) for viewer in site.viewers.values()))
            churn(site)
        yield site
    finally:
        site.close()


def churn(site: Site) -> None:
    sol, bea = site.viewers["sol"], site.viewers["bea"]
    crashes = iter([SECONDS / 2] if LONG else [])
    crash_at = next(crashes, None)
    began = time.monotonic()
    for step in itertools.count():
        elapsed = time.monotonic() - began
        if elapsed > SECONDS and step > 40:
            return
        queue = list(DESKS)[step % 3]
        site.come(queue)
        site.change(queue)
        if len(site.live[queue]) > KEPT:
            site.go(queue)
        look_around(site, step)
        if step % 8 == 0:
            act(site, sol, bea, step)
        if crash_at is not None and elapsed > crash_at:
            site.crash()
            crash_at = next(crashes, None)
        time.sleep(STEP_S)  # the pace of a busy centre


def look_around(site: Site, step: int) -> None:
    viewer = list(site.viewers.values())[step % 4]
    viewer.look("/wall/" if viewer.name == "wall" else "/me/" if step % 20 == 0 else "/")


def act(site: Site, sol: Viewer, bea: Viewer, step: int) -> None:
    """Takeovers by both, one refused in DeepCall's words; a number is held, and others are tried that may not be."""
    own, other = site.live[QUOKKA][-3], site.live[WALRUS][-3]
    mine, theirs = site.ref(sol, own), site.ref(bea, other)
    if step % 16 == 0:
        site.refuse(own if mine else other)
    for viewer, ref in ((sol, mine), (bea, theirs)):
        if ref:
            viewer.take(ref)
    if mine and theirs:
        assert sol.hold(mine) in (200, 404, 429)  # it may have ended just now
        assert (sol.hold(theirs), bea.hold(theirs), bea.hold(mine)) == (404, 403, 403)


# ── it was a real run ──────────────────────────────────────────────────────────────────────────────
def test_everybody_was_sent_enough_to_prove_something(recorded: Site) -> None:
    for viewer in recorded.viewers.values():
        assert viewer.connections >= 3, viewer.name
        assert len(viewer.frames) >= 15, viewer.name  # 19 were seen on a busy machine
        assert len(viewer.answers) >= 5, viewer.name
        assert any(b'"full":true' in frame for frame in viewer.frames), viewer.name
    assert len(recorded.logs) == (2 if LONG else 1)
    assert {"takeover.intent", "takeover.accepted", "takeover.refused", "number.revealed", "number.denied"} <= {
        line["kind"] for line in lines(recorded)}


def test_their_own_canaries_are_found_so_that_not_finding_the_others_means_something(recorded: Site) -> None:
    for viewer in recorded.viewers.values():
        own = [one for one in recorded.canaries if one.queue in viewer.scope]
        marks = marks_in(viewer.sent(), own)
        assert viewer.scope <= marks, viewer.name
        assert len({one.ending for one in own} & marks) >= 5 or viewer.name == "fay"
        if viewer.name != "wall":
            assert len({one.name for one in own} & marks) >= 5, viewer.name
    fay = recorded.viewers["fay"]
    assert len(numbers_in(fay.sent(), recorded.canaries)) >= 5
    assert "cannot be moved" in recorded.viewers["sol"].sent() + recorded.viewers["bea"].sent()


# ── and nobody was sent what is not theirs ─────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["sol", "bea", "wall"])
def test_no_masked_viewer_was_sent_seven_digits_of_any_number(recorded: Site, name: str) -> None:
    assert numbers_in(recorded.viewers[name].sent(), recorded.canaries) == set()


def test_who_sees_whole_numbers_was_sent_those_of_the_own_queue_alone(recorded: Site) -> None:
    found = numbers_in(recorded.viewers["fay"].sent(), recorded.canaries)
    assert {one.queue for one in found} == {HERON}


@pytest.mark.parametrize("name", ["sol", "bea", "fay", "wall"])
def test_nothing_of_a_foreign_queue_was_sent_to_anybody(recorded: Site, name: str) -> None:
    viewer = recorded.viewers[name]
    others = [one for one in recorded.canaries if one.queue not in viewer.scope]
    assert others
    assert marks_in(viewer.sent(), others) == set()


def test_a_wall_was_sent_no_name_no_agent_and_no_call(recorded: Site) -> None:
    wall = recorded.viewers["wall"]
    endings = {one.ending for one in recorded.canaries if one.queue in wall.scope}
    assert marks_in(wall.sent(), recorded.canaries) <= endings | wall.scope


def test_held_numbers_are_of_the_own_queue_and_each_is_on_record(recorded: Site) -> None:
    sol, bea = recorded.viewers["sol"], recorded.viewers["bea"]
    assert sol.shown
    assert set(sol.shown) <= {one.spelled for one in recorded.canaries if one.queue == QUOKKA}
    assert bea.shown == []
    written = [line for line in lines(recorded) if line["kind"] == "number.revealed"]
    digits = [re.sub(r"\D", "", number)[-4:] for number in sol.shown]
    assert [line["detail"]["caller_last4"] for line in written] == digits
    assert {line["actor_name"] for line in written} == {"Sol"}


# ── nor does anything tell it afterwards ───────────────────────────────────────────────────────────
def test_neither_the_logs_nor_the_record_hold_a_number(recorded: Site) -> None:
    logs = "\nend\n".join(path.read_text() for path in recorded.logs)
    assert "takeover" in logs
    assert numbers_in(logs, recorded.canaries) == set()
    assert not [one.name for one in recorded.canaries if one.name in logs]
    assert numbers_in("\nend\n".join(json.dumps(line) for line in lines(recorded)), recorded.canaries) == set()
