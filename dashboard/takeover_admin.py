"""Takeovers in the admin: each with its newest state, and a verdict on those whose outcome was never known."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard import record_words as words
from dashboard.access import Audience, shown_text, viewer_of, without_caller
from dashboard.models import AuditEvent, TakeoverAttempt
from dashboard.record_admin import RecordAdmin
from dashboard.station import station
from dashboard.takeover import judge
from dashboard.takeover_states import State
from dashboard.views import source_of

Verdict = TakeoverAttempt.Verdict


@admin.register(TakeoverAttempt)
class TakeoverAdmin(RecordAdmin):
    """Numbers are cut to the last four digits, in DeepCall's words and ids, too. A call's key is left out."""

    list_display = ("when", "actor_name", "account", "call_ref", "caller", "outcome", "code", "said", "tries_made",
                    "agents", "session", "address")
    list_filter = ("state", "account", "code", "created_at")
    list_select_related = ("account",)
    search_fields = ("actor_name", "call_ref", "=call_id", "=caller_last4", "^address", "=code")
    search_help_text = gettext_lazy("A name, a call, the caller’s last four digits, an address or a code.")
    date_hierarchy = "created_at"
    ordering = ("-id",)
    actions = ("it_moved", "it_did_not_move")
    asked_by = frozenset({"state__exact", "account__id__exact", "code"})
    file_name = "takeovers"
    fieldsets = (
        (None, {"fields": ("when", "actor_name", "account", "call_ref", "call_id_shown", "caller", "agents", "session",
                           "agentid_sent", "where", "lines")}),
        (gettext_lazy("What became of it"), {
            "fields": ("outcome", "code", "said", "why_not_sent", "tries_listed", "for_administrator")}),
    )

    @admin.display(description=gettext_lazy("time (UTC)"), ordering="created_at")
    def when(self, attempt: TakeoverAttempt) -> str:
        return f"{self.moment(attempt):%Y-%m-%d %H:%M:%S}"

    @admin.display(description=gettext_lazy("caller"), ordering="caller_last4")
    def caller(self, attempt: TakeoverAttempt) -> str:
        return words.caller(attempt.caller_last4)

    @admin.display(description=gettext_lazy("call id"), ordering="call_id")
    def call_id_shown(self, attempt: TakeoverAttempt) -> str:
        return without_caller(attempt.call_id, attempt.caller_last4)

    @admin.display(description=gettext_lazy("outcome"), ordering="state")
    def outcome(self, attempt: TakeoverAttempt) -> str:
        label = attempt.get_state_display()
        return f"{label}: {words.judged(attempt.verdict, attempt.verdict_by)}" if attempt.verdict else label

    @admin.display(description=gettext_lazy("message"), ordering="message")
    def said(self, attempt: TakeoverAttempt) -> str:
        return shown_text(attempt.message, Audience(), attempt.caller_last4)

    @admin.display(description=gettext_lazy("tries"), ordering="tries")
    def tries_made(self, attempt: TakeoverAttempt) -> str:
        """From the first try to the end of the last one, the pauses between them included."""
        if not (attempt.tries and attempt.sent_at and attempt.tried_until):
            return ""
        return words.in_seconds(attempt.tries, (attempt.tried_until - attempt.sent_at).total_seconds())

    @admin.display(description=gettext_lazy("agent before → after"))
    def agents(self, attempt: TakeoverAttempt) -> str:
        before, after = (without_caller(text, attempt.caller_last4) for text in (
            attempt.agent_before_name or attempt.agent_before, attempt.agent_after_name or attempt.agent_after))
        return f"{before or '–'} → {after or '–'}" if before or after else ""

    @admin.display(description=gettext_lazy("DeepCall session"), ordering="own_session")
    def session(self, attempt: TakeoverAttempt) -> str:
        return _("own") if attempt.own_session else _("the account’s")

    @admin.display(description=gettext_lazy("from"))
    def where(self, attempt: TakeoverAttempt) -> str:
        return words.where(attempt.address, attempt.session_mark)

    @admin.display(description=gettext_lazy("reason"))
    def why_not_sent(self, attempt: TakeoverAttempt) -> str:
        return words.why_not_sent(attempt.reason)

    @admin.display(description=gettext_lazy("tries"))
    def tries_listed(self, attempt: TakeoverAttempt) -> SafeString:
        details = AuditEvent.objects.filter(attempt_id=attempt.pk).order_by("seq").values_list("detail", flat=True)
        return words.listed(tuple(one for detail in details for one in words.told(detail).tries))

    @admin.display(description=gettext_lazy("an administrator can"))
    def for_administrator(self, attempt: TakeoverAttempt) -> str:
        return words.for_administrator(attempt.code)

    @admin.display(description=gettext_lazy("in the record"))
    def lines(self, attempt: TakeoverAttempt) -> SafeString:
        address = reverse("admin:dashboard_auditevent_changelist", query={"attempt_id": attempt.pk})
        return format_html('<a href="{}">{}</a>', address, _("its lines"))

    # ── verdicts ───────────────────────────────────────────────────────────────────────────────────
    def has_judge_permission(self, request: HttpRequest) -> bool:
        viewer = viewer_of(request.user)
        return viewer is not None and viewer.judges

    @admin.action(description=gettext_lazy("It moved"), permissions=["judge"])
    def it_moved(self, request: HttpRequest, attempts: QuerySet[TakeoverAttempt]) -> None:
        self._judge(request, attempts, Verdict.MOVED)

    @admin.action(description=gettext_lazy("It did not move"), permissions=["judge"])
    def it_did_not_move(self, request: HttpRequest, attempts: QuerySet[TakeoverAttempt]) -> None:
        self._judge(request, attempts, Verdict.NOT_MOVED)

    def _judge(self, request: HttpRequest, attempts: QuerySet[TakeoverAttempt], verdict: Verdict) -> None:
        """Only what was never known can be judged, and only once; the others are left as they are, and counted."""
        viewer, source, chosen = viewer_of(request.user), source_of(request), attempts.count()
        name = viewer.name if viewer else ""
        open_ones = list(attempts.filter(state=State.ABANDONED, verdict=""))
        done = sum(judge(attempt, verdict, name, source) for attempt in open_ones)
        if done:
            station.ring()
            self._say(request, messages.SUCCESS, done, ngettext(
                "%(count)s takeover judged: %(verdict)s.", "%(count)s takeovers judged: %(verdict)s.", done), verdict)
        if left := chosen - done:
            self._say(request, messages.WARNING, left, ngettext(
                "%(count)s takeover left as it is: it was not abandoned, or somebody has judged it already.",
                "%(count)s takeovers left as they are: they were not abandoned, or somebody has judged them already.",
                left), verdict)

    def _say(self, request: HttpRequest, level: int, count: int, sentence: str, verdict: Verdict) -> None:
        self.message_user(request, sentence % {"count": count, "verdict": verdict.label}, level)
