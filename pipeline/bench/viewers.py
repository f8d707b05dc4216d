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
import json
import re
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from websockets.asyncio.client import ClientConnection

from ..client.connection import ConnectionLost, Message, Server
from ..client.publishing import publish
from ..client.real_time import LOCAL, open_pieces, paced, start_message
from ..config import LiveConfig
from ..errors import RemoteError

ROOM = "viewers"
Receipts = dict[int, float]  # by the caption's sequence number: when it came, in seconds


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
    ours, theirs = (context := get_context("spawn")).Pipe()
    crowd = context.Process(target=_crowd, args=(server, count, theirs), daemon=True)
    crowd.start()
    theirs.close()
    if (problem := ours.recv()) is not None:  # else all are there
        crowd.join()
        raise RemoteError(problem)
    cpu_s = _cpu_s(server)
    published, finals = asyncio.run(_publish(server, path))
    viewed: list[Receipts] = ours.recv()
    crowd.join()
    cpu_s = _cpu_s(server) - cpu_s
    first = dict(published)
    for receipts in viewed:
        for sequence, at_s in receipts.items():
            first[sequence] = min(at_s, first.get(sequence, at_s))
    lags_ms = [1000 * (at_s - first[n]) for receipts in viewed for n, at_s in receipts.items()]
    missed = sum(len(finals - receipts.keys()) for receipts in viewed)
    return Run(len(first), lags_ms, missed, cpu_s)


async def _publish(server: Server, path: Path) -> tuple[Receipts, set[int]]:
    """What the publisher received, and which of it was final."""
    receipts: Receipts = {}
    finals: set[int] = set()

    def hear(message: Message) -> None:
        if message["type"] == "caption":
            receipts[message["sequence"]] = time.monotonic()
            if message["is_final"]:
                finals.add(message["sequence"])

    start = start_message(ROOM, LiveConfig("en", ("es",)))
    await publish(server, start, paced(open_pieces(path, print)), hear, print)
    return receipts, finals


def _crowd(server: Server, count: int, pipe: Connection) -> None:
    """A process of viewers: tells when all are there, and in the end what each received."""

    async def view() -> list[Receipts]:
        try:
            sockets = [await server.connect("/v1/view", {"room": ROOM}) for _ in range(count)]
        except (ConnectionLost, RemoteError) as error:
            pipe.send(str(error))
            return []
        pipe.send(None)
        return await asyncio.gather(*map(_read, sockets))

    pipe.send(asyncio.run(view()))


async def _read(socket: ClientConnection) -> Receipts:
    """Until the session ends."""
    receipts: Receipts = {}
    was_live = False
    async with socket:
        async for raw in socket:
            at_s = time.monotonic()
            message = json.loads(raw)
            if message["type"] == "caption":
                receipts[message["sequence"]] = at_s
            elif message["type"] == "snapshot":
                if was_live and not message["is_live"]:
                    return receipts
                was_live = message["is_live"]
    raise ConnectionError("a viewer lost its connection before the session ended")


def _cpu_s(server: Server) -> float:
    with urlopen(f"{server.url}/metrics", timeout=10) as response:
        found = re.search(r"^process_cpu_seconds_total (\S+)$", response.read().decode(), re.M)
    assert found is not None, "the server runs on Linux, and is of this version"
    return float(found[1])
