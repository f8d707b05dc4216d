"""A program of its own: the scripted server, until somebody kills it. Prints its port."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.pipeline.server.scripted import Served, serve  # noqa: E402


async def wait(served: Served) -> None:
    print(served.port, flush=True)
    await asyncio.Event().wait()


serve(wait, Path(sys.argv[1]))
