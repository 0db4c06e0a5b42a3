"""Letters on a wall: as large as the eye needs at its distance."""

import pytest

from dashboard.wall_type import letter_px


@pytest.mark.parametrize(("diagonal_in", "distance_m", "px"), [
    (43, 3, 50), (55, 3, 39), (65, 3, 33), (43, 5, 84), (55, 5, 66), (65, 5, 55),
    (43, 8, 134), (55, 8, 105), (65, 8, 89),
])
def test_a_letter_is_seen_at_twenty_arc_minutes(diagonal_in: float, distance_m: float, px: int) -> None:
    assert letter_px(diagonal_in, distance_m) == pytest.approx(px, abs=1)
