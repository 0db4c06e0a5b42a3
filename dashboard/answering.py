"""The answers to a click: a status, the cell as it is now, and a notice for the person who clicked.

    200 settled · 202 still open · 403 no right · 404 not on your board, foreign and gone alike
    409 another attempt is open · 429 too many · 503 not now
"""

from http import HTTPStatus

import msgspec
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from dashboard.access import Audience, Viewer, last4, shown_text
from dashboard.board import LiveCall
from dashboard.clock import now_ms
from dashboard.mirror import Card, mirror
from dashboard.models import TakeoverAttempt
from dashboard.notices import NoticeView, called, notice_of
from dashboard.refs import REF
from dashboard.rows import CellView, cell_view, flags_for, idle_cell
from dashboard.takeover import news_of


class Answer(msgspec.Struct):
    """What the page gets. `cell` None: the row is left alone. `notice` None: what is being asked is no news yet."""

    status: HTTPStatus
    cell: CellView | None = None
    notice: NoticeView | None = None
    wait_s: int = 0

    def context(self) -> dict[str, object]:
        """For `dashboard/_answer.html`."""
        return {"cell": self.cell, "notice": self.notice}


def nothing_sent(status: HTTPStatus, title: Promise | str, advice: Promise | str) -> Answer:
    """About no call in particular: the row stays as it is."""
    return Answer(status, notice=NoticeView("not-sent", now_ms(), title=title, advice=advice))


def saved(viewer: Viewer, attempt: TakeoverAttempt, ref: str) -> Answer:
    """A click's attempt as it stands: 202 while it is being asked or looked for, else 200.

    `ref` is what was posted: a click belongs to one call, and says nothing about another's row.
    """
    if attempt.call_ref != ref:
        return nothing_sent(HTTPStatus.CONFLICT, _("Not sent"), _("This click was for another call. Try again."))
    news = news_of(attempt)
    cell = _cell(viewer, attempt)
    waiting = attempt.is_open and cell.state in ("pending", "unknown")
    notice = notice_of(news, viewer) if news.is_outcome else None
    return Answer(HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK, cell, notice)


def someone_else(viewer: Viewer, other: TakeoverAttempt) -> Answer:
    """Another attempt on the call is open: the row shows whose, the notice that this click sent nothing."""
    own = other.actor_id == viewer.user_id
    title = _("You are taking this over already") if own else _("%(name)s is taking this over") % {
        "name": other.actor_name}
    notice = NoticeView("not-sent", now_ms(), title=title, caller=called(other.caller_last4),
                        advice=_("Nothing was sent again.") if own else _("Nothing was sent for you."))
    return Answer(HTTPStatus.CONFLICT, _cell(viewer, other), notice)


def denied() -> Answer:
    return nothing_sent(HTTPStatus.FORBIDDEN, _("Not sent"), _(
        "You may watch these calls, not take them over. Ask an administrator for the right."))


def no_such_call() -> Answer:
    """The same for a foreign call and a missing one: nothing tells them apart."""
    return nothing_sent(HTTPStatus.NOT_FOUND, _("Not sent"), _(
        "This call is not on your board any more. Nothing was sent."))


def named(ref: str) -> str:
    """What was posted as a call, for the record: one of our references, and nothing that only looks like one."""
    if mirror.find(ref) is not None:
        return ref
    return shown_text(ref, Audience()) if REF.fullmatch(ref) else ""


def not_now(viewer: Viewer, card: Card, ref: str, live: LiveCall, status: HTTPStatus, advice: str,
            wait_s: int) -> Answer:
    """Nothing was written, so the row's state is as before; its cell says why for this person."""
    flags = flags_for(viewer.audience, card.pk)
    news = mirror.attempt(card.pk, live.call.key)
    idle = idle_cell(card, ref, news.rev(now_ms()) if news else 0, flags)
    cell = msgspec.structs.replace(idle, state="not-sent", title=_("Not sent"), advice=advice)
    caller = called(last4(live.call.caller))
    notice = NoticeView("not-sent", now_ms(), title=_("Not sent"), advice=advice, caller=caller)
    return Answer(status, cell, notice, wait_s)


def _cell(viewer: Viewer, attempt: TakeoverAttempt) -> CellView:
    card = mirror.cards.get(attempt.account_id) or Card(pk=attempt.account_id, name="", interval_s=0)
    flags = flags_for(viewer.audience, attempt.account_id)
    return cell_view(card, attempt.call_ref, news_of(attempt), flags, now_ms())
