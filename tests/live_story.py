"""Stories of the live model: what happens, and what goes wrong, at random times; then every fault ends."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from dashboard import fanout, layer, poller
from dashboard.board import heard
from tests import live_time
from tests.live_cast import Cast
from tests.live_model import World
from tests.live_upstream import ERRORS, EXPIRED, Client

BACKLOG = 2000  # small, so that screens fall behind within a story
STORY_S = 12
PROCESSES_MOST, SCREENS = 3, 5


class Story:
    """One run: `tell` plays it, heals, and holds every screen against a fresh one."""

    def __init__(self, cast: Cast, seed: int, paint: Callable[..., str] | None = None) -> None:
        self.world = World(cast, seed, paint)
        self.events: list[str] = []

    def tell(self) -> World:
        world = self.world
        try:
            self._opening()
            end = world.clock.ms + STORY_S * 1000
            while world.clock.ms < end:
                world.wait(world.chance.expovariate(3.0))
                self._something()
            world.heals()
            world.converges()
        finally:
            for process in world.processes:
                if not process.dead:
                    process.kill()
        return world

    def _opening(self) -> None:
        world = self.world
        for _ in range(world.chance.randint(2, PROCESSES_MOST)):
            world.starts()
        for exchange in world.exchanges.values():
            for _ in range(world.chance.randint(0, 8)):
                exchange.comes(world.clock.ms)
        world.wait(0.5)
        for _ in range(SCREENS):
            world.opens_screen()

    def _something(self) -> None:
        weights = [weight for weight, _ in HAPPENINGS]
        happening = self.world.chance.choices([what for _, what in HAPPENINGS], weights)[0]
        self.events.append(f"{self.world.clock.seconds():.2f} {happening.__name__}")
        happening(self.world)


# ── what happens ───────────────────────────────────────────────────────────────────────────────────
def calls_change(world: World) -> None:
    exchange = world.chance.choice(list(world.exchanges.values()))
    for _ in range(world.chance.choice((1, 1, 2, 5))):
        exchange.changes(world.clock.ms)


def somebody_clicks(world: World) -> None:
    process = world.balanced()
    if process is not None:
        world.clicks.click(process, world.chance.choice(world.cast.holders[:-1])[2]())


def rights_change(world: World) -> None:
    world.cast.changes_rights(world.chance)
    _rung(world)


def the_wall_changes(world: World) -> None:
    world.cast.changes_wall(world.chance)
    _rung(world)


def an_account_is_saved(world: World) -> None:
    world.cast.changes_account(world.chance)
    _rung(world)


def _rung(world: World) -> None:
    process = world.balanced()
    if process is not None:
        process.ring()


def a_screen_comes(world: World) -> None:
    if world.balanced() is not None and len(world.screens) < 2 * SCREENS:
        world.opens_screen()


def a_screen_goes(world: World) -> None:
    _a_screen(world).leaves_for_good()
    a_screen_comes(world)


# ── what goes wrong ────────────────────────────────────────────────────────────────────────────────
def _a_screen(world: World) -> Any:
    return world.chance.choice([one for one in world.screens if not one.gone] or world.screens)


def a_screen_does_not_read(world: World) -> None:
    _a_screen(world).blocks(world.clock.ms + world.chance.randint(1000, 20_000))


def a_screen_answers_late(world: World) -> None:
    _a_screen(world).says_after_ms = world.chance.choice((10, 3000, 9000, 15_000))


def a_connection_breaks(world: World) -> None:
    _a_screen(world).drops(world.chance.choice((1006, 1006, 1012)))


def lists_fail(world: World) -> None:
    exchange = world.chance.choice(list(world.exchanges.values()))
    exchange.error = world.chance.choice((*ERRORS, *ERRORS, EXPIRED))
    world.clock.after(world.chance.randint(500, 9000), lambda: setattr(exchange, "error", None))


def lists_lack_something(world: World) -> None:
    exchange = world.chance.choice(list(world.exchanges.values()))
    setattr(exchange, world.chance.choice(("ghost", "incomplete")), world.chance.randint(1, 2))


def lists_are_slow(world: World) -> None:
    exchange = world.chance.choice(list(world.exchanges.values()))
    exchange.latency_s = world.chance.choice((0.05, 0.5, 3.0))


def a_process_dies(world: World) -> None:
    """And another one takes its place, if not at once."""
    alive = [one for one in world.processes if not one.dead]
    if alive:
        world.dies(world.chance.choice(alive))
    if len(alive) <= PROCESSES_MOST:
        world.clock.after(world.chance.randint(10, 4000), world.starts)


def a_process_stops_in_order(world: World) -> None:
    """A deployment: its leases are free at once, its screens are told to come back."""
    alive = [one for one in world.processes if one.serves]
    if len(alive) > 1:
        process = world.chance.choice(alive)
        process.do(lambda: setattr(process, "stopping", process.loop.create_task(process.station.polls.stop())))
        world.clock.after(300, lambda: None if process.dead else world.dies(process, 1012))
        world.clock.after(world.chance.randint(10, 2000), world.starts)


def a_process_freezes(world: World) -> None:
    alive = [one for one in world.processes if one.serves]
    if alive:
        process = world.chance.choice(alive)
        process.frozen = True
        world.clock.after(world.chance.randint(500, 14_000), lambda: setattr(process, "frozen", False))


def the_database_is_away(world: World) -> None:
    world.database_away = True
    world.clock.after(world.chance.randint(200, 5000), lambda: setattr(world, "database_away", False))


def the_database_is_slow(world: World) -> None:
    world.database_slow_s = 0.8
    world.clock.after(world.chance.randint(500, 5000), lambda: setattr(world, "database_slow_s", 0.01))


def an_old_message_comes(world: World) -> None:
    """Of an older leader, perhaps."""
    world.layer.repeats()


def the_layer_is_down(world: World) -> None:
    name = world.chance.choice(("down", "down", "stuck"))
    setattr(world.layer, name, True)
    world.clock.after(world.chance.randint(500, 12_000), lambda: setattr(world.layer, name, False))


HAPPENINGS: tuple[tuple[int, Callable[[World], None]], ...] = (
    (55, calls_change), (10, somebody_clicks), (4, rights_change), (1, the_wall_changes), (2, an_account_is_saved),
    (2, a_screen_comes), (1, a_screen_goes), (9, a_screen_does_not_read), (7, a_screen_answers_late),
    (3, a_connection_breaks), (3, lists_fail), (3, lists_lack_something), (2, lists_are_slow), (2, a_process_dies),
    (2, a_process_stops_in_order), (2, a_process_freezes), (2, the_database_is_away), (1, the_database_is_slow),
    (2, the_layer_is_down), (6, an_old_message_comes),
)


# ── the stage ──────────────────────────────────────────────────────────────────────────────────────
class Stage:
    """Tells stories one after the other; each begins with the same database and is undone at its end."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.cast, stream = Cast(), fanout.Stream
        self.world: World
        live_time.set_up(patch, lambda: self.world)
        patch.setattr(fanout, "BACKLOG", BACKLOG)
        patch.setattr(layer, "get_channel_layer", lambda: self.world.layer)
        patch.setattr(poller, "QueueClient", lambda upstream: Client(upstream, self.world.exchanges))
        patch.setattr(fanout, "Stream", lambda audience: self.world.knows(stream(audience)))
        patch.setattr(poller, "heard", lambda *args, **times: self.world.heard.note(heard)(*args, **times))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Without the log of a hundred deaths."""
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)

    def tell(self, seed: int, paint: Callable[..., str] | None = None) -> World:
        """Raises Wrong with the seed and what happened."""
        with self.quiet(), transaction.atomic():
            self.cast.begins()
            story = Story(self.cast, seed, paint)
            self.world = story.world
            try:
                story.tell()
            except AssertionError as error:
                last = "\n  ".join(story.events[-40:])
                raise type(error)(f"seed {seed} at {self.world.clock.seconds():.2f} s: {error}\n  {last}") from error
            finally:
                transaction.set_rollback(True)
        assert connection.in_atomic_block
        return self.world
