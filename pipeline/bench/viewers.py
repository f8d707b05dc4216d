"""How many viewers a room bears: when each of them reads a caption, and what that costs the server.

A recording is published in real time, and viewers read along from another process. For every
caption and viewer: the time from the moment at which anybody had the caption, the publisher or a
viewer, to its receipt by this viewer. Both processes read the same clock of the machine. The
server's CPU time is that of its own process, without the recognizer's; most of it is translation,
and `surtitle serve --translator echo` shows what is left.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..client.connection import Message, Server
from ..client.publishing import publish
from ..client.real_time import LOCAL, open_pieces, paced, start_message
from ..config import LiveConfig
from ..errors import RemoteError
from .cost import cpu_s, read_counters
from .crowd import Crowd, reached

ROOM = "viewers"


@dataclass(slots=True)
class Run:
    captions: int
    lags_ms: list[float]  # of every receipt
    missed_finals: int  # summed over the viewers
    cpu_s: float


def add_to(benches: Any) -> None:
    parser = benches.add_parser(
        "viewers", help="how many viewers a room of a running server bears, and what they cost it"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--url", default=LOCAL, help=f"default: {LOCAL}")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1, 200], help="default: 1 200")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    server = Server(arguments.url)
    print("| viewers | captions | receipts | p50 | p95 | p99 | most | finals missed | server CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    runs: list[Run] = []
    for count in arguments.viewers:
        runs.append(done := _run(server, count, arguments.file))
        cells = [str(count), str(done.captions), str(len(done.lags_ms))]
        cells += [f"{np.percentile(done.lags_ms, q):.1f} ms" for q in (50, 95, 99, 100)]
        cells += [str(done.missed_finals), f"{done.cpu_s:.2f} s"]
        print("| " + " | ".join(cells) + " |", flush=True)
    few, many = runs[0], runs[-1]
    if len(many.lags_ms) > len(few.lags_ms):
        cost_s = (many.cpu_s - few.cpu_s) / (len(many.lags_ms) - len(few.lags_ms))
        print(f"server CPU for each further receipt: {1e6 * cost_s:.0f} µs")
    return 0


def _run(server: Server, count: int, path: Path) -> Run:
    with closing(Crowd(server, [ROOM] * count)) as crowd:
        crowd.wait()
        before = read_counters(server)
        published, finals = asyncio.run(_publish(server, path))
        viewed, _ = crowd.end()
    used_s = cpu_s(read_counters(server)) - cpu_s(before)
    of_all = reached({ROOM: published}, {ROOM: finals}, viewed)
    if of_all.lost:
        raise RemoteError(f"{of_all.lost} viewers lost their connection before the session ended")
    return Run(len(published), of_all.lags_ms, of_all.missed_finals, used_s)


async def _publish(server: Server, path: Path) -> tuple[dict[int, float], set[int]]:
    """What the publisher received, and which of it was final."""
    receipts: dict[int, float] = {}
    finals: set[int] = set()

    def hear(message: Message) -> None:
        if message["type"] == "caption":
            receipts[message["sequence"]] = time.monotonic()
            if message["is_final"]:
                finals.add(message["sequence"])

    start = start_message(ROOM, LiveConfig("en", ("es",)))
    await publish(server, start, paced(open_pieces(path, print)), hear, print)
    return receipts, finals
