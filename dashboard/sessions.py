"""Sockets outlive the request that opened them: every reading re-reads the sessions and rights behind all of them.

Two queries per 500 sockets find sessions and people that are gone; rights are read again only after a change in the
admin. Screens whose audience changed get the full board of the new one; the others are closed with the reason.
Walls have no session: they are found by the hash of their secret, all in one reading.
"""

import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.access import WALL, Viewer, viewer_of, viewer_of_display
from dashboard.fanout import Hub
from dashboard.member import REVOKED, SIGN_IN, Member
from dashboard.pairing import displays_of
from dashboard.screens import Told, note

logger = logging.getLogger(__name__)

BATCH = 500
Holder = tuple[int, str]  # user id, session key


class Verdict(msgspec.Struct):
    """What a sweep found: close codes for some, new viewers for others; nobody else changes."""

    close: dict[Holder, int]
    viewers: dict[int, Viewer]


def judge(holders: Iterable[Holder], languages: dict[int, str], rights_too: bool) -> Verdict:
    """Reads the database. Blocking: run off the loop."""
    distinct = sorted(set(holders))
    verdict = Verdict(close={}, viewers={})
    for start in range(0, len(distinct), BATCH):
        _judge_batch(distinct[start:start + BATCH], languages, rights_too, verdict)
    return verdict


@lru_cache(maxsize=4 * BATCH)
def decoded(data: str) -> dict[str, Any]:
    """What a session holds. Readings come every few seconds, and sessions hardly change."""
    return dict(Session(session_data=data).get_decoded())


def _judge_batch(holders: list[Holder], languages: dict[int, str], rights_too: bool, verdict: Verdict) -> None:
    users = {user.pk: user for user in User.objects.filter(pk__in={pk for pk, _ in holders})}
    keys = {key for _, key in holders}
    sessions = {
        row.session_key: decoded(row.session_data)
        for row in Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    }
    for pk, key in holders:
        user, data = users.get(pk), sessions.get(key)
        if user is None or not user.is_active:
            verdict.close[pk, key] = REVOKED
        elif data is None or data.get(SESSION_KEY) != str(pk):
            verdict.close[pk, key] = SIGN_IN
        elif not constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
            verdict.close[pk, key] = REVOKED
        elif rights_too and pk not in verdict.viewers:
            viewer = viewer_of(user, languages.get(pk, "en"))
            if viewer is not None:
                verdict.viewers[pk] = viewer


def carry_out(hub: Hub, verdict: Verdict) -> None:
    """Closes and moves screens. On the server's loop."""
    for member in hub.members:
        code = verdict.close.get((member.viewer.user_id, member.session_key))
        if code is not None:
            member.close(code)
        else:
            _move(hub, member, verdict.viewers.get(member.viewer.user_id))


def _move(hub: Hub, member: Member, viewer: Viewer | None) -> None:
    if viewer is not None and not viewer.audience.scope:
        member.close(REVOKED)
    elif viewer is not None and viewer.audience != member.viewer.audience:
        hub.move(member, viewer)
    elif viewer is not None:
        member.viewer = viewer


def holders_of(hub: Hub) -> tuple[list[Holder], dict[int, str]]:
    members = [member for member in hub.members if member.viewer.audience.screen != WALL]
    return (
        [(member.viewer.user_id, member.session_key) for member in members],
        {member.viewer.user_id: member.viewer.audience.language for member in members},
    )


def watched_keys(hub: Hub) -> set[str]:
    """The sessions behind all screens that stay: watching is using."""
    return {member.session_key for member in hub.members
            if member.viewer.audience.screen != WALL and not member.closing}


# ── walls ──────────────────────────────────────────────────────────────────────────────────────────
def walls_of(hub: Hub) -> set[str]:
    """The hashed secrets of all walls that are connected."""
    return {member.session_key for member in hub.members if member.viewer.audience.screen == WALL}


def told_of(hub: Hub) -> dict[str, Told]:
    """Hashed secret -> what that wall told of itself; of several pages with one secret the last."""
    return {member.session_key: member.told_of_itself for member in hub.members if member.told_of_itself is not None}


def judge_walls(secrets: set[str], told: Mapping[str, Told] | None = None) -> dict[str, Viewer | None]:
    """Hashed secret -> what that wall may see now; None: deleted, revoked, expired, or its place was taken by another
    screen.

    Reads the database, and notes there that the others are in touch and what they told. Blocking: run off the loop.
    """
    displays = displays_of(secrets)
    note(displays, told or {})
    return {key: viewer_of_display(displays[key], key) if key in displays else None for key in secrets}


def carry_out_walls(hub: Hub, viewers: dict[str, Viewer | None]) -> None:
    """Closes and moves walls. On the server's loop; walls that came meanwhile were not judged and stay."""
    for member in hub.members:
        if member.viewer.audience.screen != WALL or member.session_key not in viewers:
            continue
        viewer = viewers[member.session_key]
        if viewer is None:
            member.close(REVOKED)
        elif viewer.audience != member.viewer.audience:
            hub.move(member, viewer)
        elif viewer.orders != member.viewer.orders:
            member.viewer = viewer
            hub.wake()  # what is published next tells it
