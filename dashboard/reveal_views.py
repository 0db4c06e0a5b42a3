"""`POST /reveal/`: the whole number behind a masked one, for as long as it is held on the page."""

from http import HTTPStatus

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from dashboard.revealing import Revealed, reveal
from dashboard.station import station
from dashboard.views import source_of, viewer_for


@require_POST
@never_cache
def reveal_number(request: HttpRequest) -> JsonResponse:
    """Answers {"number": …}, or {"said": …} in the person's language: 403, 404, 429, 503."""
    viewer = viewer_for(request)
    if viewer is None:
        return _answer(Revealed(HTTPStatus.FORBIDDEN, said=_("You are signed out. Sign in and try again.")))
    station.look(viewer.audience.scope)
    return _answer(reveal(viewer, request.POST.get("call", ""), source_of(request)))


def _answer(told: Revealed) -> JsonResponse:
    body = {"number": told.number} if told.number else {"said": str(told.said)}
    response = JsonResponse(body, status=told.status)
    if told.wait_s:
        response["Retry-After"] = str(told.wait_s)
    return response
