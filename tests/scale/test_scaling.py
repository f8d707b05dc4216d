"""As many workers run as there is work for, and as there is room for; the GPUs are pretended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from surtitle.pipeline.cluster.process import ClusterProcess
from surtitle.pipeline.config import RecognizerConfig, TranslatorConfig
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.workers.connection import DEPLOYMENTS
from surtitle.pipeline.workers.deployments import TEXTS_AT_ONCE, Amount, Plan, State

from .cluster import START_S, Nodes, replicas, two_nodes, until
from .scripted_workers import connect

pytestmark = [pytest.mark.scale, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def nodes(environment: None) -> Iterator[Nodes]:
    """With a GPU each, as far as Ray knows."""
    with two_nodes(num_cpus=4, num_gpus=1) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def cluster(nodes: Nodes) -> Iterator[ClusterProcess]:
    opened = ClusterProcess(partial(connect, nodes.address), "the cluster")
    yield opened
    opened.close()


def deploy(cluster: ClusterProcess, translators: Amount) -> None:
    plan = Plan(translators, TranslatorConfig("echo"), Amount(0, 0), RecognizerConfig())
    assert cluster.submit(DEPLOYMENTS, "deploy", plan).result(START_S) == ["translator"]


def counts(cluster: ClusterProcess) -> tuple[int, int]:
    """How many run, and how many start."""
    state: State = cluster.submit(DEPLOYMENTS, "states").result(START_S)["translator"]
    return state.running, state.starting


async def translate_until(cluster: ClusterProcess, is_enough: Callable[[], bool]) -> None:
    """Keep two workers busy, and ask for more."""
    request = TranslationRequest("Good morning", "en", "es")

    async def ask() -> None:
        while not waiting.done():
            answer = cluster.submit("translator", "translate", request)
            assert await asyncio.wrap_future(answer) == "[es] Good morning"

    waiting = asyncio.create_task(asyncio.to_thread(until, is_enough, START_S))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(2 * TEXTS_AT_ONCE):
            tasks.create_task(ask())
    await waiting


def test_workers_come_with_the_work_and_go_with_it(cluster: ClusterProcess) -> None:
    deploy(cluster, Amount(1, 3))
    until(lambda: counts(cluster) == (1, 0), START_S)
    (worker,) = replicas("translator")
    priorities = [os.getpriority(os.PRIO_PROCESS, process) for process in (worker, os.getpid())]
    assert priorities[0] == priorities[1], "it is no nicer than what runs beside it"
    asyncio.run(translate_until(cluster, lambda: counts(cluster)[0] == 3))
    until(lambda: counts(cluster) == (1, 0), START_S)


def test_workers_that_take_a_half_of_a_gpu_are_two_on_each(
    cluster: ClusterProcess, nodes: Nodes
) -> None:
    deploy(cluster, Amount(5, 5, gpus=0.5))
    until(lambda: counts(cluster) == (4, 1), START_S)  # there is no room for the fifth
    assert len(nodes.on_other("translator")) == 2


def test_workers_that_take_whole_gpus_are_one_on_each(
    cluster: ClusterProcess, nodes: Nodes
) -> None:
    deploy(cluster, Amount(2, 2, gpus=1))
    until(lambda: counts(cluster) == (2, 0) and len(nodes.on_other("translator")) == 1, START_S)
