"""No gap survives: whatever was lost, doubled, late or killed, every screen ends as a fresh one, in every attribute.

Stories are random and repeatable by their seed (`live_story`); the live path in them is real (`live_model`). On the way

    a layer loses 30 % of all messages, doubles 10 %, delays 10 % by seconds, refuses or hangs · processes die, stop in
    order, freeze, and what an old leader said comes after the new one's · the database is away or slow · lists fail,
    lack calls, come late · screens do not read, answer late, break off, come and go · rights, queues, walls and
    accounts change · people take calls over

and afterwards, within one tick and one frame of the first good list, every screen equals a fresh render, row by row
and attribute by attribute, has been told of its person's takeovers, and shows every account as fresh. Meanwhile no
screen is sent a foreign queue's call or a number it may not see, no number goes back, and rows shown as fresh are
exactly those of the list whose age the screen shows.
"""

import logging
import os
from collections import Counter

import pytest

from tests.live_story import Stage

pytestmark = pytest.mark.django_db
STORIES = 1000 if os.environ.get("CALLBOARD_LONG") else 16

logger = logging.getLogger(__name__)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def test_after_every_story_every_screen_equals_a_fresh_one(stage: Stage) -> None:
    told: Counter[str] = Counter()
    longest_s = 0.0
    for seed in range(STORIES):
        world = stage.tell(seed)
        told += world.counted()
        longest_s = max(longest_s, world.took_s)
    logger.info("%s stories: %s; every screen right %.1f s at most after the first good list", STORIES, dict(told),
                longest_s)
    for what in ("lost", "deaths", "attempts", "resyncs", "moves", "refused"):
        assert told[what], f"the stories are too quiet: {told}"
