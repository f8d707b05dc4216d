"""Recordings are handed out one to a worker, and again where a worker is lost, and whoever has
nothing to do helps; Ray is scripted."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from surtitle.pipeline.audio.container import AudioChoice
from surtitle.pipeline.cluster import ClusterError, Failure, WorkersLost
from surtitle.pipeline.config import BatchConfig, RecognizerConfig, TranslatorConfig
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.events import Word
from surtitle.pipeline.jobs.setup import Setup
from surtitle.pipeline.jobs.work import Outcome
from surtitle.pipeline.subtitles.outputs import Input
from surtitle.pipeline.workers import recordings
from surtitle.pipeline.workers.recordings import Recordings, absolute
from surtitle.pipeline.workers.subtitler import Done, Errand, Look

from ...patience import PATIENCE_S

SETUP = Setup(RecognizerConfig(), "en", False, TranslatorConfig("echo"), [], False)


@pytest.fixture
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "LOOK_EVERY_S", 0.01)


class RayActorError(Exception):
    pass


Work = Callable[[Errand], Any]


class ScriptedRay:
    """`work` is what each worker does with an errand, in the order in which workers are made."""

    exceptions = SimpleNamespace(RayActorError=RayActorError)

    def __init__(self, *work: Work, cores: float = 2.0) -> None:
        self._work = list(work)
        self._cores = cores
        self.look = Look(700)
        self.most_made = 99  # workers for which there are cores
        self.made = 0
        self.killed: list[Any] = []
        self.helped: asyncio.Queue[Any] = asyncio.Queue()  # the helpers, as they come
        self.dead: list[Any] = []

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": self._cores}

    available_resources = cluster_resources

    def remote(self, **options: float) -> Callable[[type], Any]:
        assert options == {"num_cpus": 1}
        return lambda cls: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=self._make))

    def kill(self, worker: Any) -> None:
        self.killed.append(worker)

    def _make(self, setup: Setup) -> Any:
        assert setup is SETUP
        self.made += 1
        work = self._work.pop(0)

        async def subtitle(errand: Errand) -> Any:
            await come()
            found = work(errand)
            await asyncio.sleep(0.05)
            if inspect.isawaitable(found):
                found = await asyncio.wait_for(found, PATIENCE_S)
            if isinstance(found, Exception):
                raise found
            return found

        there = self.made <= self.most_made

        async def come() -> None:
            if not there:
                await asyncio.sleep(PATIENCE_S)
                raise AssertionError("there is no core for it")

        async def look() -> Look:
            await come()
            if worker in self.dead:
                raise RayActorError("it has died")
            return self.look

        async def help(other: Any) -> None:
            self.helped.put_nowait(other)

        worker = SimpleNamespace(
            subtitle=SimpleNamespace(remote=subtitle),
            look=SimpleNamespace(remote=look),
            help=SimpleNamespace(remote=help),
        )
        return worker


def errand(name: str) -> Errand:
    given = Input(Path(name), BatchConfig("en"), Path(name))
    return Errand(given, AudioChoice(), False, False)


def done(errand: Errand) -> Done:
    return Done(Outcome(language=errand.given.path.stem), 1.0)


def run(ray: ScriptedRay, *names: str, told: list[int] | None = None) -> list[Any]:
    async def hand_out() -> list[Any]:
        service = Recordings(ray)
        await service.call("begin", (SETUP,), lambda value: None)
        tell = (told if told is not None else []).append
        calls = [service.call("subtitle", (errand(name),), tell) for name in names]
        found = await asyncio.gather(*calls, return_exceptions=True)
        await service.aclose()
        return found

    return asyncio.run(hand_out())


def test_there_are_as_many_workers_as_cores_and_each_does_one_after_the_other() -> None:
    ray = ScriptedRay(done, done, done)
    found = run(ray, "a.wav", "b.wav", "c.wav", "d.wav")
    assert [each.outcome.language for each in found] == ["a", "b", "c", "d"]
    assert ray.made == 2
    assert len(ray.killed) == 2, "they are ended at the end"


@pytest.mark.usefixtures("_looks_often")
def test_how_far_it_is_is_told() -> None:
    told: list[int] = []
    run(ScriptedRay(done), "a.wav", told=told)
    assert told and set(told) == {700}


def test_a_recording_whose_worker_is_lost_is_done_by_another() -> None:
    ray = ScriptedRay(lambda _: RayActorError("its machine has gone"), done)
    (found,) = run(ray, "a.wav")
    assert found.outcome.language == "a"
    assert ray.made == 2


def test_a_recording_that_costs_worker_after_worker_is_given_up() -> None:
    ray = ScriptedRay(*[lambda _: RayActorError("it has died")] * recordings.TRIES)
    (found,) = run(ray, "a.wav")
    assert isinstance(
        found, WorkersLost
    ) and f"a.wav: {recordings.TRIES} workers were lost over it" in str(found)


def test_a_recording_for_whose_worker_there_is_no_core_is_done_by_one_that_is_idle() -> None:
    ray = ScriptedRay(*[done] * 3, cores=3.0)
    ray.most_made = 1
    found = run(ray, "a.wav", "b.wav", "c.wav")
    assert [each.outcome.language for each in found] == ["a", "b", "c"]
    assert (ray.made, len(ray.killed)) == (3, 3)


def test_a_bad_recording_is_its_own_error_and_its_worker_does_the_next() -> None:
    def bad_a(errand: Errand) -> Any:
        if errand.given.path.stem == "a":
            return Failure(MediaError, "a.wav is no recording")
        return done(errand)

    ray = ScriptedRay(bad_a, cores=1.0)
    bad, good = run(ray, "a.wav", "b.wav")
    assert isinstance(bad, MediaError) and str(bad) == "a.wav is no recording"
    assert good.outcome.language == "b"
    assert ray.made == 1


@pytest.mark.usefixtures("_looks_often")
def test_a_core_without_a_recording_helps_with_a_long_one() -> None:
    async def until_helped(errand: Errand) -> Done:
        await ray.helped.get()
        return done(errand)

    ray = ScriptedRay(until_helped, done)
    ray.look = Look(700, wants_help=True)
    (found,) = run(ray, "a.wav")
    assert found.outcome.language == "a"
    assert ray.made == 2
    assert len(ray.killed) == 2, "the helper too"


@pytest.mark.usefixtures("_looks_often")
def test_nobody_helps_while_a_recording_waits() -> None:
    async def until_looked_at(errand: Errand) -> Done:
        await asyncio.sleep(20 * recordings.LOOK_EVERY_S)
        return done(errand)

    ray = ScriptedRay(until_looked_at, until_looked_at)
    ray.look = Look(700, wants_help=True)
    run(ray, "a.wav", "b.wav", "c.wav", "d.wav")
    assert ray.made == 2 and ray.helped.empty()


@pytest.mark.usefixtures("_looks_often")
def test_a_helper_that_has_died_is_followed_by_another() -> None:
    async def until_helped_twice(errand: Errand) -> Done:
        ray.dead.append(await ray.helped.get())
        await ray.helped.get()
        return done(errand)

    ray = ScriptedRay(until_helped_twice, done, done)
    ray.look = Look(700, wants_help=True)
    run(ray, "a.wav")
    assert ray.made == 3


@pytest.mark.usefixtures("_looks_often")
def test_what_was_heard_when_a_worker_is_lost_is_told_to_the_next() -> None:
    words = [Word("aye", 0, 500, 1.0)]

    async def lost(errand: Errand) -> Exception:
        await ray.helped.get()  # which is after the first look
        return RayActorError("its machine has gone")

    def knows(errand: Errand) -> Done:
        assert errand.known == {(1, 0): words}
        return done(errand)

    ray = ScriptedRay(lost, done, knows)
    ray.look = Look(700, {(1, 0): words}, wants_help=True)
    (found,) = run(ray, "a.wav")
    assert found.outcome.language == "a"


def test_a_cluster_without_cores_is_refused() -> None:
    async def begin() -> None:
        await Recordings(ScriptedRay(cores=0.0)).call("begin", (SETUP,), lambda value: None)

    with pytest.raises(ClusterError, match="has no cores for recordings"):
        asyncio.run(begin())


def test_paths_are_the_same_for_processes_in_other_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = absolute(Input(Path("a.wav"), BatchConfig("en", output_dir=Path("out")), Path("a.wav")))
    assert found.path == found.base == tmp_path / "a.wav"
    assert found.config.output_dir == tmp_path / "out"
