"""Recordings, each subtitled on whichever machine of the cluster has room for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..cluster import ClusterError, Failure, Tell, WorkersLost
from ..events import Word
from ..jobs.setup import Setup
from ..subtitles.outputs import Input
from .sharing import Place
from .subtitler import Done, Errand, Look, Subtitler

TRIES = 5  # processes that a recording may cost: Ray starts some on a machine that is gone already
LOOK_EVERY_S = 1.0  # how far a recording is

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cores:
    """Of a cluster: each recording takes one. The others of `all` are taken by other work."""

    all: int
    free: int


class Recordings:
    """Hands recordings out to workers that are made as they are needed, in so many processes as the
    cluster has cores for; who has done one does the next. Cores for which there is no recording
    help with the long ones that are at work."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._setup: Setup | None = None
        self._idle: asyncio.Queue[Any] = asyncio.Queue()
        self._room: asyncio.Semaphore | None = None

    async def call(self, method: str, arguments: tuple[Any, ...], tell: Tell) -> Any:
        if method == "begin":
            return await self._begin(arguments[0])
        assert method == "subtitle", method
        return await self._subtitle(arguments[0], tell)

    async def aclose(self) -> None:
        while not self._idle.empty():
            self._ray.kill(self._idle.get_nowait())

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
        known: dict[Place, list[Word]] = {}
        async with self._room:
            for _ in range(TRIES):
                worker = await self._worker()
                try:
                    found = await self._watched(worker, replace(errand, known=known), known, tell)
                except self._ray.exceptions.RayActorError as error:
                    log.warning(
                        "%s: a worker was lost (%s)", errand.given.path, type(error).__name__
                    )
                    self._ray.kill(worker)  # which may have been cut off only
                    continue
                except BaseException:
                    self._ray.kill(worker)
                    raise
                self._idle.put_nowait(worker)
                if isinstance(found, Failure):
                    raise found.raised()
                return found
        raise WorkersLost(f"{errand.given.path}: {TRIES} workers were lost over it")

    async def _worker(self) -> Any:
        """A new one, or one that has become idle: whichever is there first, as other work may have
        taken the cores that the new one waits for."""
        if not self._idle.empty():
            return self._idle.get_nowait()
        made = self._make()
        there = asyncio.ensure_future(_awaited(made.look.remote()))
        idle = asyncio.create_task(self._idle.get())
        try:
            await asyncio.wait([there, idle], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._ray.kill(made)
            raise
        finally:
            there.cancel()
            idle.cancel()
        if idle.done() and not idle.cancelled():
            self._ray.kill(made)
            return idle.result()
        there.exception()  # whoever calls it is told as well
        return made

    def _make(self) -> Any:
        setup = self._setup
        assert setup is not None, "it has begun"
        worker = self._ray.remote(num_cpus=1)(Subtitler)
        return worker.options(scheduling_strategy="SPREAD").remote(setup)

    async def _watched(
        self, worker: Any, errand: Errand, known: dict[Place, list[Word]], tell: Tell
    ) -> Done | Failure:
        """Keeps in `known` what is heard, and lends helpers meanwhile."""
        working = asyncio.ensure_future(_awaited(worker.subtitle.remote(errand)))
        lent: list[asyncio.Task[None]] = []
        try:
            while not (await asyncio.wait([working], timeout=LOOK_EVERY_S))[0]:
                looking = asyncio.ensure_future(_awaited(worker.look.remote()))
                await asyncio.wait([working, looking], return_when=asyncio.FIRST_COMPLETED)
                if looking.done() and looking.exception() is None:
                    look: Look = looking.result()
                    known |= look.fresh
                    tell(look.done_ms)
                    if look.wants_help and self._has_room():
                        lent.append(asyncio.create_task(self._lend(worker)))
                looking.cancel()
            return working.result()
        finally:
            working.cancel()
            for task in lent:
                task.cancel()
            await asyncio.gather(*lent, return_exceptions=True)

    def _has_room(self) -> bool:
        return self._room is not None and not self._room.locked()

    async def _lend(self, worker: Any) -> None:
        """Let another worker help one, until this is cancelled, or that is lost."""
        assert self._room is not None, "it has begun"
        async with self._room:
            helper = await self._worker()
            try:
                await _awaited(worker.help.remote(helper))
                while True:
                    await asyncio.sleep(LOOK_EVERY_S)
                    await _awaited(helper.look.remote())
            finally:
                self._ray.kill(helper)


async def _awaited(reference: Any) -> Any:
    return await reference


def absolute(given: Input) -> Input:
    """The same input for processes whose current folder is another."""

    def whole(path: Path) -> Path:
        return Path(path).absolute()

    folder = given.config.output_dir
    config = replace(given.config, output_dir=None if folder is None else whole(folder))
    return replace(given, path=whole(given.path), base=whole(given.base), config=config)
