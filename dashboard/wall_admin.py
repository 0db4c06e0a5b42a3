"""Wall displays in the admin: adding one is entering the code that its screen shows; the list tells how each of them
does, and its actions reach a screen within seconds, without a ladder."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.models import Display
from dashboard.pairing import accept, make_link
from dashboard.release import version
from dashboard.row_actions import RowActions
from dashboard.wall_forms import SAID, WHAT, WHEN, WHERE, DisplayForm, PairForm
from dashboard.wall_states import data_age, state_of

DRAWN = {"name", "layout", "diagonal_in", "distance_m", "oled", "language", "time_zone", "opens_at", "closes_at"}
TOLD = ("state", "last_seen_at", "data_age", "resolution", "version_shown", "address", "created_at", "revoked_at")


@admin.register(Display)
class DisplayAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "state", "last_seen_at", "data_age", "layout", "resolution", "version_shown", "address",
                    "queues_shown")
    readonly_fields = TOLD
    filter_horizontal = ("queues",)
    actions = ("identify", "reload", "test_alert", "rotate", "link", "revoke")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Display]:
        displays: QuerySet[Display] = super().get_queryset(request).prefetch_related("queues__account")
        return displays

    def get_fieldsets(self, request: HttpRequest, obj: Display | None = None) -> Any:
        chosen = [(_("What it shows"), {"fields": WHAT}), (_("Where it hangs"), {"fields": WHERE}),
                  (_("When"), {"fields": WHEN})]
        if obj is None:
            return [(None, {"fields": ("code", "by_link")}), *chosen]
        return [*chosen, (_("A message on the screen"), {"fields": SAID}), (_("The screen"), {"fields": TOLD})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs | {"form": DisplayForm if obj else PairForm})
        form.administrator = request.user  # type: ignore[attr-defined]  # a class of this request's own
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Of a change only what was changed: the screen's secret may be another by now."""
        if change:
            if DRAWN & {*form.changed_data}:
                Display.objects.filter(pk=obj.pk).update(reload=F("reload") + 1)
            obj.save(update_fields=[field for field in form.changed_data if field != "queues"])
            return
        if form.pairing is not None:
            accept(obj, form.pairing)
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Display, post_url_continue: str | None = None) -> HttpResponse:
        if obj.token_hash is None:
            return self._link_page(request, [obj])
        return super().response_add(request, obj, post_url_continue)

    # ── the list ───────────────────────────────────────────────────────────────────────────────────
    @admin.display(description=gettext_lazy("queues"))
    def queues_shown(self, display: Display) -> str:
        return ", ".join(str(queue) for queue in display.queues.all()) or _("none")

    @admin.display(description=gettext_lazy("state"))
    def state(self, display: Display) -> str:
        return state_of(display, timezone.now())

    @admin.display(description=gettext_lazy("data age"))
    def data_age(self, display: Display) -> str:
        return data_age(display)

    @admin.display(description=gettext_lazy("version"))
    def version_shown(self, display: Display) -> str:
        if not display.version:
            return "–"
        said = _("current") if display.version == version() else _("older")
        return format_html("{} ({})", display.version, said)

    # ── the actions ────────────────────────────────────────────────────────────────────────────────
    @admin.action(description=gettext_lazy("Identify: the screen shows its name for ten seconds"),
                  permissions=["change"])
    def identify(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        self._ask(request, displays, _counts("identify"), _("%(name)s shows its name."))

    @admin.action(description=gettext_lazy("Reload the page on the screen"), permissions=["change"])
    def reload(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        self._ask(request, displays, _counts("reload"), _("%(name)s reloads."))

    @admin.action(description=gettext_lazy("Test alert: the screen shows what an alert looks like"),
                  permissions=["change"])
    def test_alert(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        self._ask(request, displays, _counts("test_alert"), _("%(name)s shows a test alert."))

    @admin.action(description=gettext_lazy("Rotate: the screen fetches a new secret by itself"),
                  permissions=["change"])
    def rotate(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        self._ask(request, displays, lambda display: {"rotate": True}, _(
            "%(name)s fetches a new secret; the old one is good for 10 minutes more."))

    @admin.action(description=gettext_lazy("Revoke: the screens go blank and show a new code"), permissions=["change"])
    def revoke(self, request: HttpRequest, displays: QuerySet[Display]) -> None:
        self._ask(request, displays, lambda display: {"revoked_at": timezone.now()}, _("%(name)s is revoked."))

    @admin.action(description=gettext_lazy("One-time link: for a device nobody can reach"), permissions=["change"])
    def link(self, request: HttpRequest, displays: QuerySet[Display]) -> HttpResponse | None:
        chosen = list(displays.filter(revoked_at=None))
        if not chosen:
            self.message_user(request, _("A revoked wall has no link: pair the screen anew."), messages.WARNING)
            return None
        for display in chosen:
            self.log_change(request, display, _("A one-time link was made."))
        return self._link_page(request, chosen)

    def _ask(self, request: HttpRequest, displays: QuerySet[Display], change: Callable[[Display], dict[str, Any]],
             said: str) -> None:
        """One by one, so that each is noticed as a change of configuration: screens hear of it within seconds."""
        for display in displays.filter(revoked_at=None):
            changed, name = change(display), display.name
            for field, value in changed.items():
                setattr(display, field, value)
            display.save(update_fields=list(changed))
            self.log_change(request, display, said % {"name": name})
            self.message_user(request, said % {"name": name}, messages.SUCCESS)

    def _link_page(self, request: HttpRequest, displays: list[Display]) -> HttpResponse:
        """An answer and no message: a message would wait in a cookie or a session until it is shown."""
        links = [(display, request.build_absolute_uri(reverse("wall-link", args=[make_link(display)])))
                 for display in displays]
        return TemplateResponse(request, "admin/dashboard/wall_link.html", {
            **self.admin_site.each_context(request), "title": _("One-time link"), "links": links, "opts": self.opts})


def _counts(field: str) -> Callable[[Display], dict[str, Any]]:
    return lambda display: {field: F(field) + 1}
