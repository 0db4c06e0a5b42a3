"""How each account is polled, on its own page in the admin and in the list of accounts.

The numbers are the poller's, which may be in another process: it writes them down with each renewal of its lease.
"""

from typing import Any

import msgspec
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.account_health import OFF, Glance, glance
from dashboard.clock import now_ms
from dashboard.lease import account_lease, database_now, is_over
from dashboard.models import Lease
from dashboard.pace import SENTENCES
from dashboard.proof_admin import ProofAdmin
from dashboard.row_actions import RowActions
from dashboard.tally import NO_ANSWER, NOT_ASKED, NOT_SENT, OTHER
from dashboard.words import HEALTH
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
    return polling_in(Lease.objects.filter(name=account_lease(account.pk)).first(), account, now)


def polling_in(lease: Lease | None, account: Account, now: int, database_s: float | None = None) -> Polling | None:
    if lease is None or not lease.report:
        return None
    told: dict[str, Any] = lease.report
    hour, ever = told.get("errors_hour", {}), told.get("errors", {})
    return Polling(
        polled=account.enabled and not is_over(lease, database_s), holder=lease.holder[:8], fence=lease.fence,
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


class WithLeases(ChangeList):
    """The accounts of one page with their leases: one query, and one look at the clocks, for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        leases = {lease.name: lease for lease in Lease.objects.filter(
            name__in=[account_lease(account.pk) for account in self.result_list])}
        now, database_s = now_ms(), database_now()
        for account in self.result_list:
            lease = leases.get(account_lease(account.pk))
            account.glance = glance(account, lease, now)
            account.polled_now = polling_in(lease, account, now, database_s)
            account.looked_at = now


admin.site.unregister(Account)


@admin.register(Account)
class PolledAccountAdmin(RowActions, ProofAdmin, AccountAdmin):
    """`health`, `calls`, `trouble` and `polling_now` are columns: they show what `WithLeases` has found."""

    secrets = frozenset({"ssid", "token", "base_url"})
    list_display = ("named", "health", "calls", "trouble", "polling_now")
    search_help_text = gettext_lazy("A name or a base URL.")
    readonly_fields = ("polling",)

    class Media:
        css = {"all": ["board/accounts.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return WithLeases

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with an account; of its history no row is named, there may be half a million."""
        named, *rest = super().get_deleted_objects(objs, request)
        return [*named, _("All that was noted of their calls: days by queue, and the numbers since midnight")], *rest

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        given = super().get_fieldsets(request, obj)
        first, *others = given
        return given if obj is None else [first, (gettext_lazy("Polling"), {"fields": ("polling",)}), *others]

    @admin.display(description=gettext_lazy("now"))
    def polling(self, account: Account) -> str:
        context = {"polling": polling_of(account, now_ms()), "account": account}
        return render_to_string("admin/queue_api/account/_polling.html", context)

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def named(self, account: Account) -> SafeString:
        return format_html("{} <small>{}</small>", account.name, account.base_url)

    @admin.display(description=gettext_lazy("health"), ordering="enabled")
    def health(self, account: Any) -> SafeString:
        found: Glance = account.glance
        age = "" if found.heard_at is None else _("list %(age)s old") % {
            "age": briefly(found.heard_at, account.looked_at)}
        return format_html('<b data-health="{}">{}</b> <small>{}</small>', found.state, word(found.state), age)

    @admin.display(description=gettext_lazy("calls"))
    def calls(self, account: Any) -> str:
        """A dash where nobody knows."""
        found: Glance = account.glance
        if found.calls is None:
            return "–"
        return _("%(calls)s, as last known") % {"calls": found.calls} if found.old else str(found.calls)

    @admin.display(description=gettext_lazy("what is wrong"))
    def trouble(self, account: Any) -> str:
        found: Glance = account.glance
        if not found.trouble or found.since is None:
            return str(found.trouble) or "–"
        return _("For %(time)s: %(trouble)s") % {
            "time": briefly(found.since, account.looked_at), "trouble": found.trouble}

    @admin.display(description=gettext_lazy("polling"))
    def polling_now(self, account: Any) -> str:
        found: Polling | None = account.polled_now
        if not account.enabled:
            return _("DeepCall is not asked")
        if found is None or not found.polled:
            return _("no process polls")
        told = {"holder": found.holder, "interval": found.interval, "why": found.why}
        return _("process %(holder)s, again after %(interval)s s: %(why)s") % told if found.failures else _(
            "process %(holder)s, every %(interval)s s: %(why)s") % told


def word(state: str) -> Promise | str:
    return _("switched off") if state == OFF else HEALTH[state]


def briefly(moment: int, now: int) -> str:
    """How long ago, in its largest unit. Both in epoch ms."""
    seconds = _age_s(moment, now)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
