"""Files that arrive in folders, each when nobody writes to it any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

LOOK_EVERY_S = 2.0

State = tuple[int, int]  # size in bytes, time of the last change in ns


class Arrivals:
    """Says which files are new, look by look (pure). One that has changed since is new again."""

    def __init__(self) -> None:
        self._last: dict[Path, State] = {}
        self._told: dict[Path, State] = {}

    def push(self, states: dict[Path, State]) -> list[Path]:
        """Take what a look has found; return what is as it was at the look before, and was not
        told yet in this state."""
        new = [
            path
            for path, state in states.items()
            if self._last.get(path) == state != self._told.get(path)
        ]
        self._last = states
        self._told |= {path: states[path] for path in new}
        return new


async def arrivals(look: Callable[[], Iterable[Path]]) -> AsyncIterator[Path]:
    """The files that `look` finds, without end; it looks every LOOK_EVERY_S."""
    seen = Arrivals()
    while True:
        for path in seen.push(await asyncio.to_thread(_states, look)):
            yield path
        await asyncio.sleep(LOOK_EVERY_S)


def _states(look: Callable[[], Iterable[Path]]) -> dict[Path, State]:
    states: dict[Path, State] = {}
    for path in look():
        try:
            stat = path.stat()
        except OSError:  # gone since
            continue
        states[path] = stat.st_size, stat.st_mtime_ns
    return states
