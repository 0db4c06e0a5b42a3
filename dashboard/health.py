"""`/healthz`: the process is alive. `/readyz`: lists are fresh, database and layer are reachable."""

import time
from typing import Any

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from dashboard.clock import now_ms
from dashboard.mirror import mirror
from dashboard.station import station

READING_S = 20.0  # the database is read every 3 s; without it nobody hears of takeovers or of rights that changed


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("draining\n" if station.draining else "ok\n", content_type="text/plain",
                        status=503 if station.draining else 200)


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """JSON; 503 when something a supervisor depends on is missing. Accounts by number: anybody may ask."""
    feeds = {str(card.pk): mirror.health(card, now_ms()).state for card, _board in mirror.known()}
    body: dict[str, Any] = {"database": _database(), "layer": station.layer.reachable, "feeds": feeds,
                            "reading": time.monotonic() - station.read_at < READING_S}
    parts = (body["database"], body["layer"], body["reading"], not station.draining)
    fine = all(parts) and all(state == "fresh" for state in feeds.values())
    return JsonResponse(body | {"ready": bool(fine)}, status=200 if fine else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
