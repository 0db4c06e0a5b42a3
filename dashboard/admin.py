"""People and queues in the admin. A person's seats, queues and rights are on one page."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group, Permission, User
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import poll_admin, record_admin, takeover_admin, wall_admin  # noqa: F401 - registers accounts, record, walls
from dashboard.models import Queue, Seat
from dashboard.row_actions import RowActions
from dashboard.sign_in_admin import SignInActions
from queue_api.admin import WriteOnlyField

admin.site.site_header = "Callboard"
admin.site.site_title = "Callboard"
admin.site.index_title = gettext_lazy("Set-up and record")

RIGHTS = {"may_take_over": "take_over", "may_see_full_numbers": "see_full_numbers"}


class SeatForm(forms.ModelForm):  # type: ignore[type-arg]
    ssid = WriteOnlyField(label=gettext_lazy("Own session id (ssid)"))

    class Meta:
        model = Seat
        fields = ("account", "all_queues", "queues", "agent_id")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 0 if obj and obj.seats.exists() else 1  # the first seat is there to be filled in


class PersonForm(UserChangeForm):  # type: ignore[type-arg]
    may_take_over = forms.BooleanField(label=gettext_lazy("May take over calls"), required=False)
    may_see_full_numbers = forms.BooleanField(label=gettext_lazy("May see full caller numbers"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            held = set(self.instance.user_permissions.values_list("codename", flat=True))
            for field, codename in RIGHTS.items():
                self.fields[field].initial = codename in held


admin.site.unregister(User)


@admin.register(User)
class PersonAdmin(RowActions, SignInActions, UserAdmin):  # type: ignore[type-arg]
    form = PersonForm
    inlines = [SeatInline]
    actions = ("sign_out_everywhere", "lift_waiting")
    list_display = ("username", "first_name", "last_name", "is_active", "is_staff", "queues_shown")
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (gettext_lazy("Rights"), {
            "fields": ("is_active", "may_take_over", "may_see_full_numbers", "is_staff", "is_superuser", "groups"),
            "description": gettext_lazy("Without a seat below, a person sees no calls at all."),
        }),
    )
    filter_horizontal = ("groups",)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return self.inlines if obj else []

    @admin.display(description=gettext_lazy("queues"))
    def queues_shown(self, person: User) -> str:
        if person.is_superuser:
            return _("all accounts")
        parts = [_("%(account)s: all") % {"account": seat.account.name} if seat.all_queues
                 else ", ".join(str(queue) for queue in seat.queues.all())
                 for seat in person.seats.select_related("account").prefetch_related("queues__account")]
        return "; ".join(part for part in parts if part) or _("none")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        for field, codename in RIGHTS.items():
            if field in form.cleaned_data:
                right = Permission.objects.get(codename=codename, content_type__app_label="dashboard")
                change_right = form.instance.user_permissions.add if form.cleaned_data[field] else (
                    form.instance.user_permissions.remove)
                change_right(right)


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(RowActions, GroupAdmin):
    pass


@admin.register(Queue)
class QueueAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "account", "key", "target_percent", "target_s")
    list_filter = ("account",)
    search_fields = ("name", "key")
