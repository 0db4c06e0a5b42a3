"""Takeovers as screens show them: an overlay on the boards, and each person's own outcomes. Pure.

Attempts are taken in any order: of one attempt the larger version counts, of one call the attempt that began last.
"""

from collections.abc import Collection, Iterable

import msgspec

SHOWN_S = 60  # how long an outcome stays on the row
TOLD_S = 900  # how long a screen that comes (back) is told of its person's outcomes
TOLD_LIMIT = 50  # notices a page keeps
LIMIT = 5000


class AttemptNews(msgspec.Struct, frozen=True):
    """An attempt as screens show it. Times in epoch ms; `version` grows with every change of any attempt."""

    id: int
    account: int
    call_key: str
    call_ref: str
    state: str
    is_open: bool
    version: int
    code: str
    message: str
    reason: str
    actor_id: int
    actor_name: str
    caller_last4: str
    began: int
    changed: int
    key: str = ""  # of the click
    own_session: bool = False
    agent: str = ""  # of a confirmed one: the name a list shows now
    agent_id: str = ""
    verdict: str = ""
    verdict_by: str = ""
    wait_until: int | None = None  # DeepCall asked to wait till then

    def shown(self, now: int) -> bool:
        return self.is_open or self.asks or now - self.changed < SHOWN_S * 1000

    @property
    def asks(self) -> bool:
        """Whether a person is still asked what became of it."""
        return self.state == "abandoned" and not self.verdict

    def rev(self, now: int) -> int:
        """Grows with every change, the outcome's disappearance after SHOWN_S included."""
        return 2 * self.version + (0 if self.shown(now) else 1)

    @property
    def is_outcome(self) -> bool:
        """Whether there is something to tell the person who clicked."""
        return self.state not in ("intent", "sent")


class Overlay:
    """The newest attempt of each call, and what became of each person's own."""

    def __init__(self) -> None:
        self.by_call: dict[tuple[int, str], AttemptNews] = {}
        self.by_actor: dict[int, dict[int, AttemptNews]] = {}
        self.version = 0

    def take(self, attempts: Iterable[AttemptNews]) -> None:
        for news in attempts:
            at = (news.account, news.call_key)
            if _is_newer(news, self.by_call.get(at)):
                self.by_call[at] = news
            if news.is_outcome:
                self._keep(news)
            self.version = max(self.version, news.version)

    def of(self, account: int, call_key: str) -> AttemptNews | None:
        return self.by_call.get((account, call_key))

    def has_open(self, account: int) -> bool:
        """Whether lists are waited for: then the poller does not dawdle."""
        return any(news.is_open and news.account == account for news in list(self.by_call.values()))

    def outcomes(self, actor: int, after: int, now: int) -> list[AttemptNews]:
        """A person's own outcomes since version `after`, oldest change first: recent ones, and those still asked of."""
        mine = self.by_actor.get(actor, {}).values()
        fresh = [news for news in mine if news.version > after and (news.asks or now - news.changed < TOLD_S * 1000)]
        return sorted(fresh, key=lambda news: news.version)

    def forget(self, live: Collection[tuple[int, str]]) -> None:
        """Keeps the overlay bounded: an outcome is of no use to the board once its call has gone."""
        if len(self.by_call) > LIMIT:
            self.by_call = {at: news for at, news in self.by_call.items() if at in live or news.is_open}

    def _keep(self, news: AttemptNews) -> None:
        mine = self.by_actor.setdefault(news.actor_id, {})
        known = mine.get(news.id)
        if known is None or known.version < news.version:
            mine[news.id] = news
        while len(mine) > TOLD_LIMIT:
            del mine[min(mine)]


def _is_newer(news: AttemptNews, known: AttemptNews | None) -> bool:
    return known is None or (news.id, news.version) > (known.id, known.version)
