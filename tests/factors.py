"""A person's phone and recovery codes, for the tests of signing in with them."""

import time
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.test import Client

from dashboard import second_factor
from dashboard.audit import Source
from dashboard.models import SecondFactor
from dashboard.proof import PROVED_AT
from queue_api.credentials import Secret
from tests.conftest import PASSWORD


class Phone(NamedTuple):
    """`codes`: the recovery codes, printed out and kept beside it."""

    seed: Secret
    codes: list[str]

    def code(self, steps: int = 0) -> str:
        """What its app shows now, or so many half minutes later."""
        return second_factor.code_at(self.seed, int(time.time()) // second_factor.STEP_S + steps)


def enrolled(user: User) -> Phone:
    """Switched on some time ago: the present code has not been used."""
    phone = Phone(second_factor.new_seed(), [])
    codes = second_factor.confirm(user, phone.seed, phone.code(), Source())
    assert codes
    unused(user)
    return Phone(phone.seed, codes)


def unused(user: User) -> None:
    """As if the next half minute had come: a test has the same code again."""
    SecondFactor.objects.filter(user=user).update(last_step=0)


def by_password(user: User, client: Client | None = None, door: str = "/accounts/login/", **more: Any) -> Client:
    """A browser in which the right password was given, and nothing else."""
    browser = client or Client()
    answer = browser.post(door, {"username": user.get_username(), "password": PASSWORD}, **more)
    assert answer.status_code == 302
    return browser


def stale(client: Client, seconds: float = 660) -> None:
    """As if so much time had passed since this browser's person proved who they are."""
    session = client.session
    session[PROVED_AT] -= seconds
    session.save()
