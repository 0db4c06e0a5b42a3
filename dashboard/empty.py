"""Why somebody's board is empty, and whom they can ask. What the page without a board says."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import WATCH, display_name
from dashboard.models import Seat
from dashboard.roles import Role, administrators, role_of

ASKED = 3
LOOKS_AGAIN_S = 15


def why_empty(user: Any) -> list[str]:
    """One sentence for each thing that is missing. Four queries at most."""
    if user.has_perm(WATCH):
        return _without_queues(user)
    if role_of(user) is Role.ADMINISTRATOR:
        return [_("You are an administrator: you set up boards for others. To watch calls takes another role.")]
    return [_("You have no role. An observer watches calls, a supervisor takes them over, too."),
            *_without_queues(user)]


def _without_queues(user: Any) -> list[str]:
    seats = [seat for seat in Seat.objects.filter(user=user).select_related("account").prefetch_related("queues")
             if seat.all_queues or seat.queues.all()]
    if not seats:
        return [_("No queues were given to you. A board shows the calls of one’s own queues only.")]
    if any(seat.account.enabled for seat in seats):
        return []
    return [ngettext("Your queues are of %(accounts)s, which is switched off.",
                     "Your queues are of %(accounts)s, which are switched off.", len(seats)) % {
        "accounts": ", ".join(seat.account.name for seat in seats)}]


def whom_to_ask(user: Any) -> list[str]:
    """Names of people who could give a role and queues, at most three; nobody asks themselves."""
    return [display_name(one) for one in administrators().exclude(pk=user.pk)[:ASKED]]
