"""Sessions are kept for so many days, and no longer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from .store import Store

LOOK_EVERY_S = 3600.0

log = logging.getLogger(__name__)


async def delete_old(
    store: Store,
    is_live: Callable[[str], bool],
    days: float,
    delete_others: Callable[[float], Awaitable[None]],
) -> None:
    """Delete what is older than that many days, now and each hour, without end. `delete_others`
    does it with what is not in the store. Raises StoreError."""
    while True:
        for session_id in await store.begun_before(datetime.now(UTC) - timedelta(days=days)):
            if not is_live(session_id):
                await store.forget(session_id)
                log.info("a session of more than %g days ago is deleted", days)
        await delete_others(days)
        await asyncio.sleep(LOOK_EVERY_S)
