"""A person's own page: their DeepCall sessions, which go in and never come out, and how their buttons behave."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard import audit
from dashboard.access import display_name
from dashboard.forms import OwnSessionForm, PreferenceForm
from dashboard.models import Preference, Seat
from dashboard.views import source_of
from queue_api.errors import advice


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def own_session(request: HttpRequest) -> HttpResponse:
    """One form per seat, and one for the person. Each is saved by itself; a wrong one comes back with what is wrong."""
    user = cast(User, request.user)
    mine = Seat.objects.filter(user=user, account__enabled=True).select_related("account")
    seats = list(mine.order_by("account__name"))
    preference = Preference.objects.filter(user=user).first() or Preference(user=user)
    bound = request.POST if request.method == "POST" else None
    forms = [OwnSessionForm(bound if bound and bound.get("seat") == str(seat.uid) else None, seat=seat)
             for seat in seats]
    wishes = PreferenceForm(bound if bound and "preference" in bound else None, instance=preference)
    if bound is not None and (done := _saved(request, user, forms, wishes)):
        return done
    return render(request, "dashboard/own_session.html", {
        "user_name": display_name(user), "forms": [(form, _refusal(form.seat)) for form in forms], "wishes": wishes})


def _saved(request: HttpRequest, user: User, forms: list[OwnSessionForm],
           wishes: PreferenceForm) -> HttpResponseRedirect | None:
    """The redirect after a save; None when what was entered is wrong, or there was nothing to save."""
    if wishes.is_bound and wishes.is_valid():
        Preference.objects.update_or_create(user=user, defaults=wishes.cleaned_data)
        messages.success(request, _("Saved. Boards that are open follow when they are reloaded."))
        return redirect("own-session")
    for form in forms:
        if form.is_bound and form.is_valid():
            with transaction.atomic():  # no session is stored that the record does not know of
                stored = form.save()
                audit.record("session.stored" if stored else "session.removed", actor=display_name(user),
                             account=form.seat.account.name, actor_id=user.pk, **source_of(request).detail())
            sentence = (_("Your session for %(account)s is stored. It is used from your next takeover on.") if stored
                        else _("Your session for %(account)s is removed."))
            messages.success(request, sentence % {"account": form.seat.account.name})
            return redirect("own-session")
    return None


def _refusal(seat: Seat) -> str:
    """What DeepCall said of the stored session at the last takeover; "" when it did not refuse it."""
    if not seat.ssid_refused_at:
        return ""
    known = advice("takeover", seat.ssid_refused_code)
    return _("DeepCall refused this session (code %(code)s: %(title)s).") % {
        "code": seat.ssid_refused_code, "title": known.title}
