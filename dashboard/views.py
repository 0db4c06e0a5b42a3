"""The pages and the one action. The views are sync: a takeover runs to its end in its own thread, tab or no tab."""

import json
from http import HTTPStatus

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import client_address, first_run
from dashboard.access import Scope, Viewer, may_set_up, viewer_of
from dashboard.agents import agent_ref
from dashboard.answering import Answer, nothing_sent
from dashboard.asking import take_over
from dashboard.audit import Source
from dashboard.clock import now_ms
from dashboard.definitions import DEFINITIONS
from dashboard.empty import LOOKS_AGAIN_S, whom_to_ask, why_empty
from dashboard.forms import FirstAdministratorForm
from dashboard.frames import picture
from dashboard.mirror import mirror
from dashboard.models import Preference, Seat, TakeoverAttempt
from dashboard.notices import notice_of
from dashboard.rows import with_elapsed
from dashboard.setup import steps
from dashboard.station import station
from dashboard.takeover import judge, news_of
from dashboard.takeover_states import State


def viewer_for(request: HttpRequest) -> Viewer | None:
    return viewer_of(request.user, get_language() or "en")


@require_safe
@never_cache
@login_required
@ensure_csrf_cookie
def board(request: HttpRequest) -> HttpResponse:
    """The board, right at first paint and without a socket. Without queues: why, and whom to ask."""
    viewer = viewer_for(request)
    if viewer is None or not viewer.audience.scope:
        return render(request, "dashboard/board_empty.html", {
            "user_name": viewer.name if viewer else request.user, "why": why_empty(request.user),
            "whom": whom_to_ask(request.user), "looks_again_s": LOOKS_AGAIN_S})
    station.look(viewer.audience.scope)
    now, preference = now_ms(), Preference.objects.filter(user_id=viewer.user_id).first()
    shown = picture(mirror, viewer.audience, now)
    parts = shown.parts

    def joined(prefix: str) -> str:
        return with_elapsed("".join(html for name, html in parts.items() if name.startswith(prefix)), now)

    return render(request, "dashboard/board.html", {
        "kpis_html": joined("kpi-box-"), "day_html": joined("day-"), "queues_html": joined("q-"),
        "trends_html": joined("trend-"), "breaches_html": joined("breaches"),
        "definitions": DEFINITIONS, "feeds_html": joined("feed-"), "banners_html": joined("banner-"),
        "agents_html": joined("a-"), "rows_html": with_elapsed("".join(shown.rows.values()), now),
        "server_now": now, "asof": json.dumps(shown.asof), "user_name": viewer.name, "live_count": len(shown.rows),
        "can_take_over": viewer.audience.may_take_over, "judges": viewer.judges,
        "own_agents": " ".join(agent_ref(account, agent) for account, agent in viewer.agent_ids.items()),
        "arm_first": bool(preference and preference.arm_first),
        "quiet_until": preference.quiet_until_ms(now) if preference else 0,
        "renew": Seat.objects.filter(user_id=viewer.user_id, ssid_refused_at__isnull=False).exists(),
    })


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def set_up(request: HttpRequest) -> HttpResponse:
    """Without an owner the form for the first one; then, for who may set up, what is still missing."""
    if not first_run.has_administrator():
        return _first_administrator(request)
    if not request.user.is_authenticated:
        return redirect_to_login(request.path)
    if not may_set_up(request.user):
        raise PermissionDenied
    station.look(Scope(everything=True))
    taken = steps(request.user, now_ms())
    return render(request, "dashboard/setup.html", {
        "steps": taken, "done": sum(step.done for step in taken), "user_name": request.user,
        "current": next((step.name for step in taken if not step.done), ""),
        "looks_again": any(step.waiting for step in taken)})


def _first_administrator(request: HttpRequest) -> HttpResponse:
    form = FirstAdministratorForm(request.POST or None, needs_code=first_run.needs_code(request))
    if request.method == "POST" and form.is_valid():
        user = form.save(commit=False)
        if first_run.make_first(user):
            login(request, user)
        return redirect("setup")
    return render(request, "dashboard/first_run.html", {"form": form})


def source_of(request: HttpRequest) -> Source:
    return Source.of(client_address.of_request(request), request.session.session_key)


@require_POST
@never_cache
def takeover_call(request: HttpRequest) -> HttpResponse:
    """Answers the cell's HTML and a notice: 200 settled, 202 open, 403, 404, 409, 429, 503 (interface of the page)."""
    viewer = viewer_for(request)
    if viewer is None:
        return _answer(request, nothing_sent(HTTPStatus.FORBIDDEN, _("Signed out"), _(
            "Nothing was sent. Sign in and try again.")))
    station.look(viewer.audience.scope)
    return _answer(request, take_over(viewer, request.POST.get("call", ""), request.POST.get("key", ""),
                                      source_of(request)))


@require_POST
@never_cache
def judge_takeover(request: HttpRequest) -> HttpResponse:
    """The verdict on a takeover whose outcome was never known, by the person who clicked or an administrator."""
    viewer = viewer_for(request)
    attempt = _judged_by(request, viewer) if viewer else None
    if viewer is None or attempt is None:
        return _answer(request, nothing_sent(HTTPStatus.NOT_FOUND, _("Not found"), _(
            "There is no takeover of yours to say that about.")))
    verdict = request.POST.get("verdict", "")
    if verdict not in TakeoverAttempt.Verdict.values:
        return _answer(request, nothing_sent(HTTPStatus.BAD_REQUEST, _("Not understood"), _(
            "Say whether the call moved or not.")))
    if judge(attempt, verdict, viewer.name, source_of(request), viewer.user_id):
        station.ring()
    notice = notice_of(news_of(attempt), viewer) if attempt.actor_id == viewer.user_id else None
    return _answer(request, Answer(HTTPStatus.OK, notice=notice))


def _judged_by(request: HttpRequest, viewer: Viewer) -> TakeoverAttempt | None:
    number = request.POST.get("attempt", "")
    attempts = TakeoverAttempt.objects.filter(state=State.ABANDONED).select_related("account")
    if not (number.isascii() and number.isdigit() and len(number) < 19):
        return None
    if not viewer.judges:
        attempts = attempts.filter(actor_id=viewer.user_id)
    return attempts.filter(pk=int(number)).first()


def _answer(request: HttpRequest, answer: Answer) -> HttpResponse:
    response = render(request, "dashboard/_answer.html", answer.context(), status=answer.status)
    if answer.cell is None:
        response["HX-Reswap"] = "none"
    if answer.wait_s:
        response["Retry-After"] = str(answer.wait_s)
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A stale page: said where the click was, never a bare 403."""
    if not request.headers.get("HX-Request"):
        return render(request, "403_csrf.html", {"reason": reason}, status=HTTPStatus.FORBIDDEN)
    return _answer(request, nothing_sent(HTTPStatus.FORBIDDEN, _("Nothing was sent"), _(
        "This page is from an earlier sign-in. Reload it and try again.")))


def note(request: HttpRequest) -> dict[str, str]:
    """Context for every page: CALLBOARD_NOTE, for example that DeepCall is simulated here."""
    return {"note": settings.NOTE}
