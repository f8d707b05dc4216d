"""Recordings, each subtitled on whichever machine of the cluster has room for it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..audio.container import AudioChoice
from ..cluster import ClusterError, Failure, Tell, WorkersLost
from ..errors import MediaError, SurtitleError
from ..jobs.setup import Setup
from ..jobs.work import Outcome, Tools, Work
from ..subtitles.burn import find_ffmpeg
from ..subtitles.outputs import Input

TRIES = 3  # machines or processes that a recording may cost
LOOK_EVERY_S = 1.0  # how far a recording is

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cores:
    """Of a cluster: each recording takes one. The others of `all` are taken by other work."""

    all: int
    free: int


@dataclass(frozen=True, slots=True)
class Errand:
    """One recording, with absolute paths: see jobs.work.Work."""

    given: Input
    audio: AudioChoice
    force: bool
    from_track: bool


@dataclass(slots=True)
class Done:
    """What has become of one, in how much time, and what was warned on the way."""

    outcome: Outcome
    took_s: float
    warnings: list[str] = field(default_factory=list[str])


class Subtitler:
    """In a process of the cluster: does one recording at a time, with what it has loaded."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._tools: Tools | None = None
        self._done_ms = 0

    async def subtitle(self, errand: Errand) -> Done | Failure:
        """Write the files of a recording where all machines see them."""
        self._done_ms = 0
        began_s = time.monotonic()
        warnings: list[str] = []
        try:
            if not errand.given.path.exists():
                raise MediaError(
                    f"{errand.given.path} is not there on {socket.gethostname()}; recordings and "
                    "output must be in folders that all machines of the cluster see"
                )
            work = Work(
                errand.given,
                await self._loaded(),
                errand.audio,
                errand.force,
                errand.from_track,
                self._go_on,
                warnings.append,
            )
            outcome = await work.run()
        except SurtitleError as error:
            return Failure.of(error)
        except Exception as error:  # a fault of ours: it costs this recording
            log.exception("%s", errand.given.path)
            return Failure(SurtitleError, f"{errand.given.path}: {type(error).__name__}: {error}")
        outcome.duration_ms = outcome.duration_ms or self._done_ms
        return Done(outcome, time.monotonic() - began_s, warnings)

    async def done_ms(self) -> int:
        """How much of the recording is heard."""
        return self._done_ms

    def _go_on(self, done_ms: int) -> None:
        self._done_ms = done_ms

    async def _loaded(self) -> Tools:
        """Raises SurtitleError."""
        if self._tools is None:
            ffmpeg = await find_ffmpeg() if self._setup.burns else ""
            self._tools = await asyncio.to_thread(self._setup.tools, ffmpeg, log.info)
        return self._tools


class Recordings:
    """Hands recordings out to workers that are made as they are needed, in so many processes as the
    cluster has cores for; who has done one does the next."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._setup: Setup | None = None
        self._idle: list[Any] = []
        self._room: asyncio.Semaphore | None = None

    async def call(self, method: str, arguments: tuple[Any, ...], tell: Tell) -> Any:
        if method == "begin":
            return await self._begin(arguments[0])
        assert method == "subtitle", method
        return await self._subtitle(arguments[0], tell)

    async def aclose(self) -> None:
        for worker in self._idle:
            self._ray.kill(worker)
        self._idle.clear()

    async def _begin(self, setup: Setup) -> Cores:
        """Take what the workers are to load."""
        resources = await asyncio.to_thread(self._ray.cluster_resources)
        most = int(resources.get("CPU", 0))
        if not most:
            raise ClusterError("the cluster has no cores for recordings; add a machine that has")
        self._setup, self._room = setup, asyncio.Semaphore(most)
        free = await asyncio.to_thread(self._ray.available_resources)
        return Cores(most, int(free.get("CPU", 0)))

    async def _subtitle(self, errand: Errand, tell: Tell) -> Done:
        """Tells how much is heard, in ms. Raises SurtitleError."""
        assert self._room is not None, "it has begun"
        async with self._room:
            for _ in range(TRIES):
                worker = self._idle.pop() if self._idle else self._make()
                try:
                    found = await self._watched(worker, errand, tell)
                except self._ray.exceptions.RayActorError as error:
                    log.warning("%s: a worker was lost (%s)", errand.given.path, error)
                    continue
                except BaseException:
                    self._ray.kill(worker)
                    raise
                self._idle.append(worker)
                if isinstance(found, Failure):
                    raise found.raised()
                return found
        raise WorkersLost(f"{errand.given.path}: {TRIES} workers were lost over it")

    def _make(self) -> Any:
        setup = self._setup
        assert setup is not None, "it has begun"
        worker = self._ray.remote(num_cpus=1)(Subtitler)
        return worker.options(scheduling_strategy="SPREAD").remote(setup)

    async def _watched(self, worker: Any, errand: Errand, tell: Tell) -> Done | Failure:
        working = asyncio.ensure_future(_awaited(worker.subtitle.remote(errand)))
        try:
            while not (await asyncio.wait([working], timeout=LOOK_EVERY_S))[0]:
                looking = asyncio.ensure_future(_awaited(worker.done_ms.remote()))
                await asyncio.wait([working, looking], return_when=asyncio.FIRST_COMPLETED)
                if looking.done() and looking.exception() is None:
                    tell(looking.result())
                looking.cancel()
            return working.result()
        finally:
            working.cancel()


async def _awaited(reference: Any) -> Any:
    return await reference


def absolute(given: Input) -> Input:
    """The same input for processes whose current folder is another."""

    def whole(path: Path) -> Path:
        return Path(path).absolute()

    folder = given.config.output_dir
    config = replace(given.config, output_dir=None if folder is None else whole(folder))
    return replace(given, path=whole(given.path), base=whole(given.base), config=config)
