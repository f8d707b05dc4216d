"""`surtitle subtitle`: recordings in, subtitle files beside them."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from glob import escape, iglob
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..audio.container import probe_duration_ms
from ..config import SUBTITLE_FORMATS, BatchConfig, RecognizerConfig
from ..errors import MediaError, SurtitleError
from ..recognizers import Recognizer
from ..recognizers.choice import open_recognizer
from ..recording import Transcript, transcribe
from ..subtitles.check import SubtitleRules, Violation, check
from ..subtitles.files import write_subtitles
from ..subtitles.outputs import check_names, track_cues, tracks
from ..text.glossary import read_terms
from ..text.written_form import written_form
from ..translators import open_translator
from ..translators.queue import TranslationQueue
from .options import add_recognizer_options, add_terms_option, add_translator_options


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "subtitle",
        help="write subtitle files for recordings",
        description="Writes NAME.en.srt, NAME.es.srt and so on for each recording.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="audio or video")
    parser.add_argument(
        "--to", type=_list, default=(), metavar="LANGS", help="target languages: es or es,de"
    )
    parser.add_argument(
        "--from", dest="source", default="en", metavar="LANG", help="spoken: en (default) or auto"
    )
    parser.add_argument(
        "--bilingual", action="store_true", help="also files with both languages in each cue"
    )
    parser.add_argument(
        "--format",
        dest="formats",
        type=_list,
        default=("srt",),
        metavar="FORMATS",
        help=f"{', '.join(SUBTITLE_FORMATS)}; several by comma; default: srt",
    )
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="default: beside the file")
    parser.add_argument("--force", action="store_true", help="redo what is finished")
    parser.add_argument("--report", action="store_true", help="list what breaks the style guide")
    add_recognizer_options(parser)
    add_terms_option(parser)
    add_translator_options(parser)
    parser.set_defaults(run=run)


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def run(arguments: argparse.Namespace) -> int:
    console = Console(stderr=True)
    files: list[Path] = arguments.files
    try:
        config, recognizer_config = _configs(arguments)
        check_names(files, config.output_dir)
    except (ValueError, OSError) as error:
        _say(console, f"surtitle subtitle: {error}")
        return 2
    waiting = [path for path in files if arguments.force or not _is_finished(path, config)]
    for path in files:
        if path not in waiting:
            _say(console, f"{path}: finished before; --force does it again")
    if not waiting:
        return 0
    if config.output_dir is not None:
        config.output_dir.mkdir(parents=True, exist_ok=True)
    recognizer = open_recognizer(
        recognizer_config, config.source, partial(_say, console), is_live=False
    )
    translator = open_translator(
        arguments.translator if config.targets else "echo",
        arguments.checkpoint,
        [(config.source, target) for target in config.targets],
    )
    queue = TranslationQueue(translator)
    return asyncio.run(_run_all(waiting, config, recognizer, queue, console, arguments.report))


def _configs(arguments: argparse.Namespace) -> tuple[BatchConfig, RecognizerConfig]:
    terms = read_terms(arguments.terms) if arguments.terms else ()
    batch = BatchConfig(
        source=None if arguments.source == "auto" else arguments.source,
        targets=arguments.to,
        formats=arguments.formats,
        bilingual=arguments.bilingual,
        output_dir=arguments.output_dir,
        terms=terms,
    )
    expected = tuple(term.source for term in terms)
    return batch, RecognizerConfig(arguments.asr, arguments.asr_model, expected)


def _is_finished(path: Path, config: BatchConfig) -> bool:
    """Whether all files exist; where the language is not known, any one will do in its place."""
    any_language = "*"
    wanted = tracks(path, config, config.source or any_language)
    patterns = (escape(str(track.path)).replace(escape(any_language), "??") for track in wanted)
    return all(any(iglob(pattern)) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class _Report:
    """What became of a recording: its length, and the files written, each with what breaks the
    style guide."""

    duration_ms: int
    language: str
    cue_count: int
    violations: dict[Path, list[Violation]]


async def _run_all(
    files: Sequence[Path],
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    console: Console,
    show_violations: bool,
) -> int:
    """One recording after the other; a bad one is reported, and the others go on."""
    table = Table("recording", "length", "language", "files", "cues", "off guide", "took")
    failures = 0
    async with aclosing(queue):
        for path in files:
            started_s = time.monotonic()
            try:
                report = await _subtitle(path, config, recognizer, queue, console)
            except SurtitleError as error:
                _say(console, f"failed: {error}")
                table.add_row(path.name, "", "", "[red]failed[/red]", "", "", "")
                failures += 1
                continue
            table.add_row(path.name, *_cells(report), f"{time.monotonic() - started_s:.0f} s")
            for written, violations in report.violations.items():
                _say(console, f"wrote {written}")
                for violation in violations if show_violations else ():
                    _say(console, f"  {violation}")
    console.print(table)
    return 1 if failures else 0


def _cells(report: _Report) -> list[str]:
    return [
        _clock(report.duration_ms),
        report.language,
        str(len(report.violations)),
        str(report.cue_count),
        str(sum(map(len, report.violations.values()))),
    ]


async def _subtitle(
    path: Path,
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    console: Console,
) -> _Report:
    """Write the subtitle files of a recording. Raises SurtitleError; then no file was written."""
    expected_ms = probe_duration_ms(path)
    reached_ms = 0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(escape_markup(path.name), total=expected_ms, at="")

        def progress(done_ms: int) -> None:
            nonlocal reached_ms
            reached_ms = done_ms
            bar.update(task, completed=done_ms, at=_clock(done_ms))

        transcript = await transcribe(path, config, recognizer, queue, progress)
    if not transcript.segments:
        raise MediaError(f"{path}: nobody speaks in it, as far as {recognizer.name} can hear")
    if not recognizer.is_written:
        transcript.segments = written_form(transcript.segments, transcript.language)
    cue_count, violations = _write(path, config, transcript)
    return _Report(reached_ms, transcript.language, cue_count, violations)


def _write(
    path: Path, config: BatchConfig, transcript: Transcript
) -> tuple[int, dict[Path, list[Violation]]]:
    """The number of cues, and what breaks the style guide in each file. Raises OutputError."""
    rules, language = SubtitleRules(), transcript.language
    cue_count, violations = 0, dict[Path, list[Violation]]()
    for track in tracks(path, config, language):
        cues = track_cues(track, language, transcript.segments, transcript.translations, rules)
        write_subtitles(cues, track.path, track.format)
        cue_count += len(cues)
        violations[track.path] = check(cues, rules)
    return cue_count, violations


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _clock(duration_ms: int) -> str:
    minutes, seconds = divmod(duration_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
