"""`surtitle subtitle`: recordings in, subtitle files beside them."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ..audio.container import AudioChoice
from ..config import SUBTITLE_FORMATS, BatchConfig, RecognizerConfig, TranslatorConfig
from ..errors import MediaError, OutputError
from ..recognizers.choice import open_recognizer
from ..subtitles.files import check_writable, make_folder
from ..subtitles.outputs import clashes, is_finished
from ..text.glossary import read_terms
from ..translators import open_translator
from ..translators.queue import TranslationQueue
from .options import (
    add_recognizer_options,
    add_terms_option,
    add_translator_options,
    translator_config,
)
from .subtitling import Subtitling, possible_files, say


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
    parser.add_argument("--track", type=int, metavar="N", help="the audio track to hear, from 1")
    parser.add_argument("--channel", type=int, metavar="N", help="the only channel to hear, from 1")
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
    parser.add_argument(
        "--force", action="store_true", help="replace subtitle files that are there"
    )
    parser.add_argument("--report", action="store_true", help="list what breaks the style guide")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where a recording is damaged"
    )
    add_recognizer_options(parser)
    add_terms_option(parser)
    add_translator_options(parser)
    parser.set_defaults(run=run)


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def run(arguments: argparse.Namespace) -> int:
    console = Console(stderr=True)
    files = list(dict.fromkeys(arguments.files))
    try:
        config, recognizer_config, translator_choice = _configs(arguments)
        audio = AudioChoice(config.source, arguments.track, arguments.channel)
        for path, other in clashes(files, config.output_dir).items():
            raise ValueError(f"{other} and {path} would write the same files; rename one of them")
    except (ValueError, OSError) as error:
        say(console, f"surtitle subtitle: {error}")
        return 2
    work = Subtitling(config, audio, console, arguments)
    waiting = _waiting(files, config, work, force=arguments.force)
    if waiting:
        recognizer = open_recognizer(
            recognizer_config, config.source, partial(say, console), is_live=False
        )
        translator = open_translator(
            translator_choice,
            [(config.source, target) for target in config.targets],
        )
        asyncio.run(work.run(waiting, recognizer, TranslationQueue(translator)))
    return work.end()


def _waiting(
    files: list[Path], config: BatchConfig, work: Subtitling, *, force: bool
) -> list[Path]:
    """The recordings that have not all their files yet, and can have them."""
    waiting = [path for path in files if force or not is_finished(path, config)]
    for path in files:
        if path not in waiting:
            work.skip(path)
    if waiting and config.output_dir is not None:
        make_folder(config.output_dir)
    writable: list[Path] = []
    for path in waiting:
        try:
            if not path.exists():
                raise MediaError(f"{path} does not exist; check the name")
            check_writable(possible_files(path, config))
        except (MediaError, OutputError) as error:
            work.fail(path, error)
        else:
            writable.append(path)
    return writable


def _configs(
    arguments: argparse.Namespace,
) -> tuple[BatchConfig, RecognizerConfig, TranslatorConfig]:
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
    translator = translator_config(arguments) if batch.targets else TranslatorConfig("echo")
    return batch, RecognizerConfig(arguments.asr, arguments.asr_model, expected), translator
