"""The figures of a stretch of one queue's day, in the order in which page, table and CSV show them. Pure.

Each says what it means; of what nobody saw there is none, and never a zero. Nothing is rounded up, as on the board:
what missed its target must not look as if it met it.
"""

from collections.abc import Callable
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from dashboard.numbers import Tally
from dashboard.rows import NONE, elapsed

COUNT, PERCENT, TIME = "count", "percent", "time"


class Stretch(NamedTuple):
    """What figures are taken from. `known` False: nobody looked, and nothing was told later."""

    tally: Tally
    waiting_most: int | None
    known: bool


class Figure(NamedTuple):
    """`of`: calls, percent or milliseconds; None when it is not known."""

    name: str
    label: Promise
    meaning: Promise
    unit: str
    of: Callable[[Stretch], float | None]

    def value(self, stretch: Stretch) -> float | None:
        return self.of(stretch) if stretch.known else None

    def text(self, stretch: Stretch) -> str:
        value = self.value(stretch)
        if value is None:
            return NONE
        return elapsed(int(value)) if self.unit == TIME else f"{int(value)}" + (" %" if self.unit == PERCENT else "")

    @property
    def column(self) -> str:
        """Its name in a file, with the unit."""
        return self.name + {COUNT: "", PERCENT: "_percent", TIME: "_s"}[self.unit]

    def cell(self, stretch: Stretch) -> str:
        """In a file: seconds and percent with one digit after the point, cut; empty when it is not known."""
        value = self.value(stretch)
        if value is None:
            return ""
        tenths = int(value / 100 if self.unit == TIME else 10 * value + 1e-6)  # 57.3 must not become 57.2
        return f"{int(value)}" if self.unit == COUNT else f"{tenths / 10:.1f}"


FIGURES = (
    Figure("offered", _("Offered"), _(
        "Calls that came into this queue, each in the minute it came. Calls that agents made are not among them."),
        COUNT, lambda of: of.tally.offered),
    Figure("answered", _("Answered"), _("Of those, the calls that an agent spoke with."), COUNT,
           lambda of: of.tally.answered),
    Figure("unanswered", _("Left unanswered"), _("Of those, the calls that ended while they still waited or rang."),
           COUNT, lambda of: of.tally.unanswered),
    Figure("unknown", _("Not known"), _("Of those, the calls that went while nobody looked."), COUNT,
           lambda of: of.tally.unknown),
    Figure("within", _("In target"), _("Answered within the target's seconds."), COUNT, lambda of: of.tally.within),
    Figure("service_level", _("Service level"), _(
        "Answered within the target's seconds, in percent of the calls that were answered or left unanswered."),
        PERCENT, lambda of: of.tally.service_level),
    Figure("average_wait", _("Average wait"), _("Until answered, or until the caller left."), TIME,
           lambda of: of.tally.average_wait_ms),
    Figure("worst_wait", _("Worst wait"), _("The longest of these waits."), TIME,
           lambda of: of.tally.wait_most_ms if of.tally.waits else None),
    Figure("average_talk", _("Average talk"), _("From the answer to the end, hold included, of calls that are over."),
           TIME, lambda of: of.tally.average_talk_ms),
    Figure("waiting_most", _("Waiting at most"), _("How many waited at once, at most, in any list we saw."), COUNT,
           lambda of: of.waiting_most),
)
