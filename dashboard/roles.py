"""Roles: Django groups whose permissions this table says. A person has one role or none, and queues beside it.

    ROLES             role -> permissions
    keep              after each migrate: the groups are there, with these permissions and no others
    role_of, give     one person's role;   numbers_of, give_numbers   what they read of callers' numbers

Callers' numbers are a right of their own: a trainee may be a supervisor who reads four digits. Who has rights in any
other way (`beside`) keeps them until a role is chosen for them.
"""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Q, QuerySet, TextChoices
from django.utils.translation import gettext_lazy as _

from dashboard.access import FULL_NUMBERS, REVEAL, TAKE_OVER, WATCH


class Role(TextChoices):
    NONE = "none", _("None")
    OBSERVER = "observer", _("Observer")
    SUPERVISOR = "supervisor", _("Supervisor")
    ADMINISTRATOR = "administrator", _("Administrator")


class Numbers(TextChoices):
    MASKED = "masked", _("Last four digits")
    HELD = "held", _("Last four, whole by holding")
    WHOLE = "whole", _("Whole")


def _all(app: str, *models: str) -> set[str]:
    return {f"{app}.{verb}_{model}" for model in models for verb in ("view", "add", "change", "delete")}


ROLES: dict[Role, frozenset[str]] = {
    Role.OBSERVER: frozenset({WATCH}),
    Role.SUPERVISOR: frozenset({WATCH, TAKE_OVER}),
    Role.ADMINISTRATOR: frozenset({
        *_all("queue_api", "account"), *_all("auth", "user"), *_all("dashboard", "seat", "queue", "display"),
        "dashboard.view_takeoverattempt", "dashboard.change_takeoverattempt", "dashboard.view_auditevent",
        "dashboard.view_wrongpassword", "dashboard.delete_wrongpassword"}),
}
GROUPS = {role: role.value.capitalize() for role in ROLES}
RIGHTS = {Numbers.HELD: REVEAL, Numbers.WHOLE: FULL_NUMBERS}


# ── one person ─────────────────────────────────────────────────────────────────────────────────────
def role_of(user: User) -> Role:
    """The one that gives most, should somebody be in several of the groups. No query when groups are prefetched."""
    names = {group.name for group in user.groups.all()}
    return next((role for role in reversed(ROLES) if GROUPS[role] in names), Role.NONE)


def numbers_of(user: User) -> Numbers:
    """What they read. No query when `PREFETCHED` is."""
    return Numbers.WHOLE if user.is_superuser else numbers_given(user)


def numbers_given(user: User) -> Numbers:
    """By whatever way it was given; an owner reads whole numbers without."""
    held = {permission.codename for permission in user.user_permissions.all()}
    held.update(permission.codename for group in user.groups.all() for permission in group.permissions.all())
    if _codename(FULL_NUMBERS) in held:
        return Numbers.WHOLE
    return Numbers.HELD if _codename(REVEAL) in held else Numbers.MASKED


PREFETCHED = ("groups__permissions", "user_permissions")


def beside(user: User) -> tuple[str, ...]:
    """What a person may do that no role says: other groups, single permissions, the admin without its role."""
    of_numbers = {_codename(label) for label in RIGHTS.values()}
    found = [group.name for group in user.groups.all() if group.name not in GROUPS.values()]
    found += [one.codename for one in user.user_permissions.all() if one.codename not in of_numbers]
    if user.is_staff and not user.is_superuser and role_of(user) is not Role.ADMINISTRATOR:
        found.append("is_staff")
    return tuple(sorted(found))


def give(user: User, role: Role) -> None:
    """That role and nothing beside it but what they read of numbers. The admin opens to administrators and owners."""
    user.groups.set(Group.objects.filter(name=GROUPS.get(role, "")))
    user.user_permissions.remove(*user.user_permissions.exclude(_any_of(*RIGHTS.values())))
    staff = user.is_superuser or role is Role.ADMINISTRATOR
    if user.is_staff != staff:
        user.is_staff = staff
        user.save(update_fields=["is_staff"])


def give_numbers(user: User, numbers: Numbers) -> None:
    rights = _permissions(*RIGHTS.values())
    user.user_permissions.remove(*(rights[label] for one, label in RIGHTS.items() if one is not numbers))
    if numbers in RIGHTS:
        user.user_permissions.add(rights[RIGHTS[numbers]])


# ── who may change whom ────────────────────────────────────────────────────────────────────────────
def manageable(by: Any, people: QuerySet[User]) -> QuerySet[User]:
    """Whom they may change, sign out, or give a new password: nobody who may do more than a role says.

    Otherwise an administrator would be whatever the people are whose password they can set.
    """
    if by.is_superuser:
        return people
    outside = Q(groups__in=Group.objects.exclude(name__in=GROUPS.values())) | Q(
        user_permissions__in=Permission.objects.exclude(_any_of(*RIGHTS.values())))
    staff = Q(is_staff=True) & ~Q(pk__in=User.objects.filter(groups__name=GROUPS[Role.ADMINISTRATOR]))
    beyond = User.objects.filter(Q(is_superuser=True) | outside | staff)
    return people.exclude(pk__in=beyond.values("pk"))


def administrators() -> QuerySet[User]:
    """Who could help: active owners and people of the role."""
    theirs = Q(is_superuser=True) | Q(groups__name=GROUPS[Role.ADMINISTRATOR])
    return User.objects.filter(theirs, is_active=True).order_by("pk").distinct()


# ── the groups ─────────────────────────────────────────────────────────────────────────────────────
def keep(apps: Any = None, **kwargs: Any) -> None:
    """After migrate. A group that somebody changed is as this table says again; people keep theirs."""
    if apps is not None and not any(model.__name__ == "Seat" for model in apps.get_models()):
        return  # everything of ours was just unmade
    permissions = _permissions(*(label for labels in ROLES.values() for label in labels))
    if WATCH not in permissions:
        return  # a migration from before there were roles
    first = not Group.objects.filter(name__in=GROUPS.values()).exists()
    for role, labels in ROLES.items():
        group, _created = Group.objects.get_or_create(name=GROUPS[role])
        group.permissions.set([permissions[label] for label in labels if label in permissions])
    if first:
        _for_those_of_before(permissions)


def _for_those_of_before(permissions: dict[str, Permission]) -> None:
    """Before there were roles a seat was enough to watch. Staff stay as they are, with the right that is new."""
    had_something = Q(seats__isnull=False) | Q(user_permissions=permissions[TAKE_OVER])
    for user in User.objects.filter(had_something, is_superuser=False).distinct():
        if user.is_staff:
            user.user_permissions.add(permissions[WATCH])
            continue
        role = Role.SUPERVISOR if user.has_perm(TAKE_OVER) else Role.OBSERVER
        user.groups.add(Group.objects.get(name=GROUPS[role]))
        user.user_permissions.remove(permissions[TAKE_OVER])


def _permissions(*labels: str) -> dict[str, Permission]:
    found = Permission.objects.filter(_any_of(*labels)).select_related("content_type")
    return {f"{one.content_type.app_label}.{one.codename}": one for one in found}


def _any_of(*labels: str) -> Q:
    wanted = Q()
    for label in labels:
        app, codename = label.split(".")
        wanted |= Q(content_type__app_label=app, codename=codename)
    return wanted


def _codename(label: str) -> str:
    return label.split(".")[1]
