"""Wrong passwords and codes are counted, and who gives too many waits: docs/decisions/014-sign-in.md.

    one name from one place     5 free, then 1, 2, 4, 8, 15 min after each further one; forgotten after an hour
    one name, from anywhere     past 50 in 15 min one try in 10 s, but not from where this person has signed in before
    one address, for any name   past 100 in 15 min one try in 10 s, but not in a browser this person has signed in with


Codes of a second factor are counted apart, in the same way, so a right password forgives none of them. They are six
digits, and who types them knows the password: one person's, from anywhere, past 10 in an hour: one in 15 min, but not
from where this person has signed in before.

Of passwords only the first limit can refuse for minutes, and it concerns one place: who does not know the password
keeps nobody out from afar. A refused try is neither looked at nor counted. The rows are in the database, so that all
processes count together.
"""

import logging
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import msgspec
from django.contrib.auth.models import User
from django.db.models import Count, Max, Q
from django.utils.crypto import salted_hmac

from dashboard.client_address import network
from dashboard.lease import database_time
from dashboard.models import SignIn, WrongPassword

logger = logging.getLogger("callboard.sign_in")

FREE = 5
WAITS_S = (60, 120, 240, 480, 900)
FORGOTTEN = timedelta(hours=1)
RECENT = timedelta(minutes=15)
PER_NAME, PER_ADDRESS = 50, 100
PAUSE_S = 10
CODES_PER_NAME, CODE_PAUSE_S = 10, 900  # of six digits and with the password known: a hundredth of the passwords' pace


class Knock(msgspec.Struct, frozen=True):
    """One try to sign in. `browser`: the id of one that this person has signed in with before, or "".

    `code`: after the right password, with a code.
    """

    name_hash: str
    person: int | None
    address: str
    browser: str = ""
    code: bool = False

    @property
    def place(self) -> str:
        return self.browser or self.address


class Wait(msgspec.Struct, frozen=True):
    """`limit`: which of the three; "" and 0 s when nobody has to wait."""

    seconds: int = 0
    limit: str = ""


def knock(username: str, address: str | None, browsers: dict[int, str]) -> Knock:
    """`browsers`: person -> browser id, as the browser itself can prove (dashboard/known_browser.py)."""
    person = User.objects.filter(username=username).values_list("pk", flat=True).first()
    browser = browsers.get(person, "") if person is not None else ""
    return Knock(hashed(username), person, network(address), f"browser {browser}" if browser else "")


def knock_with_code(user: User, address: str | None, browsers: dict[int, str]) -> Knock:
    browser = browsers.get(user.pk, "")
    return Knock(hashed_code(user.get_username()), user.pk, network(address), f"browser {browser}" if browser else "",
                 code=True)


def wait(one: Knock) -> Wait:
    """How long this try has to wait; the longest counts."""
    now = database_time()
    found = _counted(one, now)
    waits = [Wait(_left(found["here_at"], _wait_s(found["here"]), now), "place")]
    most, pause_s = (CODES_PER_NAME, CODE_PAUSE_S) if one.code else (PER_NAME, PAUSE_S)
    if found["by_name"] >= most and not _been_here(one):
        waits.append(Wait(_left(found["by_name_at"], pause_s, now), "name"))
    if found["by_address"] >= PER_ADDRESS and not one.browser:
        waits.append(Wait(_left(found["by_address_at"], PAUSE_S, now), "address"))
    longest = max(waits, key=lambda each: each.seconds)
    return longest if longest.seconds else Wait()


def wrong(one: Knock) -> None:
    """Counts a wrong password; says in the log when from now on somebody has to wait."""
    WrongPassword.objects.create(name_hash=one.name_hash, person_id=one.person, place=one.place,
                                 address=one.address, at=database_time())
    if (longest := wait(one)).seconds:
        what = "too many wrong codes after the right password" if one.code else "too many wrong passwords"
        _tell(logging.WARNING, what, one, limit=longest.limit, wait_s=longest.seconds)


def right(one: Knock) -> None:
    """The person is in: the wrong tries from there were their own."""
    forgiven, _rows = WrongPassword.objects.filter(name_hash=one.name_hash, place=one.place).delete()
    if forgiven:
        what = "right code after wrong ones" if one.code else "signed in after wrong passwords"
        _tell(logging.INFO, what, one, wrong=forgiven)


def lift(names: list[str]) -> int:
    """Forgets the wrong passwords for these hashed names; how many there were."""
    return WrongPassword.objects.filter(name_hash__in=names).delete()[0]


def lift_for(person: User) -> int:
    return lift([hashed(person.get_username()), hashed_code(person.get_username())])


def tell_lifted(person: int, by: int | None) -> None:
    logger.info("waiting after wrong passwords lifted", extra={"fields": {"person": person, "by": by}})


def waits_now(row: WrongPassword) -> int:
    """For how many seconds yet that name has to wait at that place; without the two softer limits."""
    now = database_time()
    found = _counted(Knock(row.name_hash, row.person_id, row.address), now, row.place)
    return _left(found["here_at"], _wait_s(found["here"]), now)


def _counted(one: Knock, now: datetime, place: str = "") -> dict[str, Any]:
    """Counts and newest moments of the three, in one query."""
    here = Q(name_hash=one.name_hash, place=place or one.place)
    name = Q(name_hash=one.name_hash, at__gt=now - (FORGOTTEN if one.code else RECENT))
    address = Q(address=one.address, at__gt=now - RECENT)
    rows = WrongPassword.objects.filter(Q(name_hash=one.name_hash) | Q(address=one.address), at__gt=now - FORGOTTEN)
    return rows.aggregate(
        here=Count("pk", filter=here), here_at=Max("at", filter=here),
        by_name=Count("pk", filter=name), by_name_at=Max("at", filter=name),
        by_address=Count("pk", filter=address), by_address_at=Max("at", filter=address))


def _wait_s(wrong_ones: int) -> int:
    return WAITS_S[min(wrong_ones - FREE, len(WAITS_S) - 1)] if wrong_ones >= FREE else 0


def _left(since: datetime | None, seconds: int, now: datetime) -> int:
    """Never more than `seconds`, whatever the clock did meanwhile."""
    return max(0, min(seconds, ceil(seconds - (now - since).total_seconds()))) if since and seconds else 0


def _been_here(one: Knock) -> bool:
    """Asked in the same way for names that are nobody's."""
    where = SignIn.objects.filter(user_id=one.person or 0)
    return bool(one.browser) | any(network(address) == one.address for address in
                                   where.values_list("address", flat=True).distinct())


def hashed(username: str) -> str:
    return salted_hmac("callboard.wrong_password", username, algorithm="sha256").hexdigest()


def hashed_code(username: str) -> str:
    """Another than the password's: nobody fills this count by typing names."""
    return salted_hmac("callboard.wrong_code", username, algorithm="sha256").hexdigest()


def _tell(level: int, what: str, one: Knock, **fields: Any) -> None:
    """Never the name: a name that is nobody's may be somebody's password."""
    person = one.person if one.person is not None else "nobody"
    logger.log(level, "%s", what, extra={"fields": {"person": person, "address": one.address, **fields}})
