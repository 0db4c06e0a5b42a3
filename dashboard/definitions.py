"""What each number means, said once: for the page's explanations, /metrics and docs/numbers.md.

A number is a count of calls, a time, a percentage or a count of agents. Its window is now, or since midnight where the
account is. What is not known is never a number.
"""

from collections.abc import Iterable

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CALLS, AGENTS, TIME, PERCENT = "calls", "agents", "time", "percent"
NOW, TODAY = "now", "since midnight"
LISTED = _("DeepCall’s newest list.")
KEPT = _("Every list from DeepCall, kept as it came. What happens between two lists is timed to within their distance.")
UNITS = {CALLS: _("calls"), AGENTS: _("agents"), TIME: _("a time"), PERCENT: _("percent")}
WINDOWS = {NOW: _("now"), TODAY: _("since midnight, where the account is")}


class Definition(msgspec.Struct, frozen=True):
    """One number. `formula`: how it comes about, in a sentence.

    `sample`: the number that tells of how many calls this one is; empty where its own box does, or it counts them all.
    """

    name: str
    label: Promise
    unit: str
    window: str
    formula: Promise
    left_out: Promise | str = ""
    source: Promise = LISTED
    sample: str = ""

    @property
    def unit_word(self) -> Promise:
        return UNITS[self.unit]

    @property
    def window_words(self) -> Promise:
        return WINDOWS[self.window]


DEFINITIONS: tuple[Definition, ...] = (
    Definition("waiting", _("Waiting"), CALLS, NOW, _("The calls that wait for an agent."), sample="live"),
    Definition(
        "longest-wait", _("Longest wait"), TIME, NOW,
        _("How long the call that has waited longest has waited: since it came, as DeepCall says, else since it was "
          "first seen."),
        left_out=_("calls that may be stuck"), sample="waiting"),
    Definition("ringing", _("Ringing"), CALLS, NOW, _("The calls that ring at an agent."), sample="live"),
    Definition("talking", _("Talking"), CALLS, NOW, _("The calls that an agent talks on."), sample="live"),
    Definition("hold", _("On hold"), CALLS, NOW, _("The calls that an agent has put on hold."), sample="live"),
    Definition(
        "live", _("Live calls"), CALLS, NOW,
        _("All calls, in whatever state. One that is missing from a list counts until enough lists lack it.")),
    Definition(
        "agents-on-calls", _("Agents on calls"), AGENTS, NOW,
        _("The agents named in calls that are talked on or on hold, each counted once."),
        left_out=_("agents whose phone only rings, and calls that name no agent")),
    Definition(
        "offered", _("Offered"), CALLS, TODAY, _("The calls that came into a queue."), source=KEPT,
        left_out=_("calls that agents made, and calls that came and went between two lists or while nobody looked")),
    Definition(
        "answered", _("Answered"), CALLS, TODAY, _("The offered calls that an agent has talked on."), source=KEPT,
        sample="offered"),
    Definition(
        "left-unanswered", _("Left unanswered"), CALLS, TODAY,
        _("The offered calls that went before anybody answered."), source=KEPT, sample="offered",
        left_out=_("calls that went while nobody looked: what became of them is not known")),
    Definition(
        "service-level", _("Service level"), PERCENT, TODAY,
        _("The answered calls whose wait was within their queue’s target, in percent of the answered and the "
          "unanswered; shown rounded down."),
        source=KEPT, left_out=_("calls that still wait, and calls without a queue: they have no target")),
    Definition(
        "average-wait", _("Average wait"), TIME, TODAY,
        _("The waits of calls, from coming into the queue until answered or gone, together, divided by their number."),
        source=KEPT, left_out=_("calls that still wait, and calls that waited before anybody looked")),
    Definition(
        "worst-wait", _("Worst wait"), TIME, TODAY, _("The longest wait of a call until it was answered or gone."),
        source=KEPT, sample="average-wait",
        left_out=_("calls that still wait, and calls that waited before anybody looked")),
    Definition(
        "average-talk", _("Average talk"), TIME, TODAY,
        _("The times from answer to end, hold included, together, divided by their number."),
        source=KEPT, left_out=_("calls that are still talked on, and those whose answer or end nobody saw")),
)
BY_NAME = {one.name: one for one in DEFINITIONS}


def of_window(window: str) -> Iterable[Definition]:
    return (one for one in DEFINITIONS if one.window == window)
