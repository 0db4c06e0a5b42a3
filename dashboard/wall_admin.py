"""Wall displays in the admin: adding one is entering the code that its screen shows."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.models import Display, Pairing
from dashboard.pairing import TooManyWrongCodes, accept, waiting_for
from dashboard.row_actions import RowActions
from queue_api.models import check_zone


class DisplayForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Display
        fields = ("name", "queues", "time_zone")

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_zone(name or "UTC")
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
        return name


class PairForm(DisplayForm):
    """A new display: the code must be one that a waiting screen shows. Wrong ones are counted per administrator."""

    code = forms.CharField(
        label=gettext_lazy("Code"), max_length=20,
        help_text=gettext_lazy("The six letters and digits that the screen shows at /wall/."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    administrator: User  # set by DisplayAdmin.get_form
    pairing: Pairing

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        try:
            pairing = waiting_for(code, self.administrator)
        except TooManyWrongCodes as error:
            raise forms.ValidationError(_("Too many wrong codes. Try again in 10 minutes.")) from error
        if pairing is None:
            raise forms.ValidationError(_("No screen shows this code now. Read it again: it changes every 10 minutes."))
        self.pairing = pairing
        return code


@admin.register(Display)
class DisplayAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "queues_shown", "last_seen_at", "created_at", "revoked_at")
    readonly_fields = ("last_seen_at", "created_at", "revoked_at")
    filter_horizontal = ("queues",)
    actions = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Display]:
        displays: QuerySet[Display] = super().get_queryset(request).prefetch_related("queues__account")
        return displays

    def get_fields(self, request: HttpRequest, obj: Display | None = None) -> tuple[str, ...]:
        settings = ("name", "queues", "time_zone")
        return (*settings, *self.readonly_fields) if obj else ("code", *settings)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs | {"form": DisplayForm if obj else PairForm})
        form.administrator = request.user  # type: ignore[attr-defined]  # a class of this request's own
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            accept(obj, form.pairing)
        super().save_model(request, obj, form, change)

    @admin.display(description=gettext_lazy("queues"))
    def queues_shown(self, display: Display) -> str:
        return ", ".join(str(queue) for queue in display.queues.all()) or _("none")

    @admin.action(description=gettext_lazy("Revoke: the screens go blank and show a new code"), permissions=["change"])
    def revoke(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        """One by one, so that each is noticed as a change of configuration: open sockets close within seconds."""
        for display in displays.filter(revoked_at=None):
            display.revoked_at = timezone.now()
            display.save(update_fields=["revoked_at"])
            self.log_change(request, display, _("Revoked."))
            self.message_user(request, _("%(name)s is revoked.") % {"name": display.name}, messages.SUCCESS)
