"""A server under people who come and go, and under what ends them.

1. A calm publisher sends all sentences once: the reference.
2. The server is killed, and later stopped and started again, under two publishers and viewers.
3. One server then goes on to the end. Connections are cut, the process that recognizes is killed,
   one publisher is killed and another takes its place, and viewers of all kinds come and go.
4. The publishers end, the transcripts are read, and the server is stopped.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ
from surtitle.pipeline.client.connection import Message, Server, watch
from surtitle.pipeline.client.publishing import publish

from .crowd import come_and_go
from .findings import Findings
from .publisher import PublisherProcess, write_recording
from .site import Relay, Site
from .tones import spoken, spoken_pcm
from .transcripts import read_transcripts

STEADY, KILLED, REFERENCE = "steady", "killed", "reference"
PIECE_BYTES = 2 * SAMPLE_RATE_HZ // 10
CROWD = 5
MEASURE_S = 1.0
PATIENCE_S = 240.0  # for what takes seconds
Say = Callable[[str], None]


async def soak(minutes: float, folder: Path, say: Say) -> Findings:
    """Run it for so long, a little more where the machine is slow; the folder keeps the server's
    log and store."""
    found, site = Findings(minutes), Site(folder)
    try:
        await _run(found, site, folder, say)
    finally:
        site.kill()
        found.log = site.log.read_text()
    return found


async def _run(found: Findings, site: Site, folder: Path, say: Say) -> None:
    stopping = asyncio.Event()
    recording = write_recording(folder / "killed.wav", 60 * found.minutes + PATIENCE_S)
    killed = PublisherProcess(site.url, KILLED, recording, folder / "publisher.log")
    await site.start()
    await publish(Server(site.url), _start(REFERENCE), _pieces(), _ignore, say)  # 1.
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        stack.callback(killed.kill)
        relay = await stack.enter_async_context(Relay(site.port))
        began_s = time.monotonic()
        steady = publish(
            Server(relay.url), _start(STEADY), _paced(found, stopping), _ears(found), say
        )
        speaking = tasks.create_task(steady)
        killed.start()
        passing = [
            tasks.create_task(watch(Server(relay.url), STEADY, "", _eyes(found, STEADY), say)),
            tasks.create_task(watch(Server(site.url), KILLED, "", _eyes(found, KILLED), say)),
            *(tasks.create_task(come_and_go(site.url, n, found.count)) for n in range(CROWD)),
        ]
        await _until_heard(found)
        found.crashed = {session for seen in found.seen.values() for session in seen}
        await site.end(signal.SIGKILL)  # 2.
        await site.start()
        await _until_heard(found)
        found.statuses.append(await site.end(signal.SIGTERM))
        await site.start()
        await _until_heard(found)
        left_s = max(30 * found.minutes, 60 * found.minutes + began_s - time.monotonic())
        troubles = _troubles(found, site, relay, killed, left_s)  # 3.
        await asyncio.gather(*troubles)
        stopping.set()  # 4.
        await speaking
        found.statuses.append(await killed.end())
        await _until_seen(found, site)
        for task in passing:
            task.cancel()
    found.sessions = await read_transcripts(site.url)
    found.statuses.append(await site.end(signal.SIGTERM))


def _troubles(
    found: Findings, site: Site, relay: Relay, killed: PublisherProcess, left_s: float
) -> Iterable[Coroutine[Any, Any, None]]:
    """What happens to the last server, and how much memory it takes meanwhile."""

    async def cut() -> None:
        relay.cut()
        found.count("connections cut")

    async def kill_recognizer() -> None:
        site.kill_recognizer()
        found.count("recognizers killed")

    async def replace_publisher() -> None:
        heard = len(found.seen[KILLED])
        killed.kill()
        killed.start()
        found.count("publishers killed")
        # The room is free when the server has given up the one before.
        await _until(lambda: len(found.seen[KILLED]) > heard)

    async def measure() -> None:
        found.memory.append((time.monotonic(), site.memory_mb))

    return (
        _now_and_then(left_s, min(30.0, left_s / 10), cut),
        _now_and_then(left_s, min(120.0, left_s / 4), kill_recognizer),
        _now_and_then(left_s, min(180.0, left_s / 2.5), replace_publisher),
        _now_and_then(left_s, MEASURE_S, measure),
    )


async def _now_and_then(
    left_s: float, mean_s: float, happen: Callable[[], Awaitable[None]]
) -> None:
    chance = random.Random(mean_s)
    end_s = time.monotonic() + left_s
    while (wait_s := mean_s * chance.uniform(0.6, 1.4)) < end_s - time.monotonic():
        await asyncio.sleep(wait_s)
        await happen()


def _start(room: str) -> Message:
    languages = {"source": "en", "targets": ("es",)}
    return {"room": room, "sample_rate_hz": SAMPLE_RATE_HZ, "codec": "pcm_s16le", **languages}


def _ignore(message: Message) -> None: ...


async def _pieces() -> AsyncIterator[bytes]:
    pcm = spoken_pcm()
    for at in range(0, len(pcm), PIECE_BYTES):
        yield pcm[at : at + PIECE_BYTES]


async def _paced(found: Findings, stopping: asyncio.Event) -> AsyncIterator[bytes]:
    """All sentences again and again as they are spoken, to the end of a round."""
    _, words = spoken()
    began_s, sent = time.monotonic(), 0
    while not stopping.is_set():
        begins_s = began_s + sent / SAMPLE_RATE_HZ
        found.said += [(word, begins_s + end / SAMPLE_RATE_HZ) for word, end in words]
        async for piece in _pieces():
            sent += len(piece) // 2
            await asyncio.sleep(max(0.0, began_s + sent / SAMPLE_RATE_HZ - time.monotonic()))
            yield piece


def _ears(found: Findings) -> Callable[[Message], None]:
    """The steady publisher notes when it had the final caption of each word."""
    known: set[int] = set()

    def hear(message: Message) -> None:
        if message["type"] == "started" and message["session"] not in found.heard:
            known.clear()
            found.heard[message["session"]] = []
        elif message["type"] == "caption" and message["is_final"] and message["is_source"]:
            if message["segment_id"] not in known:  # a resumed session tells its newest again
                known.add(message["segment_id"])
                now_s = time.monotonic()
                words = message["text"].split()
                list(found.heard.values())[-1].extend((word, now_s) for word in words)

    return hear


def _eyes(found: Findings, room: str) -> Callable[[Message], None]:
    """A viewer notes the finals of each session of its room."""
    seen = found.seen[room] = {}
    session: str | None = None

    def see(message: Message) -> None:
        nonlocal session
        captions: list[Any] = [message]
        if message["type"] == "snapshot":
            session, captions = message["session"] or session, message["captions"]
        for caption in captions:
            if caption["type"] == "caption" and caption["is_final"] and session is not None:
                place = caption["segment_id"], caption["language"]
                seen.setdefault(session, {})[place] = caption["text"]

    return see


async def _until_heard(found: Findings) -> None:
    """Both rooms have finals of one more session."""
    counts = {room: len(seen) for room, seen in found.seen.items()}
    await _until(lambda: all(len(seen) > counts[room] for room, seen in found.seen.items()))


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _until_seen(found: Findings, site: Site) -> None:
    """A viewer whose connection was cut may still be on its way back; at the last it is told."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found.sessions = await read_transcripts(site.url)
            if not any(found.unseen(room) for room in found.seen):
                return
            await asyncio.sleep(1.0)
