"""One takeover from click to answer: access -> record -> upstream -> outcome. Sync, in the request's own thread.

httpx's limits are per read, so the client bounds the whole call with one deadline; a closed tab changes nothing here.
"""

import asyncio
import logging
import threading
from http import HTTPStatus

import msgspec
from django import db
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from dashboard import audit, takeover, words
from dashboard.access import Viewer, last4, shown_text
from dashboard.board import Board, LiveCall
from dashboard.clock import now_ms
from dashboard.mirror import Card, mirror
from dashboard.models import Seat, TakeoverAttempt
from dashboard.rows import CellView, cell_view, flags_for
from dashboard.station import station
from dashboard.takeover import AlreadyOpen, TooMany, news_of
from queue_api.client import Accepted, QueueClient, leave_lookups_behind
from queue_api.credentials import Unsealable
from queue_api.errors import NoUsableAnswer, QueueApiError, RequestInvalid
from queue_api.models import Account
from queue_api.naming import TakeoverTarget, name_call

logger = logging.getLogger(__name__)

IN_FLIGHT = threading.BoundedSemaphore(32)
OLD_BOARD_S = 15.0
AHEAD_S = 5.0


class Answer(msgspec.Struct):
    """What the page gets: a status, the cell (None: leave it alone) and a notice for the actor."""

    status: HTTPStatus
    cell: CellView | None = None
    state: str = ""
    title: Promise | str = ""
    code: str = ""
    vendor_message: str = ""
    advice: Promise | str = ""
    caller: str = ""
    key: str = ""
    wait_s: int = 0
    at: int = msgspec.field(default_factory=now_ms)

    def context(self) -> dict[str, object]:
        """For `dashboard/_answer.html`; what is still being asked is no notice yet."""
        return {"cell": self.cell, "notice": None if self.state == "pending" else self}


def take_over(viewer: Viewer, ref: str, key: str, address: str | None) -> Answer:
    """Everything between the POST and its answer. Never raises for what a person or DeepCall may do."""
    key = takeover.clean_key(key)
    if (before := takeover.same_click(viewer.user_id, key)) is not None:
        return _outcome(viewer, before)
    found = mirror.find(ref)
    if found is None or not viewer.audience.scope.covers(found[0].pk, found[2].call.queue_key):
        return _no_such_call()
    if not viewer.audience.may_take_over:
        return _denied(viewer, found[0], ref, address)
    if not IN_FLIGHT.acquire(blocking=False):
        return _unchanged(viewer, found[0], ref, found[2], HTTPStatus.SERVICE_UNAVAILABLE, _(
            "The server is busy with other takeovers. Nothing was sent; try again in a few seconds."), wait_s=2)
    try:
        return _attempt(viewer, *found, ref, key, address)
    except db.Error:
        return _unchanged(viewer, found[0], ref, found[2], HTTPStatus.SERVICE_UNAVAILABLE, _(
            "The takeover could not be written down, so nothing was sent. Tell an administrator."), wait_s=5)
    finally:
        IN_FLIGHT.release()


def _attempt(viewer: Viewer, card: Card, board: Board, live: LiveCall, ref: str, key: str,
             address: str | None) -> Answer:
    account = Account.objects.filter(pk=card.pk, enabled=True).first()
    if account is None:  # taken away since the last reading
        return _no_such_call()
    seat = Seat.objects.filter(user_id=viewer.user_id, account=account).first()
    target, problem = _target(account, seat, live)
    try:
        attempt = takeover.begin(viewer, account, live, ref, key, target=target, address=address,
                                 own_session=bool(seat and seat.ssid_sealed))
    except AlreadyOpen as other:
        return _someone_else(viewer, card, other.attempt)
    except TooMany as limit:
        return _unchanged(viewer, card, ref, live, HTTPStatus.TOO_MANY_REQUESTS, _(
            "Too many takeovers in a minute. Nothing was sent; try again in %(wait)s s.") % {"wait": limit.wait_s},
            wait_s=limit.wait_s)
    if attempt.key != key or attempt.state != takeover.State.INTENT:
        return _outcome(viewer, attempt)  # the same click came twice at once
    station.ring()
    _carry_out(attempt, account, seat, board, live, target, problem)
    station.ring()
    return _outcome(viewer, attempt)


def _target(account: Account, seat: Seat | None, live: LiveCall) -> tuple[TakeoverTarget, RequestInvalid | None]:
    """How the call is named, or why it cannot be."""
    call, own_id = live.call, ""
    if account.agent_meaning == Account.AgentMeaning.TAKING:
        # Here `agentid` says who gets the call: without an own one, the agent who has it now must not be named.
        call, own_id = msgspec.structs.replace(call, agent_id=""), seat.agent_id if seat else ""
    try:
        return name_call(call, account.naming, own_id), None
    except RequestInvalid as error:
        return TakeoverTarget(), error


def _carry_out(attempt: TakeoverAttempt, account: Account, seat: Seat | None, board: Board, live: LiveCall,
               target: TakeoverTarget, problem: RequestInvalid | None) -> None:
    """From the committed intent to the committed outcome."""
    if live.missed:
        takeover.not_sent(attempt, "call-gone")
    elif _too_old(board, account):
        takeover.not_sent(attempt, "old-board")
    elif problem is not None:
        takeover.not_sent(attempt, "set-up", problem.message)
    else:
        _ask(attempt, account, seat, target)


def _too_old(board: Board, account: Account) -> bool:
    limit_s = max(OLD_BOARD_S, 3 * account.poll_interval_s)
    if board.heard_at is None:
        return True
    age_s = timezone.now().timestamp() - board.heard_at / 1000
    return not -AHEAD_S <= age_s <= limit_s  # from the future: the clock was set back, and nobody knows how old it is


def _ask(attempt: TakeoverAttempt, account: Account, seat: Seat | None, target: TakeoverTarget) -> None:
    try:
        client = QueueClient(account.upstream(seat.own_ssid() if seat else None))
    except (Unsealable, ValueError) as error:
        takeover.not_sent(attempt, "set-up", str(error))
        return
    if not takeover.mark_sent(attempt):
        return
    if not db.connection.in_atomic_block:
        db.connection.close()  # the call may take 12 s, and a pool has places for other requests
    outcome = asyncio.run(_post(client, target))
    try:
        takeover.settle(attempt, outcome)
    except db.Error as error:  # it went out: the row stays `sent` until age calls it unknown, and so does the answer
        logger.error("takeover %s: the outcome cannot be written down: %s", attempt.pk, error)
        attempt.state = takeover.State.UNKNOWN


async def _post(client: QueueClient, target: TakeoverTarget) -> Accepted | QueueApiError:
    """What DeepCall said; anything we did not foresee is an unknown outcome, since bytes may have left."""
    leave_lookups_behind()
    try:
        return await client.take_over(target)
    except QueueApiError as error:
        return error
    except Exception as error:  # noqa: BLE001 - the attempt must end as unknown, never as a guess
        return NoUsableAnswer("takeover", message=type(error).__name__)
    finally:
        await client.aclose()


# ── answers ────────────────────────────────────────────────────────────────────────────────────────
def _outcome(viewer: Viewer, attempt: TakeoverAttempt) -> Answer:
    """The saved outcome of an attempt: 202 while it is being asked, else 200."""
    news = news_of(attempt)
    said = words.outcome(news)
    state = takeover.CELLS[attempt.state]
    status = HTTPStatus.ACCEPTED if attempt.is_open and state in ("pending", "unknown") else HTTPStatus.OK
    return Answer(
        status, cell=_cell(viewer, attempt), state=state, title=said.title, code=attempt.code, advice=said.advice,
        vendor_message=shown_text(attempt.message, viewer.audience, attempt.caller_last4) if said.show_message else "",
        key=attempt.key,
        caller=_called(attempt.caller_last4),
    )


def _someone_else(viewer: Viewer, card: Card, other: TakeoverAttempt) -> Answer:
    return Answer(
        HTTPStatus.CONFLICT, cell=_cell(viewer, other), state="not-sent", caller=_called(other.caller_last4),
        title=_("%(name)s is taking this over") % {"name": other.actor_name}, advice=_("Nothing was sent for you."),
    )


def _denied(viewer: Viewer, card: Card, ref: str, address: str | None) -> Answer:
    try:
        audit.record("takeover.denied", actor=viewer.name, account=card.name, call_ref=ref, address=address)
    except db.Error as error:
        logger.error("a denied takeover cannot be written down: %s", error)
    return Answer(HTTPStatus.FORBIDDEN, state="not-sent", title=_("Not sent"), advice=_(
        "You may watch these calls, not take them over. Ask an administrator for the right."))


def _no_such_call() -> Answer:
    """The same for a foreign call and a missing one: nothing tells them apart."""
    return Answer(HTTPStatus.NOT_FOUND, state="not-sent", title=_("Not sent"), advice=_(
        "This call is not on your board any more. Nothing was sent."))


def _unchanged(viewer: Viewer, card: Card, ref: str, live: LiveCall, status: HTTPStatus, advice: str,
               wait_s: int) -> Answer:
    """Nothing was written, so the row's state is as before; the cell says why for this person."""
    flags = flags_for(viewer.audience, card.pk)
    news = mirror.attempt(card.pk, live.call.key)
    view = CellView(ref=ref, state="not-sent", rev=news.rev(now_ms()) if news else 0, button="ready",
                    title=_("Not sent"), advice=advice, line="" if flags.own_session else card.line or card.name)
    return Answer(status, cell=view, state="not-sent",
                  title=_("Not sent"), advice=advice, wait_s=wait_s, caller=_called(last4(live.call.caller)))


def _cell(viewer: Viewer, attempt: TakeoverAttempt) -> CellView:
    card = mirror.cards.get(attempt.account_id) or Card(pk=attempt.account_id, name="", interval_s=0)
    flags = flags_for(viewer.audience, attempt.account_id)
    return cell_view(card, attempt.call_ref, news_of(attempt), flags, now_ms())


def _called(digits: str) -> str:
    return f"•••• {digits}" if digits else ""
