"""Who may see and do what. Every door (page, socket, takeover, export) asks here, and nowhere else decides.

Deny by default: without a role or without queues a person sees nothing; without the right the button is not there.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from django.contrib.auth.models import User

from dashboard.models import Display, Seat
from dashboard.screens import Orders, orders_for
from dashboard.wall_type import letter_px

BOARD, WALL = "board", "wall"
WATCH = "dashboard.watch"
TAKE_OVER = "dashboard.take_over"
REVEAL = "dashboard.reveal_numbers"
FULL_NUMBERS = "dashboard.see_full_numbers"


class Scope(msgspec.Struct, frozen=True):
    """A set of queues. `whole` holds accounts with all queues: only those see calls without a queue."""

    everything: bool = False
    whole: frozenset[int] = frozenset()
    queues: frozenset[tuple[int, str]] = frozenset()

    def covers(self, account: int, queue_key: str) -> bool:
        return self.everything or account in self.whole or bool(queue_key and (account, queue_key) in self.queues)

    def touches(self, account: int) -> bool:
        """Whether any queue of the account may be seen: then its feed's health may be, too."""
        return self.everything or account in self.whole or any(pk == account for pk, _ in self.queues)

    def __bool__(self) -> bool:
        return self.everything or bool(self.whole or self.queues)


class Audience(msgspec.Struct, frozen=True):
    """All who may be sent the same bytes. `own_sessions`, `own_agents`: accounts where they have their own of it.

    `may_reveal`: a masked number may be held to show the whole one, each time on record.
    `screen` says what their pictures show: the whole board, or what fits a wall.
    """

    scope: Scope = Scope()
    full_numbers: bool = False
    may_reveal: bool = False
    may_take_over: bool = False
    own_sessions: frozenset[int] = frozenset()
    own_agents: frozenset[int] = frozenset()
    language: str = "en"
    screen: str = BOARD
    layout: str = ""  # of a wall
    letter: float = 0.0  # of a wall: the size of its smallest text (wall_type.py); how many rows fit follows from it
    caller_names: bool = False  # of a wall


class Viewer(msgspec.Struct, frozen=True):
    """A signed-in person, or a wall (`user_id` 0), and their audience, read from the database in one go.

    `agent_ids`: account -> their own agent id there. `sets_up`: whether they could mend an account's settings.
    `judges`: whether they may say what became of anybody's takeover. `orders`: what a wall is told to do.
    """

    user_id: int
    name: str
    audience: Audience
    agent_ids: dict[int, str] = {}
    sets_up: bool = False
    judges: bool = False
    orders: Orders | None = None

    def is_agent(self, account: int, agent_id: str) -> bool:
        return bool(agent_id) and self.agent_ids.get(account) == agent_id


def display_name(user: User) -> str:
    return user.get_full_name() or user.get_username()


def viewer_of(user: Any, language: str = "en") -> Viewer | None:
    """The viewer behind a signed-in, active user; None for anybody else. Four queries at most."""
    if not user.is_authenticated or not user.is_active:
        return None
    seats = seats_of(user)
    audience = Audience(
        scope=given_to(user, seats) if user.has_perm(WATCH) else Scope(),
        full_numbers=user.has_perm(FULL_NUMBERS),
        may_reveal=user.has_perm(REVEAL) and not user.has_perm(FULL_NUMBERS),
        may_take_over=user.has_perm(TAKE_OVER),
        own_sessions=frozenset(seat.account_id for seat in seats if seat.ssid_sealed),
        own_agents=frozenset(seat.account_id for seat in seats if seat.agent_id),
        language=language,
    )
    return Viewer(user_id=user.pk, name=display_name(user), audience=audience,
                  agent_ids={seat.account_id: seat.agent_id for seat in seats if seat.agent_id},
                  sets_up=may_set_up(user),
                  judges=user.is_staff and user.has_perm("dashboard.change_takeoverattempt"))


def seats_of(user: Any) -> list[Seat]:
    """A person's seats in accounts that are switched on, with their queues."""
    return list(Seat.objects.filter(user_id=user.pk, account__enabled=True).prefetch_related("queues"))


def given_to(user: Any, seats: Iterable[Seat]) -> Scope:
    """The queues that were given to a person. To see anything of them takes the right to watch, too."""
    return Scope(
        everything=user.is_superuser,
        whole=frozenset(seat.account_id for seat in seats if seat.all_queues),
        queues=frozenset((seat.account_id, queue.key) for seat in seats for queue in seat.queues.all()
                         if queue.account_id == seat.account_id),
    )


def may_set_up(user: Any) -> bool:
    """Whether they could mend an account: they are led through setting up, and read how a process does."""
    return bool(user.is_active and user.is_staff and user.has_perm("queue_api.change_account"))


def viewer_of_display(display: Display, secret_hash: str = "") -> Viewer:
    """A wall sees the queues it was given; never a full number, never a button. One query, none when prefetched.

    `secret_hash`: by which the screen came.
    """
    scope = Scope(queues=frozenset(
        (queue.account_id, queue.key) for queue in display.queues.all() if queue.account.enabled))
    return Viewer(user_id=0, name=display.name, orders=orders_for(display, secret_hash), audience=Audience(
        scope=scope, language=display.language, screen=WALL, layout=display.layout, caller_names=display.caller_names,
        letter=round(letter_px(display.diagonal_in, display.distance_m), 1)))


def shown_number(number: str, audience: Audience) -> str:
    """The number as this audience may read it: full by right, else the last four digits; "" when unknown."""
    if not number or audience.full_numbers:
        return number
    return f"•••• {last4(number)}"


DIALLED = 10  # so many digits are somebody's number, and no ticket's
_NUMBER = re.compile(r"\+?\d(?:[\W_]{0,8}\d){6,}")  # with whatever stands between its digits


def shown_text(text: str, audience: Audience, ending: str = "") -> str:
    """Upstream's text as this audience may read it: a name or message may hold a number, too.

    With `ending`, the caller's last digits, short numbers in which it does not occur stay: a ticket, an agent. What
    stands beside the caller's own runs into it.
    """
    if audience.full_numbers:
        return text
    return _NUMBER.sub(lambda found: _masked(found[0], ending), text)


def without_caller(text: str, ending: str) -> str:
    """An id or a name with no more of the caller's number in it than its last digits. All other numbers stay."""
    return _NUMBER.sub(lambda found: _masked(found[0], ending, others=True), text) if ending else text


def _masked(number: str, ending: str, others: bool = False) -> str:
    digits = "".join(character for character in number if character.isdigit())
    if ending in digits:
        return f"•••• {ending or last4(number)}"
    somebodys = len(digits) >= DIALLED or number[0] in "+0"
    return "••••" if somebodys and not others else number  # whose it is, and whether in these queues, nobody knows


def last4(number: str) -> str:
    """The last four digits, or fewer when the number is so short that four would be all of it."""
    digits = "".join(character for character in number if character.isdigit())
    return digits[-4:] if len(digits) > 6 else digits[-2:] if len(digits) > 2 else ""
