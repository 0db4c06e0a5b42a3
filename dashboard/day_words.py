"""A queue's day in words: its figures, gaps, the rows of the table, and what the charts are drawn of."""

from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.day_figures import FIGURES, Figure, Stretch
from dashboard.minutes import Bin, QueueDay, cut
from dashboard.numbers import Gap

MOST_GAPS = 12  # that are said one by one


class Row(NamedTuple):
    """Of the table. Without `cells`: a stretch in which there is nothing to tell."""

    began: str
    ended: str
    cells: list[str]
    note: str

    @property
    def html(self) -> SafeString:
        """The cells in one go: each would be three nodes of the template."""
        return format_html_join("", "<td>{}</td>", ((cell,) for cell in self.cells))


def clock(at: int, zone: ZoneInfo, ended: int) -> str:
    """HH:MM where the call centre is; 24:00 at the day's end."""
    return "24:00" if at == ended else f"{datetime.fromtimestamp(at / 1000, zone):%H:%M}"


def figures_of_day(shown: QueueDay) -> list[tuple[Figure, str]]:
    whole = Stretch(shown.total, shown.waiting_most, shown.watched or bool(shown.total.offered))
    return [(figure, figure.text(whole)) for figure in FIGURES]


def gap_words(shown: QueueDay, zone: ZoneInfo) -> str:
    """In which stretches nobody looked; "" when somebody always did."""
    if not shown.gaps:
        return ""
    said = ", ".join(_between(gap, shown, zone) for gap in shown.gaps[:MOST_GAPS])
    if (more := len(shown.gaps) - MOST_GAPS) > 0:
        said += ngettext(" and %(count)s more", " and %(count)s more", more) % {"count": more}
    return _("Nobody looked %(stretches)s.") % {"stretches": said}


def _between(gap: Gap, shown: QueueDay, zone: ZoneInfo) -> str:
    """A gap within a minute is told to the second: else it would seem to be none."""
    began, ended = clock(gap.began, zone, 0), clock(gap.ended, zone, shown.ended)
    if began == ended:
        began, ended = (f"{datetime.fromtimestamp(at / 1000, zone):%H:%M:%S}" for at in gap)
    return f"{began}–{ended}"


def table(shown: QueueDay, zone: ZoneInfo) -> list[Row]:
    """What has not begun is left out; what nobody saw is one row however long it was."""
    rows: list[Row] = []
    for known, parts in groupby((part for part in shown.bins if part.seen != "later"), key=lambda part: part.known):
        if known:
            rows += [_row(part, shown, zone) for part in parts]
        else:
            missing = list(parts)
            rows.append(Row(clock(missing[0].began, zone, 0), clock(missing[-1].ended, zone, shown.ended), [],
                            _("nobody looked")))
    return rows


def _row(part: Bin, shown: QueueDay, zone: ZoneInfo) -> Row:
    unseen, stretch = cut(shown.gaps, part.began, part.ended), part.stretch
    note = _("nobody looked %(stretches)s") % {
        "stretches": ", ".join(_between(gap, shown, zone) for gap in unseen)} if unseen else ""
    return Row(clock(part.began, zone, 0), clock(part.ended, zone, shown.ended),
               [figure.text(stretch) for figure in FIGURES], note)


# ── charts ─────────────────────────────────────────────────────────────────────────────────────────
def chart_data(shown: QueueDay, zone: ZoneInfo, target: int) -> dict[str, Any]:
    """For static/board/day.js. Whole seconds and percent, cut as in the table; null where there is nothing to tell.
    Gaps: shares of the day."""
    length = shown.ended - shown.began
    return {
        "times": [clock(part.began, zone, 0) for part in shown.bins],
        "answered": [_call(part, part.tally.answered) for part in shown.bins],
        "unanswered": [_call(part, part.tally.unanswered) for part in shown.bins],
        "rest": [_call(part, part.tally.offered - part.tally.decided) for part in shown.bins],
        "waiting": [part.waiting_most for part in shown.bins],
        "level": [None if (level := part.tally.service_level) is None else int(level) for part in shown.bins],
        "wait": [None if (wait := part.tally.average_wait_ms) is None else int(wait / 1000) for part in shown.bins],
        "target": target,
        "gaps": [[(at - shown.began) / length for at in gap] for gap in shown.gaps],
        "words": {
            "answered": _("answered"), "unanswered": _("left unanswered"), "rest": _("not known, or still there"),
            "waiting": _("waiting at most"), "level": _("service level"), "target": _("target"),
            "wait": _("average wait"), "gap": _("nobody looked")},
    }


def _call(part: Bin, count: int) -> int | None:
    return count if part.known and part.seen != "later" else None
