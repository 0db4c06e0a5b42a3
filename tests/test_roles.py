"""Roles: what each may, what people from before are given, who may change whom, and what the record says of it."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from dashboard import rights, roles
from dashboard.audit import Source, problems
from dashboard.empty import whom_to_ask, why_empty
from dashboard.models import AuditEvent, Queue, Seat
from dashboard.record_words import what_happened
from dashboard.rights import NOBODY, record_change, rights_of
from dashboard.roles import GROUPS, ROLES, Numbers, Role, beside, give, give_numbers, manageable, numbers_of, role_of
from queue_api.models import Account
from tests.conftest import person
from tests.takeovers import signed_in

pytestmark = pytest.mark.django_db


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def right(label: str) -> Permission:
    app, codename = label.split(".")
    return Permission.objects.get(content_type__app_label=app, codename=codename)


# ── what each may ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("role", list(Role))
def test_a_role_gives_what_the_table_says_and_nothing_else(role: Role) -> None:
    user = person("nina")
    give(user, role)
    assert again(user).get_all_permissions() == set(ROLES.get(role, ()))
    assert role_of(user) is role
    assert again(user).is_staff == (role is Role.ADMINISTRATOR)


def test_an_administrator_neither_watches_nor_takes_over_nor_makes_groups_or_tables_of_rights() -> None:
    held = ROLES[Role.ADMINISTRATOR]
    assert not {label for label in held if label.split("_")[-1] in ("group", "permission", "session", "logentry")}
    assert not held & {"dashboard.watch", "dashboard.take_over", "dashboard.see_full_numbers"}


def test_choosing_a_role_takes_every_other_right_away_but_that_on_numbers(observer: User) -> None:
    observer.user_permissions.add(right("queue_api.view_account"), right("dashboard.see_full_numbers"))
    observer.groups.add(Group.objects.create(name="night"))
    assert beside(observer) == ("night", "view_account")
    give(observer, Role.SUPERVISOR)
    assert again(observer).get_all_permissions() == {*ROLES[Role.SUPERVISOR], "dashboard.see_full_numbers"}
    assert beside(again(observer)) == ()


@pytest.mark.parametrize("numbers", list(Numbers))
def test_what_is_read_of_numbers_is_one_of_three_whatever_the_role(supervisor: User, numbers: Numbers) -> None:
    for one in (Numbers.WHOLE, Numbers.HELD, numbers):
        give_numbers(supervisor, one)
    user = again(supervisor)
    assert (numbers_of(user), role_of(user)) == (numbers, Role.SUPERVISOR)
    assert [user.has_perm("dashboard.reveal_numbers"), user.has_perm("dashboard.see_full_numbers")] == [
        numbers is Numbers.HELD, numbers is Numbers.WHOLE]


def test_an_owner_reads_whole_numbers(admin: User) -> None:
    assert numbers_of(admin) is Numbers.WHOLE


# ── the groups after migrate ───────────────────────────────────────────────────────────────────────
def test_the_groups_are_there_and_are_as_the_table_says_after_each_migrate() -> None:
    observers = Group.objects.get(name="Observer")
    observers.permissions.add(right("dashboard.take_over"))
    Group.objects.get(name="Supervisor").permissions.clear()
    roles.keep()
    for role, name in GROUPS.items():
        labels = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
        assert {".".join(pair) for pair in labels} == ROLES[role]


def test_people_keep_their_roles_when_migrate_runs_again(observer: User, supervisor: User) -> None:
    give(observer, Role.NONE)
    roles.keep(apps)
    assert (role_of(observer), role_of(supervisor)) == (Role.NONE, Role.SUPERVISOR)


@pytest.fixture
def before(sales: Queue) -> dict[str, User]:
    """People as they were before there were roles: the groups are not there yet."""
    Group.objects.filter(name__in=GROUPS.values()).delete()
    names = ("seated", "taker", "promised", "nobody", "staff", "grouped")
    made = {name: User.objects.create_user(name) for name in names}
    for name in ("seated", "taker", "staff", "grouped"):
        Seat.objects.create(user=made[name], account=sales.account).queues.add(sales)
    for name in ("taker", "promised", "staff"):
        made[name].user_permissions.add(right("dashboard.take_over"))
    night = Group.objects.create(name="night")
    night.permissions.add(right("dashboard.take_over"))
    made["grouped"].groups.add(night)
    made["staff"].is_staff = True
    made["staff"].save()
    return made


def test_people_from_before_go_on_as_they_did(before: dict[str, User]) -> None:
    roles.keep()
    found = {name: role_of(again(user)) for name, user in before.items()}
    assert found == {"seated": Role.OBSERVER, "taker": Role.SUPERVISOR, "promised": Role.SUPERVISOR,
                     "nobody": Role.NONE, "staff": Role.NONE, "grouped": Role.SUPERVISOR}
    assert {name: beside(again(user)) for name, user in before.items() if beside(again(user))} == {
        "staff": ("is_staff", "take_over", "watch"), "grouped": ("night",)}
    assert again(before["staff"]).has_perms(["dashboard.watch", "dashboard.take_over"])


def test_before_there_are_our_rights_there_are_no_groups(before: dict[str, User]) -> None:
    """A migrate that stops at an earlier migration."""
    Permission.objects.filter(codename="watch").delete()
    roles.keep(apps)
    assert not Group.objects.filter(name__in=GROUPS.values()).exists()


# ── who may change whom ────────────────────────────────────────────────────────────────────────────
def test_an_administrator_may_change_those_alone_who_may_no_more_than_a_role_says(
    clerk: User, admin: User, observer: User, supervisor: User
) -> None:
    colleague, helper, odd, grouped = (person(name) for name in ("cora", "hema", "odd", "gita"))
    give(colleague, Role.ADMINISTRATOR)
    helper.is_staff = True
    helper.save()
    odd.user_permissions.add(right("auth.change_group"))
    grouped.groups.add(Group.objects.create(name="night"))
    give_numbers(observer, Numbers.WHOLE)
    named = set(manageable(clerk, User.objects.all()).values_list("username", flat=True))
    assert named == {"clerk", "cora", "omar", "sita"}
    assert manageable(admin, User.objects.all()).count() == 8


# ── the record ─────────────────────────────────────────────────────────────────────────────────────
def test_a_change_is_one_line_with_what_was_and_what_is(admin: User, observer: User, billing: Queue) -> None:
    was = rights_of(observer.pk)
    give(observer, Role.SUPERVISOR)
    give_numbers(observer, Numbers.HELD)
    seat = Seat.objects.get(user=observer)
    seat.queues.add(billing)
    seat.set_ssid("canary-own-ssid")
    seat.save()
    line = record_change(observer, was, rights_of(observer.pk), admin, Source("192.0.2.7", "0a1b2c3d"))
    assert line is not None
    line.refresh_from_db()
    assert (line.kind, line.actor_name, line.detail["who"], line.detail["address"]) == (
        "rights.changed", "dev", "Omar", "192.0.2.7")
    assert line.detail["before"] == {
        "role": "observer", "numbers": "masked", "seats": {"Northgate": {"queues": ["Sales"]}}}
    assert line.detail["after"]["seats"]["Northgate"]["queues"] == ["Billing", "Sales"]
    said = what_happened(line)
    assert said.startswith("Rights of Omar changed: role: Observer → Supervisor; caller numbers: Last four digits → ")
    assert "Northgate: Sales → Billing, Sales, own session of 20" in said
    assert "canary" not in repr(AuditEvent.objects.values())
    assert list(problems()) == []


def test_no_change_is_no_line(admin: User, observer: User) -> None:
    was = rights_of(observer.pk)
    assert record_change(observer, was, rights_of(observer.pk), admin, Source()) is None
    assert not AuditEvent.objects.exists()


def test_somebody_new_and_somebody_gone_are_changes_from_and_to_nothing(admin: User, supervisor: User) -> None:
    new = record_change(supervisor, NOBODY, rights_of(supervisor.pk), admin, Source())
    gone = record_change(supervisor, rights_of(supervisor.pk), NOBODY, admin, Source())
    assert new is not None
    assert gone is not None
    assert what_happened(new) == (
        "Rights of Sita changed: role: None → Supervisor; may sign in: no → yes; Northgate: no seat → Sales")
    assert what_happened(gone).endswith("Northgate: Sales → no seat")


@pytest.mark.parametrize("detail", [
    {}, {"who": 7}, {"before": {"seats": {"Northgate": 3}}}, {"before": {"role": "emperor"}, "after": {"role": "x"}}])
def test_an_edited_line_opens_all_the_same(detail: dict[str, Any]) -> None:
    assert what_happened(AuditEvent(kind=rights.CHANGED, detail=detail)).startswith("Rights of")


# ── an empty board ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("role", "queues", "words"), [
    (Role.NONE, False, ["You have no role", "No queues were given"]), (Role.NONE, True, ["You have no role"]),
    (Role.OBSERVER, False, ["No queues were given"]), (Role.ADMINISTRATOR, True, ["You are an administrator"]),
])
def test_who_sees_nothing_is_told_what_is_missing(
    sales: Queue, admin: User, role: Role, queues: bool, words: list[str]
) -> None:
    user = person("nina", (), (sales,) if queues else ())
    give(user, role)
    why = why_empty(again(user))
    assert [sentence.startswith(start) for sentence, start in zip(why, words, strict=True)] == [True] * len(words)
    html = signed_in(user).get("/").content.decode()
    assert all(start in html for start in words)
    assert "<li>dev</li>" in html
    assert '<meta http-equiv="refresh" content="15">' in html


def test_queues_of_an_account_that_is_switched_off_are_said_to_be_so(supervisor: User, account: Account) -> None:
    Account.objects.update(enabled=False)
    assert why_empty(again(supervisor)) == ["Your queues are of Northgate, which is switched off."]


def test_a_seat_with_no_queue_in_it_is_no_queue(account: Account) -> None:
    user = person("nina", ("take_over",))
    Seat.objects.create(user=user, account=account)
    assert why_empty(user) == ["No queues were given to you. A board shows the calls of one’s own queues only."]


def test_three_who_could_help_are_named_and_nobody_is_sent_to_themselves(clerk: User, admin: User) -> None:
    away = User.objects.create_superuser("away")
    User.objects.filter(pk=away.pk).update(is_active=False)
    assert whom_to_ask(person("nina")) == ["Clerk", "dev"]
    assert whom_to_ask(clerk) == ["dev"]
    for name in ("ada", "bea", "cleo"):
        User.objects.create_superuser(name)
    assert len(whom_to_ask(clerk)) == 3


def test_where_nobody_could_help_it_says_so() -> None:
    html = signed_in(person("nina")).get("/").content.decode()
    assert "Nobody else is an administrator" in html
    assert "createsuperuser" in html


def test_the_board_is_there_as_soon_as_role_and_queues_are(sales: Queue) -> None:
    user = person("nina")
    client: Client = signed_in(user)
    assert "No calls for you" in client.get("/").content.decode()
    give(user, Role.OBSERVER)
    Seat.objects.create(user=user, account=sales.account).queues.add(sales)
    assert "No calls for you" not in client.get("/").content.decode()
