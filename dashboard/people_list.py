"""The list of people: what each may do and see, and when they were last there. A fixed number of queries."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.models import Seat, SignIn
from dashboard.rights import SeatRights
from dashboard.rights_words import queue_words
from dashboard.roles import GROUPS, PREFETCHED, Numbers, Role, beside, numbers_of, role_of
from queue_api.models import Account

OWNER = "owner"
JUST_NOW = timedelta(minutes=6)  # a sign of life is written every five


class RoleFilter(admin.SimpleListFilter):
    title = gettext_lazy("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(OWNER, _("Owner")), *((role.value, str(role.label)) for role in reversed(Role))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        wanted = self.value()
        if wanted == OWNER:
            return queryset.filter(is_superuser=True)
        if wanted == Role.NONE:
            return queryset.filter(is_superuser=False).exclude(groups__name__in=GROUPS.values())
        if wanted in GROUPS:
            return queryset.filter(is_superuser=False, groups__name=GROUPS[Role(wanted)])
        return queryset


class AccountFilter(admin.SimpleListFilter):
    title = gettext_lazy("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [*((str(pk), name) for pk, name in Account.objects.values_list("pk", "name")), ("none", _("No seat"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        wanted = self.value()
        if not wanted or wanted not in {str(key) for key, _name in self.lookup_choices}:
            return queryset
        return queryset.filter(seats=None) if wanted == "none" else queryset.filter(seats__account=int(wanted))


class PeopleList(UserAdmin):  # type: ignore[type-arg]
    """The list's half of the people's admin."""

    list_display = ("person", "role_shown", "queues_shown", "numbers_shown", "last_seen", "is_active")
    list_display_links = ("person",)
    list_filter = (RoleFilter, "is_active", AccountFilter)
    list_per_page = 50
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = gettext_lazy("A user name, a name or an email address.")
    ordering = ("username",)
    show_facets = admin.ShowFacets.NEVER

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        newest = SignIn.objects.filter(user=OuterRef("pk")).order_by("-last_seen_at").values("last_seen_at")[:1]
        people: QuerySet[User] = super().get_queryset(request)
        return people.annotate(seen_at=Subquery(newest)).prefetch_related(
            *PREFETCHED, "seats__account", "seats__queues")

    @admin.display(description=gettext_lazy("name"), ordering="username")
    def person(self, person: User) -> str:
        return format_html("{} <small>{}</small>", person.get_username(), person.get_full_name())

    @admin.display(description=gettext_lazy("role"))
    def role_shown(self, person: User) -> str:
        if person.is_superuser:
            return _("Owner")
        role = role_of(person).label
        return _("%(role)s, and rights beside it") % {"role": role} if beside(person) else str(role)

    @admin.display(description=gettext_lazy("queues"))
    def queues_shown(self, person: User) -> str:
        if person.is_superuser:
            return _("all accounts")
        return "; ".join(_seat(seat) for seat in person.seats.all()) or _("none")

    @admin.display(description=gettext_lazy("caller numbers"))
    def numbers_shown(self, person: User) -> str:
        return str(Numbers(numbers_of(person)).label)

    @admin.display(description=gettext_lazy("last seen"), ordering="seen_at")
    def last_seen(self, person: Any) -> str:
        """From a browser they are or were signed in with."""
        if person.seen_at is None:
            return _("not yet")
        age = timezone.now() - person.seen_at
        return _("just now") if age < JUST_NOW else _("%(age)s ago") % {"age": timesince(person.seen_at, depth=1)}


def _seat(seat: Seat) -> str:
    given = SeatRights(seat.all_queues, tuple(queue.name for queue in seat.queues.all()))
    queues = _("all queues") if given.all_queues else queue_words(given.queues)
    name = seat.account.name if seat.account.enabled else _("%(account)s (switched off)") % {"account": seat.account}
    return f"{name}: {queues}"
