"""The captions of one session on their way to its room: a final goes by the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ...events import Caption


class StoredFirst:
    """Shows captions in the order of `publish`; a final when the store has it, or has given up.

    All finals are given to the store as they come, so what waits here waits for one answer of the
    store at most.
    """

    def __init__(
        self, add: Callable[[Caption], Coroutine[Any, Any, bool]], show: Callable[[Caption], None]
    ) -> None:
        self._add = add
        self._show = show
        self._waiting = asyncio.Queue[tuple[Caption, asyncio.Task[bool] | None] | None]()

    def publish(self, caption: Caption) -> None:
        adding = asyncio.create_task(self._add(caption)) if caption.is_final else None
        self._waiting.put_nowait((caption, adding))

    def end(self) -> None:
        """Let `run` return when all that was published is shown."""
        self._waiting.put_nowait(None)

    async def run(self) -> None:
        while (waiting := await self._waiting.get()) is not None:
            caption, adding = waiting
            if adding is not None:
                await adding
            self._show(caption)
