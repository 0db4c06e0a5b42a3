"""Sockets outlive the request that opened them: one sweep re-reads the sessions and rights behind all of them.

Two queries per 500 sockets find sessions and people that are gone; rights are read again only after a change in the
admin. Screens whose audience changed get the full board of the new one; the others are closed with the reason.
"""

import logging
from collections.abc import Iterable

import msgspec
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from dashboard.access import Viewer, viewer_of
from dashboard.fanout import REVOKED, SIGN_IN, Hub, Member

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


def _judge_batch(holders: list[Holder], languages: dict[int, str], rights_too: bool, verdict: Verdict) -> None:
    users = {user.pk: user for user in User.objects.filter(pk__in={pk for pk, _ in holders})}
    keys = {key for _, key in holders}
    sessions = {
        row.session_key: row.get_decoded()
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


def holders_of(hub: Hub) -> tuple[list[Holder], dict[int, str]]:
    members = hub.members
    return (
        [(member.viewer.user_id, member.session_key) for member in members],
        {member.viewer.user_id: member.viewer.audience.language for member in members},
    )
