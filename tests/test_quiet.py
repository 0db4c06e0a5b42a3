"""Quiet: a person's own, on all their screens, and it ends by itself."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.clock import now_ms
from dashboard.models import Preference
from dashboard.quiet_views import LONGEST_MIN
from dashboard.roles import Role, give
from tests.conftest import person

QUIET = "/me/quiet/"


@pytest.fixture
def asha(db: None) -> User:
    return person("asha")


@pytest.fixture
def client(asha: User) -> Client:
    client = Client()
    client.force_login(asha)
    return client


def until(client: Client) -> int:
    found: int = client.get(QUIET).json()["until"]
    return found


def test_at_first_nobody_is_quiet(client: Client) -> None:
    assert until(client) == 0


def test_quiet_lasts_as_long_as_was_said_on_every_screen_of_the_person(client: Client, asha: User) -> None:
    before = now_ms()
    said: int = client.post(QUIET, {"minutes": "15"}).json()["until"]
    assert before <= said - 15 * 60_000 <= now_ms()
    another = Client()
    another.force_login(asha)
    assert until(another) == said


def test_it_is_the_persons_own(client: Client) -> None:
    client.post(QUIET, {"minutes": "15"})
    other = Client()
    other.force_login(person("ben"))
    assert until(other) == 0


def test_it_ends_by_itself_and_when_told_to(client: Client, asha: User) -> None:
    Preference.objects.create(user=asha, quiet_until=timezone.now() - timedelta(seconds=1))
    assert until(client) == 0
    client.post(QUIET, {"minutes": "60"})
    assert client.post(QUIET, {"minutes": "0"}).json() == {"until": 0}
    assert until(client) == 0


@pytest.mark.parametrize("minutes", ["", "-1", "1.5", "x", str(LONGEST_MIN + 1), "９", "99999999999999999999", "1e2"])
def test_anything_but_minutes_is_refused_and_changes_nothing(client: Client, minutes: str) -> None:
    client.post(QUIET, {"minutes": "15"})
    said = until(client)
    answer = client.post(QUIET, {"minutes": minutes})
    assert answer.status_code == 400
    assert answer.json() == {"said": f"Say for how many minutes, at most {LONGEST_MIN}."}
    assert until(client) == said


def test_the_other_wish_of_the_person_stays(client: Client, asha: User) -> None:
    Preference.objects.create(user=asha, arm_first=True)
    client.post(QUIET, {"minutes": "15"})
    assert Preference.objects.get(user=asha).arm_first
    client.post("/me/", {"preference": "1"})
    assert Preference.objects.get(user=asha).quiet_until is not None


def test_the_board_begins_with_it(client: Client, asha: User) -> None:
    give(asha, Role.OBSERVER)
    User.objects.filter(pk=asha.pk).update(is_superuser=True)
    assert 'data-quiet-until="0"' in client.get("/").content.decode()
    said = client.post(QUIET, {"minutes": "15"}).json()["until"]
    assert f'data-quiet-until="{said}"' in client.get("/").content.decode()


def test_who_is_signed_out_is_asked_to_sign_in() -> None:
    answer = Client().post(QUIET, {"minutes": "15"})
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
