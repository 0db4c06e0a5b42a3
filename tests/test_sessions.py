"""Sockets outlive the request: what the sweep finds when sessions or rights behind them have changed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dashboard import sessions
from dashboard.access import Audience, Scope, Viewer, viewer_of
from dashboard.fanout import Hub
from dashboard.member import Member
from dashboard.mirror import Mirror
from dashboard.models import Queue, Seat
from dashboard.roles import Role, give
from dashboard.sessions import Verdict, carry_out, holders_of, judge
from dashboard.station import Station
from tests.makers import SALES, board, call, mirror_of, soon

REVOKED, SIGN_IN = 4403, 4401


def signed_in(user: User) -> tuple[int, str]:
    """A new session of this person, as a socket holds it."""
    browser = Client()
    browser.force_login(user)
    return user.pk, browser.cookies["sessionid"].value


def judged(holder: tuple[int, str], rights_too: bool = True) -> Verdict:
    return judge([holder], {}, rights_too)


# ── who is closed ──────────────────────────────────────────────────────────────────────────────────
def test_a_good_session_stays_open(supervisor: User) -> None:
    assert judged(signed_in(supervisor)).close == {}


def test_who_signed_out_is_asked_to_sign_in(supervisor: User) -> None:
    holder = signed_in(supervisor)
    Session.objects.all().delete()
    assert judged(holder).close == {holder: SIGN_IN}


def test_an_expired_session_is_asked_to_sign_in(supervisor: User) -> None:
    holder = signed_in(supervisor)
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert judged(holder).close == {holder: SIGN_IN}


def test_a_session_that_somebody_else_signed_in_to_is_asked_to_sign_in(supervisor: User, observer: User) -> None:
    _, key = signed_in(observer)
    assert judged((supervisor.pk, key)).close == {(supervisor.pk, key): SIGN_IN}


def test_a_deactivated_person_is_closed_out(supervisor: User) -> None:
    holder = signed_in(supervisor)
    User.objects.update(is_active=False)
    assert judged(holder).close == {holder: REVOKED}


def test_a_deleted_person_is_closed_out(supervisor: User) -> None:
    holder = signed_in(supervisor)
    supervisor.delete()
    assert judged(holder).close == {holder: REVOKED}


def test_a_changed_password_closes_every_session_of_before(supervisor: User) -> None:
    before = [signed_in(supervisor), signed_in(supervisor)]
    supervisor.set_password("another-long-password")
    supervisor.save()
    now = signed_in(supervisor)
    assert judge([*before, now], {}, True).close == dict.fromkeys(before, REVOKED)


def test_only_the_session_that_signed_out_is_closed(supervisor: User) -> None:
    gone, kept = signed_in(supervisor), signed_in(supervisor)
    Session.objects.filter(session_key=gone[1]).delete()
    assert judge([gone, kept], {}, False).close == {gone: SIGN_IN}


# ── rights ─────────────────────────────────────────────────────────────────────────────────────────
def test_rights_are_read_again_only_when_the_configuration_changed(supervisor: User) -> None:
    holder = signed_in(supervisor)
    assert judged(holder, rights_too=False).viewers == {}
    assert judged(holder).viewers == {supervisor.pk: viewer_of(supervisor)}


def test_a_right_taken_away_is_in_the_new_viewer(supervisor: User) -> None:
    holder = signed_in(supervisor)
    give(supervisor, Role.OBSERVER)
    assert not judged(holder).viewers[supervisor.pk].audience.may_take_over


def test_a_right_given_and_a_queue_given_are_in_the_new_viewer(observer: User, billing: Queue) -> None:
    holder = signed_in(observer)
    give(observer, Role.SUPERVISOR)
    Seat.objects.get(user=observer).queues.add(billing)
    audience = judged(holder).viewers[observer.pk].audience
    assert audience.may_take_over
    assert audience.scope.covers(billing.account_id, "303")


def test_the_screens_language_stays(supervisor: User) -> None:
    viewers = judge([signed_in(supervisor)], {supervisor.pk: "hi"}, True).viewers
    assert viewers[supervisor.pk].audience.language == "hi"


def test_many_screens_cost_few_queries(
    supervisor: User, observer: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    holders = [signed_in(supervisor), signed_in(observer)] * 200
    with django_assert_num_queries(2):
        assert judge(holders, {}, False).close == {}


def test_more_screens_than_one_batch_are_all_judged(supervisor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BATCH", 3)
    good = signed_in(supervisor)
    gone = [(supervisor.pk, f"gone-{number}") for number in range(10)]
    assert judge([good, *gone], {}, True).close == dict.fromkeys(gone, SIGN_IN)


# ── carrying it out ────────────────────────────────────────────────────────────────────────────────
class Page:
    """An open socket of one person."""

    def __init__(self, hub: Hub, holder: tuple[int, str], audience: Audience = SALES) -> None:
        self.texts: list[str] = []
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.member = Member(Viewer(holder[0], "Sita", audience), holder[1], self._send, self._close)
        hub.join(self.member)

    async def _send(self, text: str) -> None:
        self.texts.append(text)

    async def _close(self, code: int) -> None:
        self.code.set_result(code)


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub(mirror_of(board(call("s-1"), call("b-1", queue_id="303"))))
    yield hub
    members = hub.members
    for member in members:
        hub.leave(member)
    await asyncio.gather(*(member._task for member in members), return_exceptions=True)


async def test_each_screen_gets_its_own_code_and_the_others_stay(hub: Hub) -> None:
    out, revoked, kept = Page(hub, (1, "a")), Page(hub, (2, "b")), Page(hub, (1, "c"))
    carry_out(hub, Verdict(close={(1, "a"): SIGN_IN, (2, "b"): REVOKED}, viewers={}))
    assert (await soon(out.code), await soon(revoked.code)) == (SIGN_IN, REVOKED)
    assert not kept.member.closing


async def test_changed_rights_move_all_screens_of_a_person_to_the_new_board(hub: Hub) -> None:
    pages = [Page(hub, (1, "a")), Page(hub, (1, "b")), Page(hub, (2, "c"))]
    billing = Audience(scope=Scope(queues=frozenset({(1, "303")})), may_take_over=True)
    carry_out(hub, Verdict(close={}, viewers={1: Viewer(1, "Sita", billing)}))
    await asyncio.sleep(0)
    assert ["1-b-1" in page.texts[-1] and '"full":true' in page.texts[-1] for page in pages] == [True, True, False]
    assert [page.member.viewer.audience for page in pages] == [billing, billing, SALES]


async def test_unchanged_rights_send_nothing(hub: Hub) -> None:
    page = Page(hub, (1, "a"))
    carry_out(hub, Verdict(close={}, viewers={1: Viewer(1, "Sita", SALES)}))
    await asyncio.sleep(0)
    assert len(page.texts) == 1


async def test_who_lost_the_last_queue_is_told_that_the_board_was_withdrawn(hub: Hub) -> None:
    page = Page(hub, (1, "a"))
    carry_out(hub, Verdict(close={}, viewers={1: Viewer(1, "Sita", Audience())}))
    assert await soon(page.code) == REVOKED


async def test_the_holders_are_the_people_sessions_and_languages_of_the_open_screens(hub: Hub) -> None:
    Page(hub, (1, "a"))
    Page(hub, (2, "b"), Audience(language="hi"))
    holders, languages = holders_of(hub)
    assert sorted(holders) == [(1, "a"), (2, "b")]
    assert languages == {1: "en", 2: "hi"}


# ── through the station ────────────────────────────────────────────────────────────────────────────
@pytest.fixture
async def station(transactional_db: None) -> AsyncIterator[Station]:
    mirror = Mirror()
    hub = Hub(mirror)
    station = Station(mirror, hub)
    yield station
    for member in hub.members:
        hub.leave(member)
    await station.polls.stop()
    station.desk.close()


@pytest.fixture
def holder(transactional_db: None, supervisor: User) -> tuple[int, str]:
    return signed_in(supervisor)


async def test_a_change_in_the_admin_moves_an_open_screen_with_the_next_reading(
    station: Station, holder: tuple[int, str], supervisor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_polling() -> None:
        """The pollers are not what is looked at."""

    monkeypatch.setattr(station.polls, "update", no_polling)
    viewer = await sync_to_async(viewer_of)(supervisor)
    assert viewer is not None
    page = Page(station.hub, holder, viewer.audience)
    await station.read_once()
    await sync_to_async(give)(supervisor, Role.OBSERVER)
    await station.read_once()
    assert not page.member.viewer.audience.may_take_over


async def test_signing_out_closes_the_sessions_sockets_here_and_in_other_processes(station: Station) -> None:
    mine, other = Page(station.hub, (1, "a")), Page(station.hub, (1, "b"))
    station.on_message({"type": "signed-out", "session": "a", "from": "another process"})
    assert await soon(mine.code) == SIGN_IN
    assert not other.member.closing
