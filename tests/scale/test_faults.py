"""A replica is killed, a machine goes or falls silent in the middle of a session: no final is lost
or doubled, nothing stands still for more than 5 s, and the status tells it. The cluster, and all
between it and the captions, is real; the workers follow a script."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

import numpy as np
import pytest

from surtitle.pipeline.cluster.process import ClusterProcess
from surtitle.pipeline.config import LiveConfig, RecognizerConfig, TranslatorConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.events import Caption, Status
from surtitle.pipeline.live import AWAY, Session
from surtitle.pipeline.recognizers.pool import RecognizerPool
from surtitle.pipeline.recognizers.remote import RemoteRecognizer, StandIn
from surtitle.pipeline.translators.queue import TranslationQueue
from surtitle.pipeline.translators.remote import open_remote
from surtitle.pipeline.workers.connection import DEPLOYMENTS
from surtitle.pipeline.workers.deployments import Amount, Plan

from ..pipeline.scripted_recognizer import Ears, ScriptedRecognizer
from .cluster import START_S, Nodes, replicas, until
from .scripted_workers import SENTENCES, WORDS, connect

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("default")]

WORD_MS = 300
MOST_STALL_MS = 5000
LOOK_EVERY_S = 0.2
FIRST_FAULT_S, NEXT_FAULT_S = 15.0, 18.0
SETTLE_S = 15.0  # after a fault, in which what it costs is seen


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[ClusterProcess]:
    opened = ClusterProcess(partial(connect, nodes.address), "the cluster")
    two = Amount(2, 2)
    plan = Plan(two, TranslatorConfig("echo"), two, RecognizerConfig(), spreads=True)
    assert opened.submit(DEPLOYMENTS, "deploy", plan).result(START_S)
    yield opened
    opened.close()


def all_are_there(cluster: ClusterProcess, nodes: Nodes) -> bool:
    """Whether a worker of each kind runs on each machine."""
    states = cluster.submit(DEPLOYMENTS, "states").result(START_S)
    return [state.running for state in states.values()] == [2, 2] and all(
        len(nodes.on_other(service)) == 1 for service in states
    )


class Spoken:
    """A session that hears all the words in real time, and what is seen of it."""

    def __init__(self, cluster: ClusterProcess, stand_in: StandIn) -> None:
        self.captions: list[Caption] = []
        self.statuses: list[tuple[float, Status]] = []
        self.faults: dict[str, float] = {}
        traits, most = cluster.submit("recognizer", "traits").result(START_S)
        workers = [RemoteRecognizer(cluster, "recognizer", traits, stand_in) for _ in range(most)]
        self._pool = RecognizerPool(workers, make_vad=Ears(WORD_MS).make_vad)
        translator = cluster.submit("translator", "traits").result(START_S)
        self._queue = TranslationQueue(open_remote(cluster, translator))
        config = LiveConfig("en", ("es",), "stable")
        self._session = Session("main", config, self._pool, self._queue, self.captions.append)

    async def run(self) -> None:
        session = self._session
        running = asyncio.create_task(session.run())
        watching = asyncio.create_task(self._watch())
        await session.begun()
        clock = asyncio.get_running_loop().time
        begun_s = clock()
        for number in range(len(WORDS)):
            await asyncio.sleep(max(0.0, begun_s + number * WORD_MS / 1000 - clock()))
            session.push(np.zeros(16 * WORD_MS, np.float32))
        session.listener.end()
        await running
        watching.cancel()
        await self._queue.aclose()
        await self._pool.aclose()

    async def _watch(self) -> None:
        while True:
            self.statuses.append((time.monotonic(), self._session.status()))
            await asyncio.sleep(LOOK_EVERY_S)

    def finals(self, language: str) -> list[str]:
        return [each.text for each in self.captions if each.is_final and each.language == language]

    def lag_ms(self, since_s: float, until_s: float) -> int:
        """The longest one that the status told within a time."""
        lags = [each.lag_ms for at_s, each in self.statuses if since_s <= at_s <= until_s]
        return max(lags, default=0)


def nothing_here() -> ScriptedRecognizer:
    raise RecognizerError("nothing is to listen here")


def meanwhile(spoken: Spoken, break_things: Callable[[], Awaitable[None]]) -> None:
    """Speak while things break, and see what that costs."""

    async def both() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(break_soon())
            await spoken.run()

    async def break_soon() -> None:
        await asyncio.sleep(FIRST_FAULT_S)
        await break_things()

    asyncio.run(both())
    assert spoken.finals("en") == SENTENCES, "each is there once, in order"
    assert sorted(spoken.finals("es")) == [f"[es] {text}" for text in SENTENCES]
    usual_ms = spoken.lag_ms(0.0, min(spoken.faults.values()))
    for name, at_s in spoken.faults.items():
        lag_ms = spoken.lag_ms(at_s, at_s + SETTLE_S)
        print(f"{name}: the lag grows from {usual_ms} to {lag_ms} ms")
        assert lag_ms - usual_ms <= MOST_STALL_MS, name


def test_a_machine_falls_silent(cluster: ClusterProcess, nodes: Nodes) -> None:
    until(lambda: all_are_there(cluster, nodes), START_S)
    spoken = Spoken(cluster, StandIn(nothing_here))

    async def silence() -> None:
        spoken.faults["a machine falls silent"] = time.monotonic()
        await asyncio.to_thread(nodes.silence_other)

    try:
        meanwhile(spoken, silence)
    finally:
        nodes.replace_other()


def test_workers_are_killed_and_a_machine_goes(cluster: ClusterProcess, nodes: Nodes) -> None:
    until(lambda: all_are_there(cluster, nodes), START_S)
    spoken = Spoken(cluster, StandIn(nothing_here))

    async def kill() -> None:
        for service in ("translator", "recognizer"):
            spoken.faults[f"a {service} is killed"] = time.monotonic()
            os.kill(replicas(service)[0], signal.SIGKILL)
            await asyncio.sleep(NEXT_FAULT_S)

    async def lose_a_machine() -> None:
        spoken.faults["a machine goes"] = time.monotonic()
        await asyncio.to_thread(nodes.remove_other)

    meanwhile(spoken, kill)
    until(lambda: all_are_there(cluster, nodes), START_S)
    spoken = Spoken(cluster, StandIn(nothing_here))
    meanwhile(spoken, lose_a_machine)


def test_a_cluster_that_is_lost_leaves_the_captions_that_are_spoken(
    cluster: ClusterProcess, nodes: Nodes
) -> None:
    """The last test: nothing is left of the cluster."""
    spoken = Spoken(cluster, StandIn(lambda: ScriptedRecognizer(WORDS)))

    async def lose_it() -> None:
        await asyncio.sleep(FIRST_FAULT_S)
        await asyncio.to_thread(nodes.cluster.shutdown)

    async def speak() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(lose_it())
            await spoken.run()

    asyncio.run(speak())
    assert spoken.finals("en") == SENTENCES
    assert len(spoken.finals("es")) == len(SENTENCES), "untranslated, where it could not be"
    assert spoken.finals("es")[-1] == SENTENCES[-1]
    assert AWAY in {status.notice for _, status in spoken.statuses}
