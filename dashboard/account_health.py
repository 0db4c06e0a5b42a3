"""How each account does, in a line: what this process shows of it, and what its poller wrote down, wherever that runs.

    glance(account, lease, now) -> Glance      reads this process's mirror; no database
"""

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from dashboard.mirror import card_of, late_after_ms, mirror
from dashboard.models import Lease
from dashboard.pace import SENTENCES
from dashboard.words import feed_trouble
from queue_api.models import Account

OFF = "off"


class Glance(msgspec.Struct, frozen=True):
    """`state`: one of the feed's, or off. `heard_at`, `since`: epoch ms, None when not known. `calls`: None, never 0,
    when not known; `old`: they are as of the newest list, which is late."""

    state: str
    heard_at: int | None = None
    calls: int | None = None
    old: bool = False
    since: int | None = None
    trouble: Promise | str = ""


def glance(account: Account, lease: Lease | None, now: int) -> Glance:
    if not account.enabled:
        return Glance(OFF)
    card, board = card_of(account), mirror.boards.get(account.pk)
    if board is None:
        return _by_report(account, lease, now)
    health = mirror.health(card, now)
    return Glance(
        health.state, board.heard_at, None if health.blank or board.heard_at is None else len(board.calls),
        health.state in ("late", "failing"), health.since if health.state != "fresh" else None,
        str(feed_trouble(board, health.state, health.hop)))


def _by_report(account: Account, lease: Lease | None, now: int) -> Glance:
    """A process without screens, or one that has just begun, knows what the poller wrote down and no calls."""
    told = lease.report if lease is not None else {}
    heard_at, failures = told.get("heard_at"), told.get("failures", 0)
    if failures:
        return Glance("failing", heard_at, trouble=str(SENTENCES.get(told.get("why", ""), "")))
    if heard_at is None:
        return Glance("never", trouble=_("No list has come from DeepCall yet."))
    interval_s = told.get("interval_s") or account.poll_interval_s
    return Glance("fresh" if now - heard_at <= late_after_ms(interval_s) else "late", heard_at)
