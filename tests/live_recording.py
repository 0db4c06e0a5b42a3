"""A story as one of its screens met it: the page it was given, what came over its socket, a fresh page at the end."""

from typing import Any

import msgspec
import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import RequestFactory

from dashboard import views
from dashboard.access import WALL, Viewer
from tests.live_model import World
from tests.live_screen import Screen
from tests.live_story import Stage


class Recording(msgspec.Struct):
    """`events` and `said`: ms since the page was loaded, and what came or was said; `lasted`: ms till the end."""

    seed: int
    name: str
    painted: str
    fresh: str
    events: list[tuple[int, str, Any]]
    said: list[tuple[int, dict[str, int]]]
    lasted: int


def paint(mirror: Any, viewer: Viewer) -> str:
    """The board's page as the view renders it from this mirror."""
    if viewer.audience.screen == WALL:
        return ""
    request = RequestFactory().get("/")
    request.user = User.objects.get(pk=viewer.user_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "mirror", mirror)
        return str(views.board(request).content.decode())


def record(seeds: range) -> list[Recording]:
    """Tells the stories; of each the screens that met most. In a database that is left as it was."""
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        stage = Stage(patch)
        recordings = [recording for seed in seeds for recording in _of(seed, stage.tell(seed, paint))]
        transaction.set_rollback(True)
    return recordings


def _of(seed: int, world: World) -> list[Recording]:
    """Of the screen that was told most, and of the one whose link was worst."""
    screens = [one for one in world.screens if one.painted and not one.gone]
    talkative = max(screens, key=lambda one: len(one.log))
    unlucky = max(screens, key=lambda one: 2 * one.page.resyncs + one.connections)
    return [_recording(seed, world, one) for one in {talkative.name: talkative, unlucky.name: unlucky}.values()]


def _recording(seed: int, world: World, screen: Screen) -> Recording:
    events = [(at - screen.loaded, kind, value) for at, kind, value in screen.log]
    return Recording(
        seed=seed, name=screen.name, painted=screen.painted, fresh=world.fresh[screen.session_key],
        events=[event for event in events if event[1] != "said"], lasted=world.clock.ms - screen.loaded,
        said=[(at, value) for at, kind, value in events if kind == "said"])
