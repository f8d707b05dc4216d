"""Calls that fail because who was asked has died are made again; no Ray in here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..cluster import WorkersLost

REPEAT_S = 30.0  # so long a call is repeated
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


async def repeated(
    ask: Callable[[], Awaitable[Answer]], is_lost: Callable[[Exception], bool]
) -> Answer:
    """What `ask` answers, asked again where `is_lost` says of its error that it was not the call's.

    The work is done again: an answer that was on its way is lost, so there is one. Raises
    WorkersLost where that does not end, and whatever else `ask` raises.
    """
    loop = asyncio.get_running_loop()
    end_s = loop.time() + REPEAT_S
    wait_s = FIRST_WAIT_S
    while True:
        try:
            return await ask()
        except Exception as error:
            if not is_lost(error):
                raise
            if loop.time() + wait_s > end_s:
                raise WorkersLost(f"all workers were lost over it ({type(error).__name__})") from (
                    error
                )
            log.info("a worker was lost (%s); its call is repeated", type(error).__name__)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)
