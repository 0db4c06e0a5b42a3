"""What the people's admin has on second factors: who has one, and resetting it for somebody whose phone is lost."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard import second_factor
from dashboard.access import display_name
from dashboard.models import SignIn
from dashboard.proof_admin import asked_first
from dashboard.sign_outs import sign_out
from dashboard.views import source_of

RESET = "reset_second_factor"


class SecondFactorFilter(admin.SimpleListFilter):
    title = gettext_lazy("second factor")
    parameter_name = "second_factor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("on", _("on")), ("off", _("off"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        chosen = self.value()
        return queryset.filter(second_factor__isnull=chosen == "off") if chosen in ("on", "off") else queryset


class SecondFactorActions:
    """A column, a filter and an action. Resetting ends all of the person's sign-ins and is on record."""

    def get_list_select_related(self, request: HttpRequest) -> tuple[str, ...]:
        return ("second_factor",)

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*super().get_list_display(request), "second_factor_shown")  # type: ignore[misc]

    def get_list_filter(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*super().get_list_filter(request), SecondFactorFilter)  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions: dict[str, Any] = super().get_actions(request)  # type: ignore[misc]
        if actions and self.has_change_permission(request):  # type: ignore[attr-defined]
            actions[RESET] = self.get_action(RESET)  # type: ignore[attr-defined]
        return actions

    @admin.display(description=gettext_lazy("second factor"), ordering="second_factor__confirmed_at")
    def second_factor_shown(self, person: User) -> str:
        factor = getattr(person, "second_factor", None)
        if factor:
            return _("since %(day)s") % {"day": date_format(factor.confirmed_at, "j M Y")}
        return _("missing") if second_factor.required_of(person) else "–"

    @admin.action(description=gettext_lazy("Reset the second factor (phone lost)"))
    def reset_second_factor(self, request: HttpRequest, people: QuerySet[User]) -> HttpResponse | None:
        if asks := asked_first(self, request, RESET, _("Reset the second factor of %(count)s chosen") % {
                "count": people.count()}):
            return asks
        done = sum([self._reset(request, person) for person in people])
        said = ngettext("%(n)s second factor is reset: from now on the password alone signs in.",
                        "%(n)s second factors are reset: from now on the passwords alone sign in.", done)
        self.message_user(request, said % {"n": done}, messages.SUCCESS if done else messages.INFO)  # type: ignore[attr-defined]
        return None

    def _reset(self, request: HttpRequest, person: User) -> bool:
        if refusal := self._why_not(request, person):
            self.message_user(request, refusal, messages.WARNING)  # type: ignore[attr-defined]
            return False
        by = display_name(request.user)  # type: ignore[arg-type]  # the admin is for who is signed in
        if not second_factor.reset(person, by, source_of(request), actor_id=request.user.pk or 0):
            return False
        sign_out(person.pk, SignIn.objects.filter(user=person), SignIn.Why.SECOND_FACTOR, by=request.user.pk)
        self.log_change(request, person, _("Second factor reset."))  # type: ignore[attr-defined]
        return True

    def _why_not(self, request: HttpRequest, person: User) -> str:
        """"" when this administrator may do it."""
        if person.pk == request.user.pk:
            return _("Your own is replaced on your page “Second factor”, with a code.")
        owner = bool(getattr(request.user, "is_superuser", False))
        if (person.is_superuser and not owner) or not self.has_change_permission(request, person):  # type: ignore[attr-defined]
            return _("%(name)s: only an owner may do that.") % {"name": display_name(person)}
        return ""
