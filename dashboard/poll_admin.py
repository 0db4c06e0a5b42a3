"""How each account is polled, on its own page in the admin and in the list of accounts.

The numbers are the poller's, which may be in another process: it writes them down with each renewal of its lease.
"""

from typing import Any

import msgspec
from django.contrib import admin
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.clock import now_ms
from dashboard.lease import account_lease, is_over
from dashboard.models import Lease
from dashboard.pace import SENTENCES
from dashboard.row_actions import RowActions
from dashboard.tally import NO_ANSWER, NOT_ASKED, NOT_SENT, OTHER
from queue_api.admin import AccountAdmin
from queue_api.errors import LIST, advice
from queue_api.models import Account

WITHOUT_CODE: dict[str, Promise] = {
    NOT_SENT: gettext_lazy("No connection"), NO_ANSWER: gettext_lazy("No usable answer"),
    NOT_ASKED: gettext_lazy("Not asked: the settings cannot be used"), OTHER: gettext_lazy("All other codes"),
}


class ErrorLine(msgspec.Struct, frozen=True):
    code: str
    title: Promise | str
    hour: int
    ever: int


class Polling(msgspec.Struct, frozen=True):
    """One account's polling as last written down; times and ages in seconds. `polled`: whether anybody does now."""

    polled: bool
    holder: str
    fence: int
    as_of_s: int
    interval: str
    why: Promise | str
    failures: int
    last_minute: int
    total: int
    up_s: int
    listed_s: int | None
    errors: tuple[ErrorLine, ...]


def polling_of(account: Account, now: int) -> Polling | None:
    """None when it has never been polled by a version that writes this down."""
    lease = Lease.objects.filter(name=account_lease(account.pk)).first()
    if lease is None or not lease.report:
        return None
    told: dict[str, Any] = lease.report
    hour, ever = told.get("errors_hour", {}), told.get("errors", {})
    return Polling(
        polled=account.enabled and not is_over(lease), holder=lease.holder[:8], fence=lease.fence,
        as_of_s=_age_s(told["at"], now), interval=f"{told.get('interval_s', 0):g}",
        why=SENTENCES.get(told.get("why", ""), ""), failures=told.get("failures", 0),
        last_minute=told.get("last_minute", 0), total=told.get("total", 0), up_s=_age_s(told["began_at"], now),
        listed_s=_age_s(told["heard_at"], now) if told.get("heard_at") else None,
        errors=tuple(ErrorLine(code, _title(code), hour.get(code, 0), count) for code, count in ever.items()),
    )


def _age_s(at: int, now: int) -> int:
    return max(0, now - at) // 1000


def _title(code: str) -> Promise | str:
    return WITHOUT_CODE[code] if code in WITHOUT_CODE else advice(LIST, code).title


admin.site.unregister(Account)


@admin.register(Account)
class PolledAccountAdmin(RowActions, AccountAdmin):
    list_display = (*AccountAdmin.list_display, "polling_now")  # type: ignore[assignment] # one more
    readonly_fields = ("polling",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        given = super().get_fieldsets(request, obj)
        first, *others = given
        return given if obj is None else [first, (gettext_lazy("Polling"), {"fields": ("polling",)}), *others]

    @admin.display(description=gettext_lazy("now"))
    def polling(self, account: Account) -> str:
        context = {"polling": polling_of(account, now_ms()), "account": account}
        return render_to_string("admin/queue_api/account/_polling.html", context)

    @admin.display(description=gettext_lazy("polling"))
    def polling_now(self, account: Account) -> str:
        found = polling_of(account, now_ms())
        if found is None or not found.polled:
            return _("no process polls")
        return _("every %(interval)s s: %(why)s") % {"interval": found.interval, "why": found.why} if (
            not found.failures) else _("again after %(interval)s s: %(why)s") % {
                "interval": found.interval, "why": found.why}
