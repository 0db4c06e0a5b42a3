"""`/me/quiet/`: until when a person wants no alarms, on whichever screen."""

from datetime import timedelta
from http import HTTPStatus
from typing import cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.clock import now_ms
from dashboard.models import Preference

LONGEST_MIN = 720  # quiet ends by itself: nobody is to miss alarms for weeks over a forgotten click


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def quiet(request: HttpRequest) -> JsonResponse:
    """Answers {"until": epoch ms, 0: not quiet}. POST `minutes`, 0 to LONGEST_MIN, sets it; 400 for anything else."""
    user = cast(User, request.user)
    if request.method == "POST" and not _wish(user, request.POST.get("minutes", "")):
        said = _("Say for how many minutes, at most %(most)s.") % {"most": LONGEST_MIN}
        return JsonResponse({"said": said}, status=HTTPStatus.BAD_REQUEST)
    preference = Preference.objects.filter(user=user).first()
    return JsonResponse({"until": preference.quiet_until_ms(now_ms()) if preference else 0})


def _wish(user: User, minutes: str) -> bool:
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 5 and int(minutes) <= LONGEST_MIN):
        return False
    until = timezone.now() + timedelta(minutes=int(minutes)) if int(minutes) else None
    Preference.objects.update_or_create(user=user, defaults={"quiet_until": until})
    return True
