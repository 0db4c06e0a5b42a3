"""Made-up callers that can be found again: whose number, name, ending or call stands in what somebody was sent.

Pure. A number counts as found by seven of its digits in a row, whatever stands between them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

TELLING = 7
_RUN = re.compile(r"\d(?:[\W_]{0,12}\d){6,}")
# Ours, and long enough to hold anybody's digits by chance: times in epoch ms, also with the list's leading zero, or as
# a log writes them; keyed references, the keys of clicks and the numbers of requests, which are hexadecimal.
_OURS = re.compile(r"(?<!\d)0?1[789]\d{11}(?!\d)|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+"
                   r"|(?<![0-9a-z])(?=x?\d*[a-f])(?:[0-9a-f]{32}|x[0-9a-f]{24}|[0-9a-f]{16})(?![0-9a-z])")


class Canary(NamedTuple):
    """One caller. `number` in digits, `spelled` as DeepCall writes it; `call_id`, `name`, `agent` are nobody else's."""

    queue: str
    number: str
    spelled: str
    name: str
    call_id: str
    agent: str

    @property
    def ending(self) -> str:
        return self.number[-4:]

    def windows(self) -> Iterator[str]:
        return (self.number[at:at + TELLING] for at in range(len(self.number) - TELLING + 1))


def numbers_in(text: str, canaries: Iterable[Canary]) -> set[Canary]:
    """Those of whose number at least seven digits in a row stand in the text, in any spelling."""
    owners = {window: canary for canary in canaries for window in canary.windows()}
    found = set()
    for run in _RUN.findall(_OURS.sub(" ", text)):
        digits = re.sub(r"\D", "", run)
        found |= {owners[window] for at in range(len(digits) - TELLING + 1)
                  if (window := digits[at:at + TELLING]) in owners}
    return found


def marks_in(text: str, canaries: Iterable[Canary]) -> set[str]:
    """What names a caller without their number: name, agent, call, queue, and the last four digits standing alone."""
    canaries = list(canaries)
    words = {word for canary in canaries for word in (canary.name, canary.agent, canary.call_id, canary.queue)}
    alone = set(re.findall(r"(?<![\w-])\d{4}(?![\w-])", _OURS.sub(" ", text)))
    return {word for word in words if word in text} | {one.ending for one in canaries if one.ending in alone}
