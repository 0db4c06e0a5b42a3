"""A person's page in the admin, and who may change whom: nobody who may do more than a role says, but by an owner.

Neither here nor by an action or a password.
"""

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy, ngettext

from dashboard.people_list import PeopleList
from dashboard.person_form import NewPersonForm, PersonForm
from dashboard.roles import manageable
from dashboard.row_actions import is_key


class PersonPage(PeopleList):
    form, add_form = PersonForm, NewPersonForm
    filter_horizontal = ()
    add_fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email", "password1", "password2")}),
        (gettext_lazy("Rights"), {
            "fields": ("role", "numbers"),
            "description": gettext_lazy("Queues are given on the page that follows. Until then they see no call.")}),
    )

    class Media:
        css = {"all": ["board/people.css"]}

    # ── who may change whom ────────────────────────────────────────────────────────────────────────
    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._manages(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes themselves: the last owner would be gone with a click."""
        themselves = obj is not None and obj.pk == request.user.pk
        return super().has_delete_permission(request, obj) and not themselves and self._manages(request, obj)

    def _manages(self, request: HttpRequest, obj: Any) -> bool:
        return obj is None or manageable(request.user, User.objects.filter(pk=obj.pk)).exists()

    def response_action(self, request: HttpRequest, queryset: QuerySet[User], *rest: Any) -> HttpResponse | None:
        """Whatever the action is, it is done to those alone whom this administrator may change."""
        answer: HttpResponse | None = super().response_action(request, manageable(request.user, queryset), *rest)
        chosen = queryset.filter(pk__in=filter(is_key, request.POST.getlist(ACTION_CHECKBOX_NAME)))
        if left := chosen.count() - manageable(request.user, chosen).count():
            self.message_user(request, ngettext(
                "%(n)s person was left out: only an owner may change them.",
                "%(n)s people were left out: only an owner may change them.", left) % {"n": left}, messages.WARNING)
        return answer

    # ── the page ───────────────────────────────────────────────────────────────────────────────────
    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        if not self.has_change_permission(request, obj):
            shown = ("username", "first_name", "last_name", "email", "role_shown", "numbers_shown", "is_active")
            return ((None, {"fields": shown, "description": gettext_lazy("Only an owner may change this person.")}),)
        rights = ("role", "is_superuser", "numbers") if request.user.is_superuser else ("role", "numbers")
        return (
            (None, {"fields": ("username", "password", "first_name", "last_name", "email", "is_active")}),
            (gettext_lazy("Rights"), {"fields": rights, "description": gettext_lazy(
                "What they may do. Which queues they may do it with is said below, a seat for each account.")}),
        )

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return list(self.inlines) if obj else []
