"""People and queues in the admin. A person's seats, queues and rights are on one page."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import poll_admin, record_admin, takeover_admin, wall_admin  # noqa: F401 - registers accounts, record, walls
from dashboard.models import Queue, Seat
from dashboard.person_page import PersonPage
from dashboard.proof_admin import PasswordProof, ProofAdmin
from dashboard.rights import NOBODY, Rights, record_change, rights_of
from dashboard.row_actions import RowActions
from dashboard.second_factor_admin import SecondFactorActions
from dashboard.sign_in_admin import SignInActions
from dashboard.views import source_of
from queue_api.admin import WriteOnlyField

admin.site.site_header = "Callboard"
admin.site.site_title = "Callboard"
admin.site.index_title = gettext_lazy("Set-up and record")


class SeatForm(forms.ModelForm):  # type: ignore[type-arg]
    ssid = WriteOnlyField(label=gettext_lazy("Own session id (ssid)"))

    class Meta:
        model = Seat
        fields = ("account", "all_queues", "queues", "agent_id")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if queues := self.fields.get("queues"):  # not there where it may only be looked at
            queues.queryset = Queue.objects.select_related("account")  # type: ignore[attr-defined]
        self.fields["ssid"].help_text = (
            _("Stored. Leave empty to keep it, type - to remove it.") if self.instance.ssid_sealed
            else _("None: takeovers use the account's session, and the button says whose phone rings."))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        account = cleaned.get("account")
        foreign = [str(queue) for queue in cleaned.get("queues", []) if account and queue.account_id != account.pk]
        if foreign:
            self.add_error("queues", _("Not queues of this account: %(names)s.") % {"names": ", ".join(foreign)})
        return cleaned

    def save(self, commit: bool = True) -> Seat:
        if text := self.cleaned_data.get("ssid"):
            self.instance.set_ssid("" if text == "-" else text)
        seat: Seat = super().save(commit)
        return seat

    def has_changed(self) -> bool:
        return super().has_changed() or bool(self.data.get(self.add_prefix("ssid")))


class SeatInline(admin.StackedInline):  # type: ignore[type-arg]
    model = Seat
    form = SeatForm
    extra = 0
    filter_horizontal = ("queues",)
    fields = ("account", "all_queues", "queues", "agent_id", "ssid")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Whoever may only look is not shown an empty field where a session may be stored."""
        fields = super().get_fields(request, obj)
        people = self.admin_site.get_model_admin(User)
        return fields if people.has_change_permission(request, obj) else [one for one in fields if one != "ssid"]

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj and obj.seats.exists() else 1  # the first seat is there to be filled in


admin.site.unregister(User)
admin.site.unregister(Group)  # the roles are the groups, and what they may is a table in the code (decision 016)


@admin.register(User)
class PersonAdmin(RowActions, ProofAdmin, PasswordProof, SecondFactorActions, SignInActions, PersonPage):
    secrets = frozenset({"ssid", "password1"})
    inlines = [SeatInline]
    actions = ("sign_out_everywhere", "lift_waiting")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.actor = request.user  # a class of this request's own
        return form

    # ── saving, with its line of the record in the same transaction ────────────────────────────────
    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        form.before = rights_of(obj.pk) if change else NOBODY
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.give(form.instance)
        self._an_owner_stays(form.before)
        record_change(form.instance, form.before, rights_of(form.instance.pk), request.user, source_of(request))

    def _an_owner_stays(self, before: Rights) -> None:
        """Two owners who take each other's right at the same moment: saving made the second wait for the first."""
        if before.owner and not User.objects.filter(is_superuser=True, is_active=True).exists():
            raise PermissionDenied(_("Nothing was changed: nobody would be an owner any more."))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        self.delete_queryset(request, User.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        with transaction.atomic():
            for person in queryset.exclude(pk=request.user.pk or 0):
                before = rights_of(person.pk)
                record_change(person, before, NOBODY, request.user, source_of(request))
                person.delete()
                self._an_owner_stays(before)


@admin.register(Queue)
class QueueAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "account", "key", "target_percent", "target_s")
    list_filter = ("account",)
    search_fields = ("name", "key")
    fieldsets = (
        (None, {"fields": ("account", "key", "name")}),
        (_("Service level"), {
            "fields": (("target_percent", "target_s"), ("level_warn", "level_crit")),
            "description": _(
                "The target is what the numbers are measured against. Below its limits the service level alarms, once "
                "ten calls of the day are decided. Empty: no limit.")}),
        (_("Limits"), {
            "fields": (("waiting_warn", "waiting_crit"), ("wait_warn_s", "wait_crit_s"),
                       ("talk_warn_s", "talk_crit_s"), ("hold_warn_s", "hold_crit_s")),
            "description": _(
                "From amber on a number is marked, from red on boards alarm who wants to be alarmed. A level ends when "
                "the number has been better by a tenth for ten seconds. Empty: no limit.")}),
    )
