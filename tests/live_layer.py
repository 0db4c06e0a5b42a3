"""Between the model's processes: a channel layer that drops, doubles, delays and so reorders what it is given."""

import asyncio
import copy
import random
from collections import deque
from collections.abc import Callable
from typing import Any

from tests.live_time import Clock

DROPPED, DOUBLED, LATE = 0.3, 0.1, 0.1  # the second of two may come when another leads already


class LossyLayer:
    """What `get_channel_layer()` gives in the model. `down`: it refuses; `stuck`: it never answers."""

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self.clock, self.chance = clock, chance
        self.lossy, self.down, self.stuck = True, False, False
        self._queues: dict[str, tuple[Any, asyncio.Queue[dict[str, Any]]]] = {}
        self._said: deque[dict[str, Any]] = deque(maxlen=60)
        self._count = 0
        self.carried = self.lost = 0

    async def new_channel(self) -> str:
        await self._reached()
        self._count += 1
        return f"channel-{self._count}"

    async def group_add(self, _group: str, channel: str) -> None:
        await self._reached()
        if channel not in self._queues:
            self._queues[channel] = asyncio.get_running_loop(), asyncio.Queue()

    async def group_send(self, _group: str, message: dict[str, Any]) -> None:
        await self._reached()
        self._said.append(message)
        for channel in list(self._queues):
            for delay_ms in self._fates():
                self.clock.after(delay_ms, self._delivery(channel, copy.copy(message)))

    async def receive(self, channel: str) -> dict[str, Any]:
        await self._reached()
        return await self._queues[channel][1].get()

    def repeats(self) -> None:
        """Something that was said long ago reaches everybody once more."""
        if self._said:
            message = self.chance.choice(self._said)
            for channel in list(self._queues):
                self._delivery(channel, copy.copy(message))()

    def forget(self, loop: Any) -> None:
        """Its process has died."""
        self._queues = {channel: entry for channel, entry in self._queues.items() if entry[0] is not loop}

    async def _reached(self) -> None:
        process = asyncio.get_running_loop().process  # type: ignore[attr-defined]
        if process.dead or self.down:
            raise ConnectionError("Connection refused")
        if self.stuck:
            await asyncio.Event().wait()

    def _fates(self) -> list[int]:
        """After how many ms a message arrives: none when it is lost, twice when it is doubled."""
        self.carried += 1
        if not self.lossy:
            return [self.chance.randint(1, 5)]
        if self.chance.random() < DROPPED:
            self.lost += 1
            return []
        first = self.chance.randint(200, 6000) if self.chance.random() < LATE else self.chance.randint(1, 20)
        return [first, first + self.chance.randint(1, 15_000)] if self.chance.random() < DOUBLED else [first]

    def _delivery(self, channel: str, message: dict[str, Any]) -> Callable[[], None]:
        def deliver() -> None:
            if channel in self._queues:
                loop, queue = self._queues[channel]
                loop.call_soon(queue.put_nowait, message)

        return deliver
