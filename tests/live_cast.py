"""Who looks at the live model's screens: people and a wall, in the database, with rights that a story may change."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from dashboard.access import Viewer, viewer_of, viewer_of_display
from dashboard.models import Display, Queue, Seat
from dashboard.roles import Numbers, Role, give, give_numbers, numbers_of, role_of
from queue_api.models import Account
from tests.conftest import person
from tests.live_upstream import QUEUES

Holder = tuple[str, str, Callable[[], Viewer]]  # name, session key, the viewer as the database has them now


class Cast:
    """Made once for all stories of a test; each story's changes are rolled back."""

    def __init__(self) -> None:
        self.accounts = {number: _account(number) for number in QUEUES}
        self.number_of = {account.pk: number for number, account in self.accounts.items()}
        self.by_pk = {account.pk: account for account in self.accounts.values()}
        self.queues = {(number, key): Queue.objects.create(account=self.accounts[number], key=key, name=f"Queue {key}")
                       for number, keys in QUEUES.items() for key in keys if key}
        self.people = [
            User.objects.create_superuser("dev", password=None),
            person("asha", ("take_over",), (self.queues[1, "301"],)),
            person("ben", ("take_over", "see_full_numbers"), (self.queues[1, "302"], self.queues[2, "401"])),
            person("omar", (), (self.queues[2, "402"],)),
            person("lena", ("take_over",)),
        ]
        Seat.objects.create(user=self.people[4], account=self.accounts[1], all_queues=True)
        self.wall = Display.objects.create(name="Hall", token_hash="d" * 64)
        self.wall.queues.set([self.queues[1, "302"], self.queues[2, "401"]])
        self.holders: list[Holder] = [_holder(user) for user in self.people]
        self.holders.append(("wall", "d" * 64, lambda: _wall(self.wall.pk)))

    def begins(self) -> None:
        """Another story, on rows that are as they were made."""
        for account in self.accounts.values():
            account.refresh_from_db()

    def changes_rights(self, chance: Any) -> None:
        """An administrator gives or takes a queue or a right; nobody is left without any queue."""
        user = chance.choice(self.people[1:4])
        if chance.random() < 0.4:
            if chance.random() < 0.5:
                give(user, Role.OBSERVER if role_of(user) is Role.SUPERVISOR else Role.SUPERVISOR)
            else:
                give_numbers(user, Numbers.MASKED if numbers_of(user) is Numbers.WHOLE else Numbers.WHOLE)
            return
        (number, _key), queue = chance.choice(sorted(self.queues.items()))
        seat, _ = Seat.objects.get_or_create(user=user, account=self.accounts[number])
        mine = Queue.objects.filter(seats__user=user)
        if not seat.queues.filter(pk=queue.pk).exists():
            seat.queues.add(queue)
        elif mine.count() > 1:
            seat.queues.remove(queue)

    def changes_wall(self, chance: Any) -> None:
        self.wall.queues.set(chance.sample(sorted(self.queues.values(), key=lambda queue: queue.pk), 2))

    def changes_account(self, chance: Any) -> None:
        account = chance.choice(list(self.accounts.values()))
        account.line = chance.choice(("Front desk", "Back desk", ""))
        account.save()


def _account(number: int) -> Account:
    account = Account(name=("Northgate", "Southgate")[number - 1], base_url=f"https://deepcall.example/at-{number}",
                      line="Front desk", poll_interval_s=2.0)
    account.set_ssid("ssid")
    account.save()
    return account


def _holder(user: User) -> Holder:
    session = SessionStore()
    session.update({SESSION_KEY: str(user.pk), HASH_SESSION_KEY: user.get_session_auth_hash(),
                    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend"})
    session.set_expiry(timezone.now() + timedelta(days=3650))
    session.create()
    return user.get_username(), str(session.session_key), lambda: _viewer(user.pk)


def _viewer(pk: int) -> Viewer:
    viewer = viewer_of(User.objects.get(pk=pk))
    assert viewer is not None
    return viewer


def _wall(pk: int) -> Viewer:
    return viewer_of_display(Display.objects.get(pk=pk))
