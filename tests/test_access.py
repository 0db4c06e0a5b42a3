"""Who may see and do what: deny by default."""

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from dashboard.access import Audience, Scope, Viewer, last4, shown_number, viewer_of
from dashboard.models import Queue, Seat
from dashboard.roles import Role, give
from queue_api.models import Account
from tests.conftest import person
from tests.makers import NUMBER

FULL = Audience(full_numbers=True)


def audience_of(user: User) -> Audience:
    viewer = viewer_of(User.objects.get(pk=user.pk))
    assert viewer is not None
    return viewer.audience


# ── scopes ─────────────────────────────────────────────────────────────────────────────────────────
def test_an_empty_scope_covers_nothing() -> None:
    scope = Scope()
    assert not scope
    assert not scope.covers(1, "302")
    assert not scope.covers(1, "")
    assert not scope.touches(1)


@given(st.integers(1, 3), st.sampled_from(["", "302", "303"]))
def test_a_queue_covers_itself_in_its_own_account_only(account: int, key: str) -> None:
    assert Scope(queues=frozenset({(1, "302")})).covers(account, key) is ((account, key) == (1, "302"))


@given(st.integers(1, 3), st.sampled_from(["", "302", "303"]))
def test_a_whole_account_covers_calls_without_a_queue_too(account: int, key: str) -> None:
    assert Scope(whole=frozenset({1})).covers(account, key) is (account == 1)


def test_calls_without_a_queue_are_never_matched_by_a_queue_without_a_key() -> None:
    assert not Scope(queues=frozenset({(1, "")})).covers(1, "")


def test_a_scope_touches_the_accounts_it_has_anything_of() -> None:
    scope = Scope(whole=frozenset({2}), queues=frozenset({(1, "302")}))
    assert [scope.touches(account) for account in (1, 2, 3)] == [True, True, False]


# ── viewers ────────────────────────────────────────────────────────────────────────────────────────
def test_nobody_is_nobodys_viewer(db: None) -> None:
    assert viewer_of(AnonymousUser()) is None


def test_a_deactivated_person_has_no_view(supervisor: User) -> None:
    supervisor.is_active = False
    assert viewer_of(supervisor) is None


def test_a_new_person_sees_nothing_and_may_do_nothing(db: None) -> None:
    assert audience_of(person("new")) == Audience()


def test_a_queue_without_a_role_shows_nothing(sales: Queue) -> None:
    user = person("early", (), (sales,))
    give(user, Role.NONE)
    assert audience_of(user) == Audience()


def test_an_administrator_with_a_seat_watches_nothing(sales: Queue) -> None:
    user = person("clerk", (), (sales,))
    give(user, Role.ADMINISTRATOR)
    assert audience_of(user) == Audience()


def test_a_right_without_a_queue_shows_nothing(db: None) -> None:
    audience = audience_of(person("right", ("take_over", "see_full_numbers")))
    assert not audience.scope


def test_a_person_has_their_queues_and_rights(supervisor: User, sales: Queue) -> None:
    scope = Scope(queues=frozenset({(sales.account_id, "302")}))
    assert viewer_of(supervisor) == Viewer(supervisor.pk, "Sita", Audience(scope=scope, may_take_over=True))


def test_an_observer_watches_and_does_not_take_over(observer: User) -> None:
    audience = audience_of(observer)
    assert audience.scope
    assert not audience.may_take_over
    assert not audience.full_numbers


def test_a_right_may_come_from_a_group(observer: User) -> None:
    group = Group.objects.create(name="Supervisors")
    group.permissions.add(Permission.objects.get(codename="see_full_numbers"))
    observer.groups.add(group)
    assert audience_of(observer).full_numbers


def test_an_owner_has_everything(admin: User) -> None:
    assert audience_of(admin) == Audience(scope=Scope(everything=True), full_numbers=True, may_take_over=True)


def test_staff_alone_sees_no_call(db: None) -> None:
    user = person("clerk")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert not audience_of(user).scope


def test_a_seat_for_all_queues_is_the_whole_account(account: Account) -> None:
    user = person("chief", ("take_over",))
    Seat.objects.create(user=user, account=account, all_queues=True)
    assert audience_of(user).scope == Scope(whole=frozenset({account.pk}))


def test_a_seat_with_a_session_of_its_own_rings_ones_own_phone(supervisor: User, account: Account) -> None:
    seat = Seat.objects.get(user=supervisor)
    seat.set_ssid("own-ssid")
    seat.save()
    assert audience_of(supervisor).own_sessions == {account.pk}


def test_a_disabled_account_gives_no_scope(supervisor: User) -> None:
    Account.objects.update(enabled=False)
    assert audience_of(supervisor) == Audience(may_take_over=True)


def test_a_queue_of_another_account_does_not_slip_in_through_a_seat(supervisor: User) -> None:
    other = Account.objects.create(name="Southgate", base_url="https://deepcall.example")
    seat = Seat.objects.get(user=supervisor)
    seat.queues.add(Queue.objects.create(account=other, key="999", name="Foreign"))
    scope = audience_of(supervisor).scope
    assert [scope.covers(pk, "999") for pk in (seat.account_id, other.pk)] == [False, False]


def test_two_people_with_the_same_rights_are_one_audience(supervisor: User, sales: Queue) -> None:
    assert audience_of(person("twin", ("take_over",), (sales,))) == audience_of(supervisor)


def test_a_viewer_costs_four_queries_at_most(
    supervisor: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    user = User.objects.get(pk=supervisor.pk)
    with django_assert_max_num_queries(4):
        viewer_of(user)


# ── numbers ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("number", "masked"), [
    ("", ""), (NUMBER, "•••• 5678"), ("+91 98123 45678", "•••• 5678"), ("441012", "•••• 12"), ("4410", "•••• 10"),
    ("44", "•••• "), ("Anonymous", "•••• "),
])
def test_without_the_right_only_the_last_digits_are_shown(number: str, masked: str) -> None:
    assert shown_number(number, Audience()) == masked


@given(st.text(alphabet="0123456789+ -", max_size=20))
def test_masking_always_hides_a_part_and_the_right_hides_none(number: str) -> None:
    digits = sum(character.isdigit() for character in number)
    assert shown_number(number, FULL) == number
    assert len(last4(number)) <= min(4, max(0, digits - 1))
