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

from dashboard.said_once import SaidOnce

logger = logging.getLogger(__name__)

GROUP = "callboard"
SEND_LIMIT_S, JOIN_LIMIT_S = 2.0, 3.0
REJOIN_S = 10.0  # in memory one message that expires unread ends a membership for good; a day ends it anyway
ECHO = "echo"

Message = dict[str, Any]


class Layer:
    """`send` to every process, and `run` to hand what arrives to `on_message`."""

    def __init__(self) -> None:
        self.failures = self.received = 0
        self.reachable = True
        self._said = SaidOnce(logger, "channel layer")

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
                async with asyncio.timeout(JOIN_LIMIT_S):
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
        """Until a word to ourselves is not heard: then this subscription is dead, whatever the layer says."""
        loop = asyncio.get_running_loop()
        joined, owed = loop.time(), False
        receiving: asyncio.Future[Message] | None = None
        try:
            while True:
                receiving = receiving or asyncio.ensure_future(layer.receive(channel))
                done, _ = await asyncio.wait({receiving}, timeout=max(0, joined + REJOIN_S - loop.time()))
                if done:
                    finished, receiving = receiving, None
                    message = finished.result()
                    self.received += 1
                    self._works()  # who has nothing to send would never find out that it can again
                    if message.get("type") == ECHO:
                        owed = False
                    else:
                        on_message(message)
                elif owed:
                    raise TimeoutError("we do not hear ourselves")
                else:
                    owed, joined = await self._rejoin(layer, channel), loop.time()
        finally:
            if receiving is not None:
                receiving.cancel()

    async def _rejoin(self, layer: Any, channel: str) -> bool:
        """Changes nothing for a member. Whether an echo is owed: where this fails we go on listening, and try again."""
        try:
            async with asyncio.timeout(SEND_LIMIT_S):
                await layer.group_add(GROUP, channel)
                await layer.send(channel, {"type": ECHO})
        except Exception as error:  # noqa: BLE001 - as above
            self._failed("joining", error)
            return False
        self._works()
        return True

    def _failed(self, doing: str, error: Exception) -> None:
        self.failures += 1
        self.reachable = False
        self._said.failed("be used", f"{doing} failed ({type(error).__name__}: {error}); boards are re-read meanwhile")

    def _works(self) -> None:
        self.reachable = True
        self._said.works("be used")
