"""A person's own second factor: switching it on with a first code, new recovery codes, another phone, switching it off.

    off ──first code──> on ──a code──> new recovery codes | replacing | off (not where it is required)
                         ^──first code of the new app────────┘

The seed that is offered is kept sealed in the session, for 15 minutes: until it has proved itself, the earlier one is
in force, and reading the page writes nothing else.
"""

import time
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard import proof, qr, second_factor, sign_ins, waiting
from dashboard.access import display_name
from dashboard.code_views import not_right
from dashboard.models import SecondFactor, SignIn
from dashboard.sign_in import code_checked
from dashboard.sign_outs import sign_out
from dashboard.views import source_of
from queue_api.credentials import Secret, Unsealable, seal, unseal

OFFER, OFFER_S = "second_factor_offer", 900
ACTS = ("codes", "replace", "remove")  # what a code of the one in force opens


@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def own_second_factor(request: HttpRequest) -> HttpResponse:
    """POST `act`: confirm, codes, replace, remove, or keep: leave the one in force as it is."""
    user, act = cast(User, request.user), request.POST.get("act", "")
    factor, said = SecondFactor.objects.filter(user=user).first(), ""
    if act == "confirm":
        done, said = _confirmed(request, user, factor)
    elif act in ACTS and factor:
        done, said = _opened(request, user, act)
    else:
        done = _kept(request) if act == "keep" else None
    response = done or render(request, "dashboard/own_second_factor.html", _page(request, user, factor) | {
        "said": said})
    waiting.tell(request, response)
    return response


def _page(request: HttpRequest, user: User, factor: SecondFactor | None) -> dict[str, Any]:
    context: dict[str, Any] = {
        "user_name": display_name(user), "required": second_factor.required_of(user), "next": _next(request),
        "factor": factor, "left": second_factor.codes_left(user)}
    seed = _offered(request, user)
    if seed is None and factor is None:
        seed = _offer(request, user)
    if seed is None:
        return context
    address = second_factor.address_for_app(seed, f"{user.get_username()}@{request.get_host()}")
    width, path = qr.drawn(address)
    text = seed.reveal()
    return context | {
        "groups": [text[at:at + 4] for at in range(0, len(text), 4)], "qr_width": width, "qr_path": path,
        "needs_password": _needs_password(request, factor)}


# ── switching it on ────────────────────────────────────────────────────────────────────────────────
def _confirmed(request: HttpRequest, user: User, factor: SecondFactor | None) -> tuple[HttpResponse | None, str]:
    seed = _offered(request, user)
    if seed is None:
        return None, _("That key was shown too long ago. Nothing was changed.")
    proof.hear(request)
    if _needs_password(request, factor):
        return None, proof.refusal(request)
    typed, source = request.POST.get("code", ""), source_of(request)
    codes = code_checked(request, user, lambda: second_factor.confirm(user, seed, typed, source))
    if not codes:
        return None, waiting.sentence(request) or not_right()
    del request.session[OFFER]
    second_factor.prove(request.session)
    return _codes_shown(request, user, codes, _("The second factor is on.") + _ended(request, user)), ""


def _needs_password(request: HttpRequest, factor: SecondFactor | None) -> bool:
    """Nobody binds a phone to a browser that was left open. Replacing has asked for a code already."""
    return factor is None and not proof.fresh(request)


def _ended(request: HttpRequest, user: User) -> str:
    """Ends this person's other browsers, which have proved the earlier one or none; a sentence of how many."""
    others = sign_ins.alive(user).exclude(session_key=request.session.session_key)
    ended = sign_out(user.pk, others, SignIn.Why.SECOND_FACTOR)
    return " " + ngettext("%(n)s other browser of yours was signed out.", "%(n)s other browsers of yours were signed "
                          "out.", ended) % {"n": ended} if ended else ""


def _codes_shown(request: HttpRequest, user: User, codes: list[str], done: str) -> HttpResponse:
    return render(request, "dashboard/own_recovery_codes.html", {
        "user_name": display_name(user), "codes": codes, "done": done, "next": _next(request)})


# ── while it is on ─────────────────────────────────────────────────────────────────────────────────
def _opened(request: HttpRequest, user: User, act: str) -> tuple[HttpResponse | None, str]:
    if act == "remove" and second_factor.required_of(user):
        return None, _("Administrators need it: it can be replaced, not removed.")
    typed, source = request.POST.get("code", ""), source_of(request)
    if not code_checked(request, user, lambda: second_factor.accept(user, typed, source)):
        return None, waiting.sentence(request) or not_right()
    proof.renew(request.session)
    second_factor.prove(request.session)
    if act == "codes":
        return _codes_shown(request, user, second_factor.new_codes(user, source), _(
            "The earlier recovery codes open nothing any more.")), ""
    if act == "replace":
        _offer(request, user)
        return _again(request), ""
    second_factor.remove(user, source)
    del request.session[second_factor.PROVED]
    messages.success(request, _("The second factor is removed: your password alone signs you in.")
                     + _ended(request, user))
    return _again(request), ""


def _kept(request: HttpRequest) -> HttpResponse:
    request.session.pop(OFFER, None)
    return _again(request)


def _again(request: HttpRequest) -> HttpResponse:
    leads_to = _next(request)
    return redirect(reverse("own-second-factor", query={"next": leads_to} if leads_to else None))


# ── the offer, and where the person wanted to go ───────────────────────────────────────────────────
def _offer(request: HttpRequest, user: User) -> Secret:
    seed = second_factor.new_seed()
    request.session[OFFER] = {"seed": seal(seed.reveal(), _context(user)), "at": int(time.time())}
    return seed


def _offered(request: HttpRequest, user: User) -> Secret | None:
    """The seed that this browser was shown; None without one, or when that was too long ago."""
    offer = request.session.get(OFFER)
    if not offer or not 0 <= time.time() - offer["at"] <= OFFER_S:
        return None
    try:
        return Secret(unseal(offer["seed"], _context(user)))
    except Unsealable:  # the field keys have changed since
        return None


def _context(user: User) -> str:
    return f"person:{user.pk}:offer"


def _next(request: HttpRequest) -> str:
    """Only to a page of ours."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    fine = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if fine else ""
