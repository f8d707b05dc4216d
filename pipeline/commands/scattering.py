"""Many inputs at once in a Ray cluster, and how far each is, told in a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ..audio.container import probe_duration_ms
from ..cluster import Cluster
from ..errors import MediaError, SurtitleError
from ..jobs.setup import Setup
from ..jobs.work import Outcome
from ..subtitles.outputs import Input
from ..workers.access import cluster_address
from ..workers.connection import RECORDINGS, open_cluster
from ..workers.recordings import Cores, absolute
from ..workers.subtitler import Done, Errand
from .subtitling import Subtitling, clock


def scatter(address: str, inputs: Sequence[Input], setup: Setup, work: Subtitling) -> None:
    """Do all of them. Raises ClusterError for a cluster that cannot be used; what is wrong with one
    input is told, and the others go on."""
    work.say("Connecting to the cluster")
    cluster = open_cluster(cluster_address(address))
    try:
        asyncio.run(scattered(cluster, inputs, setup, work))
    finally:
        cluster.close()


async def scattered(
    cluster: Cluster, inputs: Sequence[Input], setup: Setup, work: Subtitling
) -> None:
    """Raises SurtitleError."""
    cores: Cores = await asyncio.wrap_future(cluster.submit(RECORDINGS, "begin", setup))
    work.say(f"{len(inputs)} files; {cores.free} of the cluster's {cores.all} cores are free")
    if not cores.free:
        work.say("nothing begins before one is: `surtitle workers` and other work has them all")
    with FilesTable(work.console, inputs) as table:
        async with asyncio.TaskGroup() as tasks:
            for each in inputs:
                tasks.create_task(_do(cluster, each, work, table))


async def _do(cluster: Cluster, each: Input, work: Subtitling, table: FilesTable) -> None:
    """Do one input, and tell what became of it."""
    loop = asyncio.get_running_loop()

    def tell(done_ms: int) -> None:  # in another thread
        loop.call_soon_threadsafe(table.go_on, each, done_ms)

    errand = Errand(absolute(each), work.audio, work.options.force, work.options.from_track)
    try:
        answer = cluster.submit(RECORDINGS, "subtitle", errand, tell=tell)
        done: Done = await asyncio.wrap_future(answer)
    except SurtitleError as error:
        work.fail(each.path, error)
        table.end(each, "failed")
        return
    for line in done.warnings:
        work.say(f"warning: {line}")
    work.finish(each, _as_given(done.outcome, each), done.warnings, done.took_s)
    table.end(each, "done")


def _as_given(outcome: Outcome, each: Input) -> Outcome:
    """With the names of files as they follow from what was typed."""
    names = {path.absolute(): path for path in each.files(outcome.language)}
    written = {names.get(path, path): found for path, found in outcome.written.items()}
    return replace(outcome, written=written, kept=[names.get(path, path) for path in outcome.kept])


class FilesTable:
    """A line for each file that is worked on, and one for all of them; nothing where the output is
    no terminal."""

    def __init__(
        self,
        console: Console,
        inputs: Sequence[Input],
        duration_ms: Callable[[Input], int | None] | None = None,
    ) -> None:
        self._duration_ms = duration_ms or duration_of
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[at]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._count = len(inputs)
        self._done = self._failed = 0
        self._all = self._bars.add_task("all files", total=self._count, at=self._summary(0))
        self._lines: dict[Path, TaskID] = {}

    def __enter__(self) -> FilesTable:
        self._bars.start()
        return self

    def __exit__(self, *whatever: object) -> None:
        self._bars.stop()

    def go_on(self, each: Input, done_ms: int) -> None:
        """So much of a file is heard, in ms; the first time tells that it has begun."""
        line = self._lines.get(each.path)
        if line is None:
            total = self._duration_ms(each)
            line = self._lines[each.path] = self._bars.add_task(
                escape(each.path.name), total=total, at=""
            )
            self._show_all()
        self._bars.update(line, completed=done_ms, at=clock(done_ms))

    def end(self, each: Input, how: str) -> None:
        """A file is "done" or "failed", which stands elsewhere; its line goes."""
        self._done += how == "done"
        self._failed += how == "failed"
        line = self._lines.pop(each.path, None)
        if line is not None:
            self._bars.remove_task(line)
        self._show_all()

    def _show_all(self) -> None:
        ended = self._done + self._failed
        self._bars.update(self._all, completed=ended, at=self._summary(len(self._lines)))

    def _summary(self, working: int) -> str:
        waiting = self._count - self._done - self._failed - working
        line = f"{self._done} done, {working} at work, {waiting} waiting"
        return f"{line}, {self._failed} failed" if self._failed else line


def duration_of(each: Input) -> int | None:
    """Of a recording, in ms, where its file tells it."""
    if each.is_document:
        return None
    try:
        return probe_duration_ms(each.path)
    except MediaError:  # which its worker tells
        return None
