"""What lists cannot tell, measured: `python -m tests.sampling` prints the table of docs/numbers-checked.md.

A seeded day of the simulated centre, looked at every 2, 5 and 10 seconds; and a day of callers who hang up early, as
who has dialled a wrong number: 12 a minute, who stay for 1 to 15 seconds.
"""

import random
import sys
from functools import lru_cache

from queue_api.simulator.story import StoryWorld
from queue_api.simulator.truth import Life
from tests.reckoning import Look, Rules, blind_spots

BEGINS, DAY_MS, STEP_MS = 1_774_722_600_000, 86_400_000, 60_000
INTERVALS_S = (2, 5, 10)
HEAD = ("| lists every | calls | never seen | answered, not seen | wait of the unanswered | talk |\n"
        "| --- | --- | --- | --- | --- | --- |")


@lru_cache
def a_day() -> list[Life]:
    world = StoryWorld(seed=16, calls=24, start_ms=BEGINS)
    for now in range(BEGINS, BEGINS + DAY_MS, STEP_MS):
        world.advance(now)
    return world.truth.lives


def hasty() -> list[Life]:
    """Callers who hang up early."""
    chance, lives = random.Random(16), list[Life]()
    for number in range(DAY_MS // 5000):
        came = BEGINS + number * 5000 + chance.randrange(5000)
        lives.append(Life(f"hasty-{number}", "301", "IBD", came, came, ended_ms=came + chance.randrange(1000, 15_000),
                          how="gave_up"))
    return lives


def row(lives: list[Life], interval_s: int) -> str:
    looks = [Look(at) for at in range(BEGINS, BEGINS + DAY_MS, interval_s * 1000)]
    spots = blind_spots(lives, looks, Rules(max(3 * interval_s, 5) * 1000, "UTC", whole_seconds=False, target_s={}))
    never, missed = (f"{count} ({100 * count / spots.offered:.2f} %)" for count in (
        spots.never_shown, spots.answer_missed))
    wait, talk = (f"± {error / 1000:.2f} s ({bias / 1000:+.2f} s)" if error else "–" for error, bias in (
        (spots.wait_error_ms, spots.wait_bias_ms), (spots.talk_error_ms, spots.talk_bias_ms)))
    return f"| {interval_s} s | {spots.offered:,} | {never} | {missed} | {wait} | {talk} |"


def table(lives: list[Life]) -> str:
    return "\n".join([HEAD, *(row(lives, interval_s) for interval_s in INTERVALS_S)])


if __name__ == "__main__":
    sys.stdout.write(f"{table(a_day())}\n\n{table(hasty())}\n")
