"""One takeover from click to answer: access -> record -> upstream -> outcome. Sync, in the request's own thread.

httpx's limits are per read, so the client bounds the whole call with one deadline; a closed tab changes nothing here.
"""

import asyncio
import logging
import time
from http import HTTPStatus

import msgspec
from django import db
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard import answering, audit, counts, takeover
from dashboard.access import Viewer
from dashboard.answering import Answer
from dashboard.audit import Source
from dashboard.board import Board, LiveCall
from dashboard.in_flight import IN_FLIGHT
from dashboard.mirror import Card, mirror
from dashboard.models import Seat, TakeoverAttempt
from dashboard.station import station
from dashboard.takeover import AlreadyOpen, SameClick, TooMany
from dashboard.takeover_states import State
from queue_api.client import Accepted, QueueClient, leave_lookups_behind
from queue_api.credentials import Unsealable
from queue_api.errors import RENEWABLE_CODES, NotSent, NoUsableAnswer, QueueApiError, RequestInvalid
from queue_api.models import Account
from queue_api.naming import TakeoverTarget, name_call

logger = logging.getLogger(__name__)

OLD_BOARD_S = 15.0
AHEAD_S = 5.0
SEND_WITHIN_S = 5.0  # of the mark that it goes out: a process that slept meanwhile must not act on it any more


class Plan(msgspec.Struct, frozen=True):
    """One click, ready to be carried out. `problem`: why it cannot be, as a reason and our own words."""

    account: Account
    seat: Seat | None
    target: TakeoverTarget
    problem: tuple[str, str] | None

    @property
    def own_session(self) -> bool:
        return bool(self.seat and self.seat.ssid_sealed)


def take_over(viewer: Viewer, ref: str, key: str, source: Source) -> Answer:
    """Everything between the POST and its answer. Never raises for what a person or DeepCall may do."""
    key = takeover.clean_key(key)
    if (before := takeover.same_click(viewer.user_id, key)) is not None:
        return answering.saved(viewer, before, ref)
    found = mirror.find(ref)
    if found is None or not viewer.audience.scope.covers(found[0].pk, found[2].call.queue_key):
        audit.denied(viewer.name, viewer.user_id, source, reason="not on their board", call_ref=answering.named(ref))
        return answering.no_such_call()
    card, board, live = found
    if not viewer.audience.may_take_over:
        audit.denied(viewer.name, viewer.user_id, source, account=card.name, call_ref=ref)
        return answering.denied()
    if not IN_FLIGHT.enter(viewer.user_id, key):
        return answering.not_now(viewer, card, ref, live, HTTPStatus.SERVICE_UNAVAILABLE, _(
            "The server is busy with other takeovers. Nothing was sent; try again in a few seconds."), wait_s=2)
    try:
        return _attempt(viewer, card, board, live, ref, key, source)
    except db.Error as error:
        logger.error("a takeover cannot be written down: %s", error)
        return answering.not_now(viewer, card, ref, live, HTTPStatus.SERVICE_UNAVAILABLE, _(
            "The takeover could not be written down, so nothing was sent. Tell an administrator."), wait_s=5)
    finally:
        IN_FLIGHT.leave(viewer.user_id, key)


def _attempt(viewer: Viewer, card: Card, board: Board, live: LiveCall, ref: str, key: str, source: Source) -> Answer:
    account = Account.objects.filter(pk=card.pk, enabled=True).first()
    if account is None:  # taken away since the last reading
        return answering.no_such_call()
    plan = _plan(account, Seat.objects.filter(user_id=viewer.user_id, account=account).first(), board, live)
    try:
        attempt = takeover.begin(viewer, account, live, ref, key, target=plan.target, own_session=plan.own_session,
                                 source=source)
    except SameClick as twin:
        return answering.saved(viewer, twin.attempt, ref)
    except AlreadyOpen as other:
        return answering.someone_else(viewer, other.attempt)
    except TooMany as limit:
        return answering.not_now(viewer, card, ref, live, HTTPStatus.TOO_MANY_REQUESTS, _too_many(limit),
                                 wait_s=limit.wait_s)
    station.ring(soon=True)
    _carry_out(attempt, plan)
    station.ring()
    return answering.saved(viewer, attempt, ref)


def _too_many(limit: TooMany) -> str:
    sentence = (_("DeepCall asked for a pause. Nothing was sent; try again in %(wait)s s.") if limit.by_deepcall else
                _("Too many takeovers in a minute. Nothing was sent; try again in %(wait)s s."))
    return sentence % {"wait": limit.wait_s}


def _plan(account: Account, seat: Seat | None, board: Board, live: LiveCall) -> Plan:
    try:
        target, problem = _target(account, seat, live), _why_not(account, seat, board, live)
    except RequestInvalid as error:
        target, problem = TakeoverTarget(), ("set-up", error.message)
    return Plan(account, seat, target, problem)


def _target(account: Account, seat: Seat | None, live: LiveCall) -> TakeoverTarget:
    """How the call is named. Raises RequestInvalid when it cannot be."""
    call, own_id = live.call, ""
    if account.agent_meaning == Account.AgentMeaning.TAKING:
        # Here `agentid` says who gets the call: without an own one, the agent who has it now must not be named.
        call, own_id = msgspec.structs.replace(call, agent_id=""), seat.agent_id if seat else ""
    return name_call(call, account.naming, own_id)


def _why_not(account: Account, seat: Seat | None, board: Board, live: LiveCall) -> tuple[str, str] | None:
    """Why nothing may be sent, as a reason of `words.NOT_SENT` and our own words; None when it may."""
    if live.missed:
        return "call-gone", ""
    if _too_old(board, account):
        return "old-board", ""
    if account.own_session_required and not (seat and seat.ssid_sealed):
        return "own-session", ""
    return None


def _too_old(board: Board, account: Account) -> bool:
    limit_s = max(OLD_BOARD_S, 3 * account.poll_interval_s)
    if board.heard_at is None:
        return True
    age_s = timezone.now().timestamp() - board.heard_at / 1000
    return not -AHEAD_S <= age_s <= limit_s  # from the future: the clock was set back, and nobody knows how old it is


def _carry_out(attempt: TakeoverAttempt, plan: Plan) -> None:
    """From the committed intent to the committed outcome."""
    if plan.problem is not None:
        takeover.not_sent(attempt, *plan.problem)
        return
    try:
        client = QueueClient(plan.account.upstream(plan.seat.own_ssid() if plan.seat else None))
    except (Unsealable, ValueError) as error:
        takeover.not_sent(attempt, "set-up", str(error))
        return
    marked = time.monotonic()
    if takeover.mark_sent(attempt):
        _settle(attempt, plan, _ask(client, plan.target, marked))


def _ask(client: QueueClient, target: TakeoverTarget, marked: float) -> Accepted | QueueApiError:
    if db.connection.vendor == "postgresql":
        db.connection.close()  # the call may take 12 s, and a pool has places for other requests
    if time.monotonic() - marked > SEND_WITHIN_S:
        return NotSent("takeover", message="The server was held up before it could ask.", tries=0)
    with counts.takeover_s.timed():
        return asyncio.run(_post(client, target))


def _settle(attempt: TakeoverAttempt, plan: Plan, outcome: Accepted | QueueApiError) -> None:
    try:
        takeover.settle(attempt, outcome)
    except db.Error as error:  # it went out: the row stays `sent` until age calls it unknown, and so does the answer
        logger.error("takeover %s: the outcome cannot be written down: %s", attempt.pk, error)
        attempt.state = State.UNKNOWN
        return
    if plan.seat and plan.own_session:
        _note_session(plan.seat, outcome)


def _note_session(seat: Seat, outcome: Accepted | QueueApiError) -> None:
    """Whether the person's own session still works, as far as this answer tells; not about one stored meanwhile."""
    used = Seat.objects.filter(pk=seat.pk, ssid_sealed=seat.ssid_sealed)
    try:
        if isinstance(outcome, QueueApiError) and outcome.code in RENEWABLE_CODES:
            used.update(ssid_refused_at=timezone.now(), ssid_refused_code=outcome.code)
        elif isinstance(outcome, Accepted) and seat.ssid_refused_at:
            used.update(ssid_refused_at=None, ssid_refused_code="")
    except db.Error as error:
        logger.error("seat %s: what DeepCall says of its session cannot be written down: %s", seat.pk, error)


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
