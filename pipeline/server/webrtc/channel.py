"""The data channel of a peer: messages of a dialect, sent when it is open and has room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiortc import RTCDataChannel
from aiortc.exceptions import InvalidStateError

MOST_WAITING_BYTES = 256 * 1024  # that the peer has not confirmed
OPEN_S = 10.0  # for a channel that was agreed on
DRAIN_S = 2.0  # for the last message to arrive


class Channel:
    """Sends on the first channel that is opened; without one, nothing.

    `send` waits while MOST_WAITING_BYTES are not confirmed; what waits for it waits in the outbox,
    which drops drafts, and in the end ends the connection.
    """

    def __init__(self, *, is_expected: bool) -> None:
        self._channel: RTCDataChannel | None = None
        self._is_expected = is_expected
        self._changed = asyncio.Event()

    def open(self, channel: RTCDataChannel, hear: Callable[[str | bytes], None]) -> None:
        if self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = MOST_WAITING_BYTES // 2
        for event in "bufferedamountlow", "close", "open":
            channel.on(event, self._changed.set)
        channel.on("message", hear)
        self._changed.set()

    async def send(self, messages: list[str]) -> None:
        channel = await self._opened()
        for message in messages:
            while channel is not None and channel.bufferedAmount > MOST_WAITING_BYTES:
                self._changed.clear()
                await self._changed.wait()
            self.send_now(message)

    def send_now(self, message: str) -> None:
        if self._channel is not None and self._channel.readyState == "open":
            try:
                self._channel.send(message)
            except InvalidStateError:
                pass  # it closes: whoever holds the peer notices

    async def drained(self) -> None:
        """Wait until the last message has arrived, or for DRAIN_S."""
        channel = self._channel
        if channel is None:
            return
        channel.bufferedAmountLowThreshold = 0
        try:
            async with asyncio.timeout(DRAIN_S):
                while channel.readyState == "open" and channel.bufferedAmount > 0:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass

    def close(self) -> None:
        """Let go of the channel."""
        self._channel = None
        self._changed.set()

    async def _opened(self) -> RTCDataChannel | None:
        """The channel; None where none was agreed on, or comes in time."""
        if self._channel is None and self._is_expected:
            try:
                async with asyncio.timeout(OPEN_S):
                    await self._changed.wait()
            except TimeoutError:
                self._is_expected = False
        return self._channel
