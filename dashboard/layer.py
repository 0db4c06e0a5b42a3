"""Between processes: one channel-layer subscription each, carrying boards, beats and doorbells.

Nothing depends on a message arriving: a mirror that hears nothing re-reads the database. So every call is bounded
in time, every failure is counted, and `layer.receive` is never cancelled half-way (the pub/sub layer would
unsubscribe and lose what comes meanwhile).
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

GROUP = "callboard"
SEND_LIMIT_S = 2.0
REJOIN_S = 3600.0  # in-memory and core layers forget members after a day

Message = dict[str, Any]


class Layer:
    """`send` to every process, and `run` to hand what arrives to `on_message`."""

    def __init__(self) -> None:
        self.failures = 0
        self.reachable = True

    async def send(self, message: Message) -> bool:
        """Whether the layer took it. A layer that is down costs at most SEND_LIMIT_S and nothing else."""
        layer = get_channel_layer()
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await layer.group_send(GROUP, message)
        except Exception as error:  # noqa: BLE001 - each layer raises its own; a missed message is repaired by re-reading
            self._failed("sending", error)
            return False
        self._works()
        return True

    async def run(self, on_message: Callable[[Message], None]) -> None:
        """Receives for ever, on this loop."""
        wait = 0.5
        while True:
            try:
                async with asyncio.timeout(3):
                    layer = get_channel_layer()
                    channel = await layer.new_channel()
                    await layer.group_add(GROUP, channel)
                self._works()
                wait = 0.5
                await self._receive(layer, channel, on_message)
            except Exception as error:  # noqa: BLE001 - as above: say so, wait, subscribe again
                self._failed("receiving", error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 10)

    async def _receive(self, layer: Any, channel: str, on_message: Callable[[Message], None]) -> None:
        loop = asyncio.get_running_loop()
        added = loop.time()
        receiving: asyncio.Future[Message] | None = None
        try:
            while True:
                receiving = receiving or asyncio.ensure_future(layer.receive(channel))
                done, _ = await asyncio.wait({receiving}, timeout=10)
                if done:
                    finished, receiving = receiving, None
                    message = finished.result()
                    self._works()  # who has nothing to send would never find out that it can again
                    on_message(message)
                if loop.time() - added > REJOIN_S:
                    await layer.group_add(GROUP, channel)
                    added = loop.time()
        finally:
            if receiving is not None:
                receiving.cancel()

    def _failed(self, doing: str, error: Exception) -> None:
        self.failures += 1
        if self.reachable:
            logger.warning("channel layer: %s failed (%s); boards are re-read from the database", doing, error)
        self.reachable = False

    def _works(self) -> None:
        if not self.reachable:
            logger.warning("channel layer: works again")
        self.reachable = True
