"""What the admin has on signing in: who gave wrong passwords and has to wait, letting them try again, signing out."""

from math import ceil
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard import throttle
from dashboard.models import SignIn, WrongPassword
from dashboard.row_actions import RowActions
from dashboard.sign_outs import sign_out


@admin.register(WrongPassword)
class WrongPasswordAdmin(RowActions, admin.ModelAdmin):  # type: ignore[type-arg]
    """A day of them. They are counted, not edited: the one thing to do is to lift what they cause."""

    list_display = ("at", "whose", "address", "waits")
    list_display_links = None
    list_select_related = ("person",)
    list_per_page = 50
    search_fields = ("person__username", "address")
    actions = ("lift",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("person"), ordering="person")
    def whose(self, row: WrongPassword) -> str:
        return str(row.person) if row.person else _("a name that nobody has")

    @admin.display(description=gettext_lazy("has to wait there"))
    def waits(self, row: WrongPassword) -> str:
        minutes = ceil(throttle.waits_now(row) / 60)
        return ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes} if minutes else "–"

    @admin.action(description=gettext_lazy("Lift: these names may be tried again at once"), permissions=["delete"])
    def lift(self, request: HttpRequest, rows: QuerySet[WrongPassword]) -> None:
        people = [row.person for row in rows.select_related("person") if row.person]
        throttle.lift(list(rows.values_list("name_hash", flat=True)))
        for person in set(people):
            throttle.tell_lifted(person.pk, by=request.user.pk)
        self.message_user(request, _("Lifted."), messages.SUCCESS)


class SignInActions:
    """For the people's admin. Each person's page keeps in its history who did it."""

    @admin.action(description=gettext_lazy("Sign out everywhere"), permissions=["change"])
    def sign_out_everywhere(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Except the browser that this is clicked in."""
        ended = 0
        for person in people:
            theirs = SignIn.objects.filter(user=person).exclude(session_key=request.session.session_key)
            ended += sign_out(person.pk, theirs, SignIn.Why.ADMINISTRATOR, by=request.user.pk)
            self.log_change(request, person, _("Signed out everywhere."))  # type: ignore[attr-defined]
        said = ngettext("%(n)s browser is signed out.", "%(n)s browsers are signed out.", ended) % {"n": ended}
        self.message_user(request, said, messages.SUCCESS)  # type: ignore[attr-defined]

    @admin.action(description=gettext_lazy("Lift waiting after wrong passwords"), permissions=["change"])
    def lift_waiting(self, request: HttpRequest, people: QuerySet[User]) -> None:
        for person in people:
            if throttle.lift_for(person):
                throttle.tell_lifted(person.pk, by=request.user.pk)
                self.log_change(request, person, _("Waiting after wrong passwords lifted."))  # type: ignore[attr-defined]
        self.message_user(request, _("Lifted."), messages.SUCCESS)  # type: ignore[attr-defined]
