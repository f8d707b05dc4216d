"""One input after the other, and what becomes of each of them, told in a terminal."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ..audio.container import AudioChoice, probe_duration_ms
from ..errors import SurtitleError
from ..jobs.work import Outcome, Tools, Work
from ..subtitles.outputs import Input

COLUMNS = "length", "language", "files", "cues", "off guide", "took"


log = logging.getLogger(__name__)


class Subtitling:
    """Counts and tells what is done with each input: a bad one is one line, and the others go
    on."""

    def __init__(self, audio: AudioChoice, console: Console, options: argparse.Namespace) -> None:
        """Of the `options`: `force`, `from_track`, `report` and `strict`."""
        self.audio, self.console, self.options = audio, console, options
        self._table = Table(Column("file", overflow="fold"), *COLUMNS)
        self._done = self._skipped = self._failed = 0
        self._is_bad = False

    def say(self, line: str) -> None:
        say(self.console, line)

    def skip(self, path: Path, *, is_named: bool) -> None:
        """Nothing is left to do for an input; told where somebody named it."""
        self._skipped += 1
        if is_named:
            self.say(f"{path}: finished before; --force does it again")

    def fail(self, path: Path, error: SurtitleError) -> None:
        """There is nothing to be had from an input, or nothing can be written."""
        self._failed += 1
        self._is_bad = True
        self.say(f"failed: {error}")
        self._table.add_row(escape(path.name), "", "", "[red]failed[/red]", "", "", "")

    async def run(self, inputs: Sequence[Input], tools: Tools) -> None:
        """Do one after the other; the queue is closed at the end."""
        async with aclosing(tools.queue):
            for each in inputs:
                await self.do(each, tools)

    async def do(self, each: Input, tools: Tools) -> None:
        """Do one input, and tell what became of it."""
        started_s = time.monotonic()
        warnings: list[str] = []
        try:
            outcome = await self._work(each, tools, warnings)
        except SurtitleError as error:
            self.fail(each.path, error)
            return
        except Exception as error:  # a fault of ours: it costs this file, not those behind it
            log.debug("%s", each.path, exc_info=True)
            self.fail(each.path, SurtitleError(f"{each.path}: {type(error).__name__}: {error}"))
            return
        self.finish(each, outcome, warnings, time.monotonic() - started_s)

    def finish(self, each: Input, outcome: Outcome, warnings: Sequence[str], took_s: float) -> None:
        """An input is done; its warnings were told."""
        self._done += 1
        self._is_bad |= bool(outcome.missing or (self.options.strict and warnings))
        self._table.add_row(escape(each.path.name), *_cells(outcome), f"{took_s:.0f} s")
        self._tell_kept(each, outcome)
        for written, violations in outcome.written.items():
            self.say(f"wrote {written}")
            for violation in violations if self.options.report else ():
                self.say(f"  {violation}")

    def _tell_kept(self, each: Input, outcome: Outcome) -> None:
        for kept in outcome.kept:
            self.say(f"kept {kept}, which was there before; --force replaces it")
        tracks = each.tracks(outcome.language)
        if any(track.path in outcome.written for track in tracks):
            for track in tracks:
                # Corrected by hand, perhaps; what was written comes from listening again.
                if track.languages == (outcome.language,) and track.path in outcome.kept:
                    self.say(f"  `surtitle subtitle {track.path} --to ...` translates it as it is")

    def end(self) -> int:
        """Show the table and the summary; return the exit status."""
        if self._table.row_count:
            self.console.print(self._table)
        if self._done + self._skipped + self._failed > 1:
            self.say(f"{self._done} done, {self._skipped} finished before, {self._failed} failed")
        return 1 if self._is_bad else 0

    async def _work(self, each: Input, tools: Tools, warnings: list[str]) -> Outcome:
        """Raises SurtitleError; what was written until then is whole."""

        def warn(line: str) -> None:
            warnings.append(line)
            self.say(f"warning: {line}")

        is_heard = not each.is_document and not self.options.from_track
        total_ms = probe_duration_ms(each.path) if is_heard else None
        with _progress_bar(self.console) as bar:
            task = bar.add_task(escape(each.path.name), total=total_ms, at="")

            def progress(done_ms: int) -> None:
                work.outcome.duration_ms = done_ms
                bar.update(task, completed=done_ms, at=clock(done_ms))

            work = Work(
                each,
                tools,
                self.audio,
                self.options.force,
                self.options.from_track,
                progress,
                warn,
            )
            return await work.run()


def say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _cells(outcome: Outcome) -> list[str]:
    off_guide = sum(map(len, outcome.written.values()))
    counts = map(str, (len(outcome.written), outcome.cue_count, off_guide))
    return [clock(outcome.duration_ms), outcome.language, *counts]


def _progress_bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def clock(duration_ms: int) -> str:
    minutes, seconds = divmod(duration_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
