"""The figures of a stretch of one queue's day, in the order in which page, table and CSV show them. Pure.

What the board shows too is defined in definitions.py and reckoned in day_numbers.py; only what is of this page alone is
defined here. Of what nobody saw there is none, and never a zero. Nothing is rounded up, as on the board: what
missed its target must not look as if it met it.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.day_numbers import values
from dashboard.definitions import BY_NAME, CALLS, PERCENT, TIME
from dashboard.number_boxes import in_unit
from dashboard.numbers import Tally
from dashboard.rows import NONE


class Stretch(NamedTuple):
    """What figures are taken from. `known` False: nobody looked, and nothing was told later."""

    tally: Tally
    waiting_most: int | None
    known: bool


class Figure(NamedTuple):
    """`name`: in files and for scripts. `of`: calls, percent or milliseconds; None when it is not known."""

    name: str
    label: Promise
    meaning: Promise
    left_out: Promise | str
    unit: str
    of: Callable[[Stretch], float | None]

    def value(self, stretch: Stretch) -> float | None:
        return self.of(stretch) if stretch.known else None

    def text(self, stretch: Stretch) -> str:
        value = self.value(stretch)
        return NONE if value is None else in_unit(self.unit, value)

    @property
    def column(self) -> str:
        """Its name in a file, with the unit."""
        return self.name + {CALLS: "", PERCENT: "_percent", TIME: "_s"}[self.unit]

    def cell(self, stretch: Stretch) -> str:
        """In a file: seconds and percent with one digit after the point, cut; empty when it is not known."""
        value = self.value(stretch)
        if value is None:
            return ""
        tenths = int(value / 100 if self.unit == TIME else 10 * value + 1e-6)  # 57.3 must not become 57.2
        return f"{int(value)}" if self.unit == CALLS else f"{tenths / 10:.1f}"


def _defined(name: str, number: str) -> Figure:
    """A number of the board, of one queue: all of its calls have the same target."""
    one = BY_NAME[number]
    return Figure(name, one.label, one.formula, one.left_out, one.unit, lambda of: values(of.tally, of.tally)[number])


FIGURES = (
    _defined("offered", "offered"),
    _defined("answered", "answered"),
    _defined("unanswered", "left-unanswered"),
    Figure("unknown", _("Not known"), _("The offered calls that went while nobody looked."), "", CALLS,
           lambda of: of.tally.unknown),
    Figure("within", _("In target"), _("The answered calls whose wait was within the queue’s target."), "", CALLS,
           lambda of: of.tally.within),
    _defined("service_level", "service-level"),
    _defined("average_wait", "average-wait"),
    _defined("worst_wait", "worst-wait"),
    _defined("average_talk", "average-talk"),
    Figure("waiting_most", _("Waiting at most"), _("How many waited at once, at most, in any list we saw."), "", CALLS,
           lambda of: of.waiting_most),
)
