"""One recording after the other -> subtitle files, and what became of each of them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ..audio.container import AudioChoice, audio_tracks, others, probe_duration_ms
from ..config import BatchConfig
from ..errors import MediaError, SurtitleError
from ..recognizers import Recognizer
from ..recording import Transcript, transcribe
from ..subtitles.check import SubtitleRules, Violation, check
from ..subtitles.files import write_subtitles
from ..subtitles.outputs import track_cues, tracks
from ..text.written_form import written_form
from ..translators.queue import TranslationQueue

COLUMNS = "length", "language", "files", "cues", "off guide", "took"
ANY_LANGUAGE = "xx"  # where it is not known yet; as long as any other


@dataclass(slots=True)
class Outcome:
    """What became of a recording: its length, the files written, each with what breaks the style
    guide, those that were left as they are, and what was wrong with it."""

    duration_ms: int = 0
    language: str = ""
    cue_count: int = 0
    written: dict[Path, list[Violation]] = field(default_factory=dict[Path, list[Violation]])
    kept: list[Path] = field(default_factory=list[Path])
    warnings: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])  # target languages

    def cells(self) -> list[str]:
        off_guide = sum(map(len, self.written.values()))
        counts = map(str, (len(self.written), self.cue_count, off_guide))
        return [_clock(self.duration_ms), self.language, *counts]


def possible_files(path: Path, config: BatchConfig) -> list[Path]:
    """The files that a recording may get."""
    return [track.path for track in tracks(path, config, config.source or ANY_LANGUAGE)]


class Subtitling:
    """Counts and tells what is done with each file: a bad one is one line, and the others go on."""

    def __init__(
        self,
        config: BatchConfig,
        audio: AudioChoice,
        console: Console,
        options: argparse.Namespace,
    ) -> None:
        """Of the `options`: `force`, `report` and `strict`."""
        self._config, self._audio, self._console, self._options = config, audio, console, options
        self._table = Table(Column("recording", overflow="fold"), *COLUMNS)
        self._done = self._skipped = self._failed = 0
        self._is_bad = False

    def skip(self, path: Path) -> None:
        """Nothing is left to do for a recording."""
        self._skipped += 1
        say(self._console, f"{path}: finished before; --force does it again")

    def fail(self, path: Path, error: SurtitleError) -> None:
        """There is nothing to be had from a recording, or nothing can be written."""
        self._failed += 1
        self._is_bad = True
        say(self._console, f"failed: {error}")
        self._table.add_row(escape(path.name), "", "", "[red]failed[/red]", "", "", "")

    async def run(
        self, files: Sequence[Path], recognizer: Recognizer, queue: TranslationQueue
    ) -> None:
        """Do one after the other; the queue is closed at the end."""
        async with aclosing(queue):
            for path in files:
                started_s = time.monotonic()
                try:
                    outcome = await self._subtitle(path, recognizer, queue)
                except SurtitleError as error:
                    self.fail(path, error)
                else:
                    self._tell(path, outcome, time.monotonic() - started_s)

    def end(self) -> int:
        """Show the table and the summary; return the exit status."""
        if self._table.row_count:
            self._console.print(self._table)
        if self._done + self._skipped + self._failed > 1:
            counts = f"{self._done} done, {self._skipped} finished before, {self._failed} failed"
            say(self._console, counts)
        return 1 if self._is_bad else 0

    def _tell(self, path: Path, outcome: Outcome, took_s: float) -> None:
        self._done += 1
        self._is_bad |= bool(outcome.missing or (self._options.strict and outcome.warnings))
        self._table.add_row(escape(path.name), *outcome.cells(), f"{took_s:.0f} s")
        for kept in outcome.kept:
            say(self._console, f"kept {kept}, which was there before; --force replaces it")
        for written, violations in outcome.written.items():
            say(self._console, f"wrote {written}")
            for violation in violations if self._options.report else ():
                say(self._console, f"  {violation}")

    async def _subtitle(
        self, path: Path, recognizer: Recognizer, queue: TranslationQueue
    ) -> Outcome:
        """Write the subtitle files of a recording. Raises SurtitleError; then none was written."""
        outcome = Outcome()

        def warn(line: str) -> None:
            outcome.warnings.append(line)
            say(self._console, f"warning: {line}")

        with _progress_bar(self._console) as bar:
            task = bar.add_task(escape(path.name), total=probe_duration_ms(path), at="")

            def progress(done_ms: int) -> None:
                outcome.duration_ms = done_ms
                bar.update(task, completed=done_ms, at=_clock(done_ms))

            transcript = await transcribe(
                path, self._audio, self._config, recognizer, queue, progress, warn
            )
        if not transcript.segments:
            heard = f"nobody speaks in it, as far as {recognizer.name} can hear"
            raise MediaError(f"{path}: {heard}{others(audio_tracks(path), self._audio)}")
        if not recognizer.is_written:
            transcript.segments = written_form(transcript.segments, transcript.language)
        self._write(path, transcript, outcome)
        return outcome

    def _write(self, path: Path, transcript: Transcript, outcome: Outcome) -> None:
        """Write what is not there yet, and what breaks the style guide. Raises OutputError."""
        rules, language = SubtitleRules(), transcript.language
        outcome.language = language
        known = {language, *transcript.translations}
        outcome.missing = [target for target in self._config.targets if target not in known]
        for track in tracks(path, self._config, language):
            if not known.issuperset(track.languages):
                continue
            if track.path.exists() and not self._options.force:
                outcome.kept.append(track.path)
                continue
            cues = track_cues(track, language, transcript.segments, transcript.translations, rules)
            write_subtitles(cues, track.path, track.format)
            outcome.cue_count += len(cues)
            outcome.written[track.path] = check(cues, rules)


def say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _progress_bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _clock(duration_ms: int) -> str:
    minutes, seconds = divmod(duration_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
