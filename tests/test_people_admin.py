"""People in the admin: one page for role, numbers and queues; a list that tells them; and no way up for anybody."""

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard import generation
from dashboard.access import viewer_of
from dashboard.admin import PersonAdmin
from dashboard.audit import problems
from dashboard.models import AuditEvent, Queue, Seat, SignIn, TakeoverAttempt
from dashboard.record_words import what_happened
from dashboard.roles import Numbers, Role, beside, give, give_numbers, numbers_of, role_of
from queue_api.models import Account
from tests.conftest import PASSWORD, person
from tests.takeovers import signed_in
from tests.test_admin import errors, page, save_person, seat_form

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.django_db
PEOPLE = reverse("admin:auth_user_changelist")
# Everything that could lift somebody, in one post.
CLIMB = {"is_superuser": "on", "is_staff": "on", "owner": "on", "role": "administrator", "numbers": "whole",
         "user_permissions": "1", "groups": "1", "password": "x", "pk": "1", "id": "1"}


@pytest.fixture
def office(admin: User) -> Client:
    return signed_in(admin)


@pytest.fixture
def desk(clerk: User) -> Client:
    """An administrator who is no owner."""
    return signed_in(clerk)


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def state() -> list[Any]:
    """Everything about people that somebody could have lifted."""
    people = User.objects.order_by("pk").prefetch_related("groups", "user_permissions")
    return [(one.username, one.password, one.is_superuser, one.is_staff, one.is_active, one.last_name,
             sorted(group.name for group in one.groups.all()), sorted(p.codename for p in one.user_permissions.all()))
            for one in people]


def change(user: User) -> str:
    return reverse("admin:auth_user_change", args=[user.pk])


def added(client: Client, **fields: str) -> "Response":
    return client.post(reverse("admin:auth_user_add"), {
        "username": "nina", "password1": PASSWORD, "password2": PASSWORD} | fields)


def lines() -> list[str]:
    return [what_happened(line) for line in AuditEvent.objects.filter(kind="rights.changed").order_by("seq")]


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
def test_somebody_new_is_an_observer_who_sees_nothing_yet_and_that_is_on_record(desk: Client) -> None:
    form = desk.get(reverse("admin:auth_user_add")).context["adminform"].form
    assert (form["role"].value(), form["numbers"].value()) == ("observer", "masked")
    assert added(desk).status_code == 302
    nina = User.objects.get(username="nina")
    viewer = viewer_of(nina)
    assert viewer is not None
    assert (role_of(nina), nina.is_staff, bool(viewer.audience.scope)) == (Role.OBSERVER, False, False)
    assert lines() == ["Rights of nina changed: role: None → Observer; may sign in: no → yes"]


def test_somebody_new_may_be_given_another_role_at_once(desk: Client) -> None:
    added(desk, role="supervisor", numbers="held", first_name="Nina", last_name="Roy")
    nina = User.objects.get(username="nina")
    assert (role_of(nina), numbers_of(nina), nina.get_full_name()) == (Role.SUPERVISOR, Numbers.HELD, "Nina Roy")


@pytest.mark.parametrize("role", [one.value for one in Role])
def test_a_role_is_chosen_by_what_it_may_do(office: Client, observer: User, role: str) -> None:
    html = page(office.get(change(observer)))
    assert "takes them over" in html
    assert not any(f'name="{raw}"' in html for raw in ("groups", "user_permissions", "is_staff"))
    assert save_person(office, observer, role=role).status_code == 302
    assert role_of(again(observer)) == role
    assert again(observer).is_staff == (role == "administrator")
    form = office.get(change(observer)).context["adminform"].form
    assert form["role"].value() == role


def test_a_seat_and_a_role_saved_together_are_one_line_of_the_record_and_one_of_the_history(
    office: Client, account: Account, sales: Queue
) -> None:
    nina = person("nina")
    seat = {"account": account.pk, "queues": [sales.pk], "ssid": "canary-own-ssid"}
    assert save_person(office, nina, seat, role="supervisor", numbers="whole").status_code == 302
    told, = lines()
    assert told.startswith("Rights of Nina changed: role: None → Supervisor; caller numbers: Last four digits → Whole; "
                           "Northgate: no seat → Sales, own session of 20")
    line = AuditEvent.objects.get()
    assert (line.actor_name, line.detail["username"], line.detail["address"]) == ("dev", "nina", "127.0.0.1")
    history = LogEntry.objects.get().get_change_message()
    assert all(word in history for word in ("Role", "Caller numbers", "seat"))
    assert "canary" not in history + repr(list(AuditEvent.objects.values()))
    record = page(office.get(reverse("admin:dashboard_auditevent_change", args=[line.pk])))
    assert "role: None → Supervisor" in record
    assert "Rights of Nina changed" in office.get(reverse("admin:dashboard_auditevent_csv")).content.decode() or (
        b"Rights of Nina changed" in b"".join(office.get(reverse("admin:dashboard_auditevent_csv"))))
    assert list(problems()) == []


def test_what_a_post_does_not_say_stays_as_it_is(office: Client, supervisor: User) -> None:
    give_numbers(supervisor, Numbers.HELD)
    assert save_person(office, supervisor, last_name="Rao").status_code == 302
    assert (role_of(again(supervisor)), numbers_of(again(supervisor))) == (Role.SUPERVISOR, Numbers.HELD)


def test_a_role_that_is_none_of_ours_is_refused(office: Client, observer: User) -> None:
    assert "valid choice" in errors(save_person(office, observer, role="emperor"))
    assert role_of(again(observer)) is Role.OBSERVER


def test_if_the_record_cannot_be_written_nothing_is_changed(
    office: Client, observer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: Any, **_more: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("dashboard.rights.audit.record", broken)
    office.raise_request_exception = False
    assert save_person(office, observer, role="supervisor").status_code == 500
    assert role_of(again(observer)) is Role.OBSERVER


def test_rights_from_before_are_shown_kept_and_given_up_by_choosing(office: Client, observer: User) -> None:
    observer.user_permissions.add(Permission.objects.get(codename="view_account"))
    assert "Observer, and rights that no role has: view_account" in page(office.get(change(observer)))
    for kept in ({}, {"role": "kept"}):
        save_person(office, observer, **kept)
        assert beside(again(observer)) == ("view_account",)
    save_person(office, observer, role="observer")
    assert beside(again(observer)) == ()
    assert lines()[-1] == "Rights of Omar changed: rights beside the role: view_account → none"


def test_somebody_removed_is_on_record_one_by_one_or_together(office: Client, observer: User, outsider: User) -> None:
    office.post(reverse("admin:auth_user_delete", args=[observer.pk]), {"post": "yes"})
    office.post(PEOPLE, {"action": "delete_selected", "_selected_action": [outsider.pk], "post": "yes"})
    assert not User.objects.filter(pk__in=[observer.pk, outsider.pk]).exists()
    assert [line.partition(" changed: ")[0] for line in lines()] == ["Rights of Omar", "Rights of Ola"]
    assert all("no seat" in line for line in lines())


# ── owners ─────────────────────────────────────────────────────────────────────────────────────────
def test_an_owner_makes_another_and_unmakes_them(office: Client, observer: User) -> None:
    assert save_person(office, observer, is_superuser="on").status_code == 302
    assert (again(observer).is_superuser, again(observer).is_staff) == (True, True)
    assert save_person(office, observer).status_code == 302
    assert (again(observer).is_superuser, again(observer).is_staff, role_of(observer)) == (False, False, Role.OBSERVER)
    assert numbers_of(again(observer)) is Numbers.MASKED, "whole numbers were the owner's, not given beside it"
    assert lines()[0].startswith("Rights of Omar changed: caller numbers: Last four digits → Whole; owner: no → yes")


@pytest.mark.parametrize("fields", [{}, {"is_superuser": "on", "is_active": ""}, {"is_superuser": "", "role": "none"}])
def test_nobody_gives_up_what_they_own_or_switches_themselves_off(
    office: Client, admin: User, fields: dict[str, str]
) -> None:
    assert "This is you" in page(office.get(change(admin)))
    save_person(office, admin, **fields)
    assert (again(admin).is_superuser, again(admin).is_active, again(admin).is_staff) == (True, True, True)


def test_an_administrator_stays_one_whatever_they_post_of_themselves(desk: Client, clerk: User) -> None:
    save_person(desk, clerk, role="none", is_active="")
    assert (role_of(clerk), again(clerk).is_active, again(clerk).is_staff) == (Role.ADMINISTRATOR, True, True)


def test_nobody_deletes_themselves(office: Client, admin: User, observer: User) -> None:
    assert office.post(reverse("admin:auth_user_delete", args=[admin.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [admin.pk, observer.pk], "post": "yes"}
    assert office.post(PEOPLE, chosen).status_code == 403
    assert User.objects.filter(pk__in=[admin.pk, observer.pk]).count() == 2


def test_of_two_owners_who_unmake_each_other_at_once_one_is_refused(
    office: Client, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other's change is committed between our sign-in being looked at and our saving."""
    second = User.objects.create_superuser("second")
    save = PersonAdmin.save_model

    def meanwhile(*args: Any) -> None:
        User.objects.filter(pk=admin.pk).update(is_superuser=False)
        save(*args)

    monkeypatch.setattr(PersonAdmin, "save_model", meanwhile)
    assert save_person(office, second).status_code == 403
    assert again(second).is_superuser


# ── no way up ──────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def beyond(admin: User) -> dict[str, User]:
    """People who may do more than a role says: none of an administrator's business."""
    helper, odd, grouped = person("hema"), person("odd"), person("gita")
    User.objects.filter(pk=helper.pk).update(is_staff=True)
    odd.user_permissions.add(Permission.objects.get(codename="delete_auditevent"))
    grouped.groups.add(Group.objects.create(name="night"))
    return {"owner": admin, "staff": helper, "single right": odd, "group": grouped}


@pytest.mark.parametrize("who", ["owner", "staff", "single right", "group"])
def test_an_administrator_changes_nobody_who_may_more_by_any_door(
    desk: Client, beyond: dict[str, User], account: Account, who: str
) -> None:
    them, before = beyond[who], None
    SignIn.objects.create(user=them, session_key="k" * 32, ends_at="2100-01-01T00:00Z")
    before = state()
    password = reverse("admin:auth_user_password_change", args=[them.pk])
    delete = reverse("admin:auth_user_delete", args=[them.pk])
    statuses = [
        save_person(desk, them, {"account": account.pk, "all_queues": "on"}, last_name="Mine", **CLIMB).status_code,
        desk.post(password, {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}).status_code,
        desk.get(password).status_code, desk.post(delete, {"post": "yes"}).status_code, desk.get(delete).status_code]
    assert statuses == [403] * 5
    for action in ("sign_out_everywhere", "lift_waiting", "delete_selected"):
        for more in ({}, {"select_across": "1"}):
            chosen = {"action": action, "_selected_action": [them.pk], "index": "0", "post": "yes"}
            if action != "delete_selected" or not more:  # across: everybody else would be gone
                desk.post(PEOPLE, chosen | more)
    assert state() == before
    assert SignIn.objects.get(user=them).ended_at is None
    assert not Seat.objects.filter(user=them).exists()
    assert lines() == []


def test_an_administrator_looks_at_an_owner_without_a_field_to_fill_in(
    desk: Client, admin: User, sales: Queue
) -> None:
    seat = Seat.objects.create(user=admin, account=sales.account)
    seat.queues.add(sales)
    html = page(desk.get(change(admin)))
    assert "Only an owner may change this person" in html
    assert "Owner" in html
    assert "Northgate · Sales" in html
    assert not any(word in html for word in ("pbkdf2", "md5$", 'name="_save"', "Own session id"))


def test_an_administrator_makes_no_owner_and_gives_nothing_that_no_role_has(desk: Client, observer: User) -> None:
    assert 'name="is_superuser"' not in page(desk.get(change(observer)))
    save_person(desk, observer, **CLIMB)
    user = again(observer)
    assert (user.is_superuser, role_of(user), numbers_of(user)) == (False, Role.ADMINISTRATOR, Numbers.WHOLE)
    assert beside(user) == ()
    assert user.check_password(PASSWORD)
    added(desk, **CLIMB)
    nina = User.objects.get(username="nina")
    assert (nina.is_superuser, beside(nina)) == (False, ())


def test_an_administrator_climbs_nowhere_from_their_own_page(desk: Client, clerk: User) -> None:
    save_person(desk, clerk, **CLIMB | {"role": "supervisor"})
    user = again(clerk)
    assert (user.is_superuser, role_of(user), beside(user)) == (False, Role.ADMINISTRATOR, ())


def test_a_seat_of_somebody_else_cannot_be_moved_over(desk: Client, observer: User, supervisor: User) -> None:
    theirs = Seat.objects.get(user=supervisor)
    stolen = {"id": theirs.pk, "user": observer.pk, "account": theirs.account_id, "DELETE": "on"}
    save_person(desk, observer, stolen)
    assert Seat.objects.get(pk=theirs.pk).user == supervisor


@pytest.mark.parametrize("path", ["auth/group/", "auth/group/add/", "auth/permission/", "dashboard/seat/",
                                  "admin/logentry/", "sessions/session/", "dashboard/secondfactor/"])
def test_there_is_no_other_page_to_give_rights_on(desk: Client, office: Client, path: str) -> None:
    assert desk.get(f"/admin/{path}").status_code == 404
    assert office.get(f"/admin/{path}").status_code == 404


def test_observers_and_supervisors_do_not_come_in(observer: User, supervisor: User) -> None:
    before = state()
    for user in (observer, supervisor):
        client = signed_in(user)
        for answer in (client.get(PEOPLE), save_person(client, user, **CLIMB), added(client, **CLIMB)):
            assert answer.status_code == 302
            assert "/admin/login/" in answer["Location"]
    assert state() == before


def test_an_administrator_whose_role_is_taken_is_out_at_once(desk: Client, clerk: User, office: Client) -> None:
    assert desk.get(PEOPLE).status_code == 200
    save_person(office, clerk, role="observer")
    assert desk.get(PEOPLE).status_code == 302


def test_an_administrator_has_every_page_there_is_to_set_up(desk: Client, one_of_each_listed: list[str]) -> None:
    index = page(desk.get(reverse("admin:index")))
    for address in one_of_each_listed:
        assert address in index
        page(desk.get(address))


@pytest.fixture
def one_of_each_listed() -> list[str]:
    models = ("queue_api_account", "auth_user", "dashboard_queue", "dashboard_display", "dashboard_takeoverattempt",
              "dashboard_auditevent", "dashboard_wrongpassword")
    return [reverse(f"admin:{model}_changelist") for model in models]


def test_an_administrator_sets_up_a_supervisor_who_then_sees_calls(
    desk: Client, account: Account, sales: Queue
) -> None:
    added(desk, role="supervisor")
    nina = User.objects.get(username="nina")
    save_person(desk, nina, {"account": account.pk, "queues": [sales.pk]})
    viewer = viewer_of(again(nina))
    assert viewer is not None
    assert viewer.audience.scope.covers(account.pk, "302")
    assert viewer.audience.may_take_over


# ── the list ───────────────────────────────────────────────────────────────────────────────────────
def test_the_list_tells_who_may_what_where_and_when_they_were_here(office: Client, supervisor: User) -> None:
    give_numbers(supervisor, Numbers.HELD)
    SignIn.objects.create(user=supervisor, session_key="k" * 32, ends_at="2100-01-01T00:00Z",
                          last_seen_at="2020-01-01T00:00Z")
    html = page(office.get(PEOPLE))
    row = html[html.index("sita"):].split("</tr>")[0]
    for told in ("Sita", "Supervisor", "Northgate: Sales", "Last four, whole by holding", "years ago"):
        assert told in row.replace("\xa0", " "), told


@pytest.mark.parametrize(("asked", "found"), [
    ({"role": "owner"}, {"dev"}), ({"role": "administrator"}, {"clerk"}), ({"role": "supervisor"}, {"sita"}),
    ({"role": "observer"}, {"omar"}), ({"role": "none"}, {"nina"}), ({"account": "none"}, {"dev", "clerk", "nina"}),
    ({"is_active__exact": "0"}, {"nina"}), ({"q": "sit"}, {"sita"}), ({"q": "@mail"}, {"omar"}),
    ({"role": "x"}, {"dev", "clerk", "sita", "omar", "nina"}),
    ({"account": "x"}, {"dev", "clerk", "sita", "omar", "nina"}),
])
def test_people_are_found_by_role_account_and_name(
    office: Client, supervisor: User, observer: User, clerk: User, asked: dict[str, str], found: set[str]
) -> None:
    nina = person("nina")
    User.objects.filter(pk=nina.pk).update(is_active=False)
    User.objects.filter(pk=observer.pk).update(email="omar@mail.example")
    names = {user.username for user in office.get(PEOPLE, asked).context["cl"].queryset}
    assert names == found


def test_people_are_found_by_the_account_of_their_seat(office: Client, supervisor: User, account: Account) -> None:
    person("nina")
    assert [user.username for user in office.get(PEOPLE, {"account": account.pk}).context["cl"].queryset] == ["sita"]


def queries(office: Client, address: str) -> int:
    page(office.get(address))
    with CaptureQueriesContext(connection) as caught:
        page(office.get(address))
    return len(caught)


def test_a_longer_list_of_people_takes_no_more_queries(
    office: Client, account: Account, sales: Queue, billing: Queue
) -> None:
    person("one", ("take_over", "see_full_numbers"), (sales, billing))
    few = queries(office, PEOPLE)
    for number in range(12):
        person(f"more-{number}", ("take_over", "reveal_numbers"), (sales, billing))
    assert queries(office, PEOPLE) == few


def test_a_page_with_more_queues_takes_no_more_queries(office: Client, supervisor: User, account: Account) -> None:
    few = queries(office, change(supervisor))
    for number in range(12):
        Queue.objects.create(account=account, key=f"q{number}", name=f"Queue {number}")
    assert queries(office, change(supervisor)) == few


# ── running processes hear of it ───────────────────────────────────────────────────────────────────
def test_each_change_of_rights_is_a_new_generation(office: Client, observer: User) -> None:
    def seen() -> int:
        return generation.current().get(generation.CONFIG, 0)

    before = seen()
    save_person(office, observer, role="supervisor")
    assert seen() > before


def test_somebody_whose_takeovers_are_on_record_is_switched_off_not_deleted(
    office: Client, supervisor: User, account: Account
) -> None:
    TakeoverAttempt.objects.create(key="a" * 32, actor=supervisor, actor_name="Sita", account=account, call_key="c",
                                   call_ref="1-c", state="accepted", is_open=False)
    office.post(reverse("admin:auth_user_delete", args=[supervisor.pk]), {"post": "yes"})
    assert User.objects.filter(pk=supervisor.pk).exists()
    assert lines() == []
    form = seat_form(supervisor)
    del form["is_active"]
    assert office.post(change(supervisor), form).status_code == 302
    assert viewer_of(again(supervisor)) is None
    assert lines() == ["Rights of Sita changed: may sign in: yes → no"]


def test_a_role_given_by_hand_is_what_it_is_in_the_shell_too(observer: User) -> None:
    give(observer, Role.ADMINISTRATOR)
    assert again(observer).has_perm("queue_api.change_account")
