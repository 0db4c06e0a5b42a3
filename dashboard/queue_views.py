"""One queue's day: a page with figures, charts and the same as a table, and the table as a file.

A queue that is not the viewer's is answered like one that does not exist.
"""

import re
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.access import display_name, shown_text
from dashboard.clock import now_ms
from dashboard.day_figures import FIGURES
from dashboard.day_words import chart_data, clock, gap_words, table
from dashboard.day_words import figures_of_day as figures
from dashboard.minutes import STEPS, QueueDay, read_day
from dashboard.models import Queue
from dashboard.record_csv import csv_file
from dashboard.views import viewer_for

SHOWN_STEP, FILE_STEP = 30, 15
SHOWN_STEPS = tuple(step for step in STEPS if step >= 15)  # 1,440 rows are for a file
MOST_QUEUES = 200  # that are named for going to another one


class Tab(NamedTuple):
    """A queue to go to, under the name that the viewer may read. `account`: where there are several."""

    pk: int
    name: str
    account: str


class Asked(NamedTuple):
    """A day and how many minutes go together. `name`: the queue's, as the viewer may read it.

    `wrong`: why there is nothing to show, in words.
    """

    queue: Queue
    name: str
    day: date
    today: date
    step: int
    wrong: str = ""


@require_safe
@never_cache
@login_required
def queue_days(request: HttpRequest) -> HttpResponse:
    """To the first of one's queues."""
    first = next(iter(_tabs(request)), None)
    return redirect("queue-day", first.pk) if first else redirect("board")


@require_safe
@never_cache
@login_required
def queue_day(request: HttpRequest, pk: int) -> HttpResponse:
    """200; 400 with words for a day that is none or has not come; 404."""
    asked = _asked(request, pk, SHOWN_STEP, SHOWN_STEPS)
    context = {"queue": asked.queue, "asked": asked, "user_name": display_name(cast(User, request.user)),
               "steps": SHOWN_STEPS, "tabs": _tabs(request)}
    if asked.wrong:
        return render(request, "dashboard/queue_day.html", context, status=HTTPStatus.BAD_REQUEST)
    zone = ZoneInfo(asked.queue.account.time_zone)
    shown = read_day(asked.queue.account, asked.queue.key, asked.day, asked.step, now_ms())
    return render(request, "dashboard/queue_day.html", context | {
        "shown": shown, "figures": figures(shown), "gaps": gap_words(shown, zone), "columns": FIGURES,
        "rows": table(shown, zone), "data": chart_data(shown, zone, asked.queue.target_percent),
        "until": clock(shown.until, zone, shown.ended), **_neighbours(asked)})


@require_safe
@never_cache
@login_required
def queue_day_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """A row for every 15 minutes, or as many as `per` says; what nobody saw is empty. 400 and 404 as the page."""
    asked = _asked(request, pk, FILE_STEP, STEPS)
    if asked.wrong:
        return HttpResponse(asked.wrong, status=HTTPStatus.BAD_REQUEST, content_type="text/plain; charset=utf-8")
    shown = read_day(asked.queue.account, asked.queue.key, asked.day, asked.step, now_ms())
    head = ["queue", "day", "from", "to", "watched", *(figure.column for figure in FIGURES)]
    name = slugify(asked.name) or f"queue-{asked.queue.pk}"
    return csv_file(name, head, iter(_lines(asked, shown)), asked.day)


def _lines(asked: Asked, shown: QueueDay) -> list[list[str]]:
    zone = ZoneInfo(asked.queue.account.time_zone)
    return [[asked.name, f"{asked.day}", clock(part.began, zone, 0), clock(part.ended, zone, shown.ended),
             part.seen, *(figure.cell(part.stretch) for figure in FIGURES)]
            for part in shown.bins if part.seen != "later"]


# ── what was asked for ─────────────────────────────────────────────────────────────────────────────
def _asked(request: HttpRequest, pk: int, step: int, steps: tuple[int, ...]) -> Asked:
    """Raises Http404 for a queue that the viewer may not see, whatever else was asked."""
    queue, viewer = Queue.objects.select_related("account").filter(pk=pk).first(), viewer_for(request)
    if queue is None or viewer is None or not viewer.audience.scope.covers(queue.account_id, queue.key):
        raise Http404
    name = shown_text(queue.name, viewer.audience)
    today = datetime.fromtimestamp(now_ms() / 1000, ZoneInfo(queue.account.time_zone)).date()
    per = request.GET.get("per", "")
    step = int(per) if per in map(str, steps) else step
    text = request.GET.get("day", "") or f"{today}"
    day = _day(text)
    if day is None:
        return Asked(queue, name, today, today, step, _("That is no day. A day is written as 2026-11-28."))
    wrong = _("That day has not come yet.") if day > today else ""
    return Asked(queue, name, day, today, step, wrong)


def _day(text: str) -> date | None:
    """A day as ISO writes it, of this age; None for anything else."""
    if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _neighbours(asked: Asked) -> dict[str, Any]:
    day = timedelta(days=1)
    return {"before": asked.day - day, "after": asked.day + day if asked.day < asked.today else None}


def _tabs(request: HttpRequest) -> list[Tab]:
    """The viewer's queues, by account and name."""
    viewer = viewer_for(request)
    if viewer is None or not viewer.audience.scope:
        return []
    queues = [queue for queue in Queue.objects.select_related("account").filter(account__enabled=True)
              if viewer.audience.scope.covers(queue.account_id, queue.key)][:MOST_QUEUES]
    several = len({queue.account_id for queue in queues}) > 1
    return [Tab(queue.pk, shown_text(queue.name, viewer.audience), queue.account.name if several else "")
            for queue in queues]
