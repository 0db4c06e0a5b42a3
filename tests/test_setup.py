"""From an empty database to the first live call: the first administrator's form, and the list of what is missing."""

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from dashboard import first_run, setup
from dashboard.board import Board, failed
from dashboard.mirror import Health
from dashboard.models import Queue, Seat
from dashboard.roles import Role, give
from dashboard.setup import Step
from queue_api.calls import CallState
from queue_api.errors import NothingNamed, Refused
from queue_api.models import Account
from tests.conftest import PASSWORD, person
from tests.factors import enrolled
from tests.makers import NOW, board, call
from tests.takeovers import in_threads, live, show, signed_in

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

FIRST = {"username": "dev", "password1": PASSWORD, "password2": PASSWORD}
ELSEWHERE: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7"}
HERE = {"HTTP_HOST": "127.0.0.1:8000"}


def browser(**where: Any) -> Client:
    return Client(**(HERE | where))


def page(response: "Response") -> str:
    assert response.status_code == 200
    return response.content.decode()


# ── the first administrator ────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
@pytest.mark.parametrize("door", ["/", "/accounts/login/", "/admin/", "/admin/queue_api/account/add/"])
def test_without_an_administrator_every_door_leads_to_the_set_up_page(door: str) -> None:
    response = browser().get(door, follow=True)
    assert response.redirect_chain[-1][0] == "/setup/"
    assert "no administrator yet" in page(response)


@pytest.mark.django_db
@pytest.mark.parametrize(("door", "leads_to"), [
    ("/", "/accounts/login/?next=/"), ("/admin/", "/admin/login/?next=/admin/"),
    ("/setup/", "/accounts/login/?next=/setup/"),
])
def test_with_one_the_doors_ask_to_sign_in(admin: User, door: str, leads_to: str) -> None:
    response = browser().get(door, follow=True)
    assert response.redirect_chain == [(leads_to, 302)]


@pytest.mark.django_db
def test_the_first_administrator_is_signed_in_and_goes_on() -> None:
    response = browser().post("/setup/", FIRST, follow=True)
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff, user.check_password(PASSWORD)) == ("dev", True, True, True)
    assert response.redirect_chain == [("/setup/", 302)]
    assert "0 of 5 done" in page(response)
    assert "Switch on the second factor" in page(response)


@pytest.mark.django_db
@pytest.mark.parametrize(("typed", "said"), [
    ({"password2": "another-long-one"}, "didn’t match"), ({"password1": "short", "password2": "short"}, "too short"),
    ({"password1": "password", "password2": "password"}, "too common"), ({"username": ""}, "required"),
    ({"username": "no spaces please"}, "valid username"),
])
def test_a_bad_form_says_what_is_wrong_and_makes_nobody(typed: dict[str, str], said: str) -> None:
    assert said in page(browser().post("/setup/", FIRST | typed))
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_form_without_its_token_is_refused() -> None:
    assert Client(enforce_csrf_checks=True, **HERE).post("/setup/", FIRST).status_code == 403  # type: ignore[arg-type]
    assert not User.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("where", [
    ELSEWHERE, {"REMOTE_ADDR": ""}, {"HTTP_X_FORWARDED_FOR": "192.0.2.7"}, {"HTTP_HOST": "board.example"},
])
def test_from_anywhere_else_the_form_asks_for_the_code_that_serve_printed(where: dict[str, Any], settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    away = browser(**where)
    assert 'name="code"' in page(away.get("/setup/"))
    assert "required" in page(away.post("/setup/", FIRST))
    assert "not the set-up code" in page(away.post("/setup/", FIRST | {"code": "AAAA-AAAA"}))
    assert not User.objects.exists()
    assert away.post("/setup/", FIRST | {"code": f" {first_run.code().lower()} "}).status_code == 302
    assert User.objects.get().is_superuser


@pytest.mark.django_db
def test_behind_a_proxy_everybody_needs_the_code(settings: Any) -> None:
    assert 'name="code"' not in page(browser().get("/setup/"))
    settings.BEHIND_PROXY = True
    assert 'name="code"' in page(browser().get("/setup/"))


def test_the_code_is_the_installations_own(settings: Any) -> None:
    settings.SECRET_KEY = "one" * 20
    first = first_run.code()
    assert first == first_run.code()
    settings.SECRET_KEY = "two" * 20
    assert first != first_run.code()
    assert not first_run.is_code(first)
    assert not first_run.is_code("")


@pytest.mark.django_db(transaction=True)
def test_of_two_first_administrators_at_once_one_is_made() -> None:
    def make(name: str) -> bool:
        return first_run.make_first(User(username=name, password="!"))

    with in_threads(2) as pool:
        made = [future.result(20) for future in (pool.submit(make, "one"), pool.submit(make, "two"))]
    assert sorted(made) == [False, True]
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_the_form_is_gone_once_there_is_an_administrator_even_a_switched_off_one(admin: User) -> None:
    User.objects.update(is_active=False)
    response = browser().post("/setup/", FIRST, follow=True)
    assert response.redirect_chain == [("/accounts/login/?next=/setup/", 302)]
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_serve_says_the_code_only_while_it_is_good_for_something() -> None:
    assert first_run.code() in first_run.hint("http://127.0.0.1:8000/")
    User.objects.create_superuser("dev")
    assert first_run.hint("http://127.0.0.1:8000/") == ""


# ── the steps ──────────────────────────────────────────────────────────────────────────────────────
def feed(of: Board | None, state: str = "fresh", hop: str = "", queues: tuple[str, ...] = ()) -> setup.Feed:
    return setup.Feed(1, "Northgate", of, Health(state, hop), queues)


def unmapped(rows: int = 24) -> setup.Feed:
    return feed(failed(Board(account=1), NothingNamed("list", rows=rows), now=NOW), "failing", "deepcall")


def said(step: Step) -> str:
    return " ".join(str(line) for line in step.says)


@pytest.mark.parametrize(("accounts", "done", "words"), [
    ([], False, "base URL"), ([Account(pk=1, name="Northgate", enabled=False)], False, "switched off"),
    ([Account(name="Northgate")], True, "Northgate"),
])
def test_the_account_step_says_what_it_takes(accounts: list[Account], done: bool, words: str) -> None:
    step = setup.connected(accounts)
    assert (step.done, words in said(step), bool(step.links)) == (done, True, not done)


def test_before_the_first_list_nothing_is_wrong_yet() -> None:
    step = setup.answered([feed(None, "never", "poller")], NOW)
    assert (step.done, step.waiting) == (False, True)
    assert "no answer yet" in said(step)
    assert not setup.mapped([feed(None, "never", "poller")]).done


def test_a_refusal_is_said_as_the_board_says_it() -> None:
    refused = failed(Board(account=1), Refused("list", code="1014", message="Expired"), now=NOW)
    step = setup.answered([feed(refused, "failing", "deepcall")], NOW)
    assert not step.done
    assert "1014" in said(step)
    assert [link.address for link in step.links] == [reverse("admin:queue_api_account_change", args=[1])]


def test_rows_that_name_no_call_are_an_answer_that_needs_mapping() -> None:
    assert setup.answered([unmapped()], NOW).done
    step = setup.mapped([unmapped(24)])
    assert (step.done, step.waiting) == (False, True)
    assert "none of 24 rows" in said(step)
    assert [link.address for link in step.links] == [reverse("admin:queue_api_account_inspect", args=[1])]


def test_a_later_refusal_is_no_answer_any_more() -> None:
    before = unmapped().board
    assert before is not None
    refused = failed(before, Refused("list", code="1014"), now=NOW)
    assert not setup.answered([feed(refused, "failing", "deepcall")], NOW).done


def test_calls_read_are_counted_and_what_is_odd_is_said() -> None:
    odd = board(call("a"), call("b", state=CallState.UNKNOWN), received=4, unusable=1, duplicates=1)
    step = setup.mapped([feed(odd)])
    assert step.done
    for words in ("2 of 4 rows", "1 rows have no identity", "1 calls have a state word"):
        assert words in said(step)


def test_calls_whose_states_are_all_unknown_are_not_mapped_yet() -> None:
    assert not setup.mapped([feed(board(call("a", state=CallState.UNKNOWN), received=1))]).done


def test_calls_without_a_queue_are_said_to_be_for_few() -> None:
    step = setup.mapped([feed(board(call("a", queue_id="", queue_name=""), received=1))])
    assert "No call names its queue" in said(step)


def test_an_empty_list_waits_for_a_call_unless_some_were_read_before() -> None:
    assert not setup.mapped([feed(board(received=0))]).done
    step = setup.mapped([feed(board(received=0), queues=("Sales",))])
    assert step.done
    assert "Sales" in said(step)


@pytest.mark.parametrize(("has_queues", "may_take_over", "words"), [
    (True, False, "Ben has queues but may not take over calls"),
    (False, True, "Ben may take over calls but has no queues"),
    (False, False, "Ben has no queues and may not take over calls"),
])
def test_the_supervisor_step_says_exactly_what_is_missing(has_queues: bool, may_take_over: bool, words: str) -> None:
    step = setup.supervised([setup.Person(7, "Ben", has_queues, may_take_over)], True)
    assert not step.done
    assert words in said(step)
    assert step.links[0].address == reverse("admin:auth_user_change", args=[7])


def test_one_complete_supervisor_is_enough() -> None:
    people = [setup.Person(7, "Ben", False, True), setup.Person(8, "Asha", True, True)]
    step = setup.supervised(people, True)
    assert step.done
    assert "Asha" in said(step)


@pytest.mark.django_db
def test_people_are_judged_as_the_doors_judge_them(admin: User, sales: Queue) -> None:
    person("nora", ("take_over",))
    person("omar", (), (sales,))
    give(person("carl", (), (sales,)), Role.ADMINISTRATOR)
    give(person("paul", (), (sales,)), Role.NONE)
    retired = person("rita", ("take_over",), (sales,))
    User.objects.filter(pk=retired.pk).update(is_active=False)
    assert [(one.name, one.complete) for one in setup._people()] == [
        ("Nora", False), ("Omar", False), ("Paul", False)]
    assert "Paul has queues but may not take over calls: give the role Supervisor" in said(
        setup.supervised(setup._people(), True))
    Seat.objects.create(user=User.objects.get(username="nora"), account=sales.account, all_queues=True)
    assert [(one.name, one.complete) for one in setup._people()] == [("Nora", True)]


# ── the page ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.django_db
def test_only_who_may_set_up_sees_the_steps(supervisor: User, admin: User, clerk: User) -> None:
    assert signed_in(supervisor).get("/setup/").status_code == 403
    for user in (admin, clerk):
        assert signed_in(user).get("/setup/").status_code == 200
        assert "Finish setting up" in page(signed_in(user).get(reverse("admin:index")))


@pytest.mark.django_db
def test_the_steps_of_an_empty_installation(admin: User) -> None:
    enrolled(admin)
    html = page(signed_in(admin).get("/setup/"))
    assert "1 of 5 done" in html
    assert f'href="{reverse("admin:queue_api_account_add")}"' in html
    assert 'data-step="account" data-done="no" aria-current="step"' in html


@pytest.mark.django_db
def test_everything_done_leads_to_the_board(admin: User, supervisor: User, account: Account) -> None:
    show(account, live())
    enrolled(admin)
    client = signed_in(admin)
    html = page(client.get("/setup/"))
    assert "All set up" in html
    assert html.count('data-done="yes"') == 5
    for address in ("/", reverse("admin:index")):
        assert "Finish setting up" not in page(client.get(address))


@pytest.mark.django_db
def test_an_administrator_is_led_back_while_steps_are_left(admin: User, account: Account, observer: User) -> None:
    show(account, live())
    enrolled(admin)
    for address in ("/", reverse("admin:index")):
        assert "Finish setting up (4 of 5)" in page(signed_in(admin).get(address))
    assert "Finish setting up" not in page(signed_in(observer).get("/"))


@pytest.mark.django_db
def test_an_account_switched_off_is_not_one(admin: User, account: Account) -> None:
    Account.objects.update(enabled=False)
    assert "switched off" in page(signed_in(admin).get("/setup/"))
