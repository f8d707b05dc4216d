"""`surtitle subtitle`: recordings and subtitle files in, subtitle files beside them."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from ..audio.container import AudioChoice
from ..config import SUBTITLE_FORMATS, BatchConfig, RecognizerConfig, TranslatorConfig
from ..errors import MediaError, SurtitleError
from ..jobs.arrivals import arrivals
from ..jobs.inputs import Wanted, all_files
from ..jobs.setup import Setup
from ..jobs.work import Tools
from ..subtitles.burn import find_ffmpeg
from ..subtitles.documents import is_subtitle_file
from ..subtitles.files import check_writable, make_folder
from ..subtitles.outputs import Input, clashes
from ..text.glossary import read_terms
from ..workers.access import cluster_address
from .options import (
    add_ray_option,
    add_recognizer_options,
    add_terms_option,
    add_translator_options,
    translator_config,
)
from .scattering import scatter
from .stopping import Stop, run_until_wanted
from .subtitling import Subtitling, say


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "subtitle",
        help="write subtitle files for recordings",
        description="Writes NAME.en.srt, NAME.es.srt and so on for each recording, and "
        "NAME.es.srt for a subtitle file NAME.en.srt.",
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="audio, video, subtitles (SRT, WebVTT, ASS, TTML), or a folder with them",
    )
    parser.add_argument(
        "--to", type=_list, default=(), metavar="LANGS", help="target languages: es or es,de"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="LANG",
        help="spoken: en (default) or auto; of subtitles what their names or tags say",
    )
    _add_input_options(parser)
    _add_output_options(parser)
    add_recognizer_options(parser)
    add_terms_option(parser)
    add_translator_options(parser)
    add_ray_option(
        parser,
        "work on many recordings at once, in a Ray cluster whose machines all see the folders; "
        "auto: the one that this computer is a part of",
    )
    parser.set_defaults(run=run)


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--track", type=int, metavar="N", help="the audio track to hear, from 1")
    parser.add_argument("--channel", type=int, metavar="N", help="the only channel to hear, from 1")
    parser.add_argument(
        "--speakers", action="store_true", help="tell who speaks, by their voices: 1:, 2:"
    )
    parser.add_argument(
        "--split-channels",
        action="store_true",
        help="tell who speaks where each has a channel; they are heard one by one",
    )
    parser.add_argument(
        "--from-track",
        action="store_true",
        help="take the subtitles that are in a video instead of listening",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 where a recording is damaged"
    )
    parser.add_argument(
        "--watch", action="store_true", help="go on with what comes into the folders, until Ctrl-C"
    )


def _add_output_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bilingual", action="store_true", help="also files with both languages in each cue"
    )
    parser.add_argument(
        "--format",
        dest="formats",
        type=_list,
        metavar="FORMATS",
        help=f"{', '.join(SUBTITLE_FORMATS)}; several by comma; default: srt, and for a subtitle "
        "file its own",
    )
    parser.add_argument("--output-dir", type=Path, metavar="DIR", help="default: beside the file")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument("--report", action="store_true", help="list what breaks the style guide")
    parser.add_argument(
        "--mux",
        action="store_true",
        help="also NAME.subtitled.mkv (or .mp4): the video with the subtitles as tracks",
    )
    parser.add_argument(
        "--burn",
        action="store_true",
        help="also NAME.es.burned.mkv (or .mp4): with the subtitles in its pictures",
    )


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def run(arguments: argparse.Namespace) -> int:
    console = Console(stderr=True)
    try:
        plan = _plan(arguments)
        audio = AudioChoice(None, arguments.track, arguments.channel)
        inputs = _inputs(arguments.files, plan)
        _check_use(arguments)
    except (ValueError, OSError) as error:
        say(console, f"surtitle subtitle: {error}")
        return 2
    work = Subtitling(audio, console, arguments)
    waiting = _waiting(inputs, work, arguments)
    if arguments.output_dir is not None and (waiting or arguments.watch):
        make_folder(arguments.output_dir)
    waiting = [each for each in waiting if _is_possible(each, work)]
    if arguments.ray is not None:
        if waiting:
            scatter(arguments.ray, waiting, _setup(arguments, plan, inputs, waiting), work)
    elif waiting or arguments.watch:
        tools = _tools(arguments, plan, inputs, waiting, console)
        if arguments.watch:
            _watch(arguments, plan, work, tools)
        else:
            asyncio.run(work.run(waiting, tools))
    return work.end()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the options say: `config` is the same for all inputs but for source and formats."""

    wanted: Wanted
    config: BatchConfig
    recognizer: RecognizerConfig
    translator: TranslatorConfig

    def input(self, path: Path) -> Input:
        return self.wanted.input(path, self.config)


def _plan(arguments: argparse.Namespace) -> _Plan:
    """Raises ValueError and OSError."""
    terms = read_terms(arguments.terms) if arguments.terms else ()
    wanted = Wanted(
        arguments.source,
        arguments.to,
        arguments.formats,
        arguments.from_track,
        arguments.mux,
        arguments.burn,
    )
    config = BatchConfig(
        source=None if arguments.source == "auto" else arguments.source,
        targets=arguments.to,
        formats=arguments.formats or ("srt",),
        bilingual=arguments.bilingual,
        output_dir=arguments.output_dir,
        terms=terms,
        speakers=arguments.speakers,
        split_channels=arguments.split_channels,
    )
    expected = tuple(term.source for term in terms)
    recognizer = RecognizerConfig(arguments.asr, arguments.asr_model, expected)
    translator = translator_config(arguments) if config.targets else TranslatorConfig("echo")
    return _Plan(wanted, config, recognizer, translator)


def _check_use(arguments: argparse.Namespace) -> None:
    """Raises ValueError for options that do not go together."""
    if arguments.split_channels and arguments.channel is not None:
        raise ValueError("--split-channels hears all channels; leave out --channel")
    documents = [path for path in arguments.files if is_subtitle_file(path)]
    if documents and not arguments.to:
        raise ValueError(f"{documents[0]} holds subtitles; say into which language with --to")
    if documents and (arguments.mux or arguments.burn):
        raise ValueError(f"--mux and --burn need a video, and {documents[0]} is none")
    if arguments.watch and not any(path.is_dir() for path in arguments.files):
        raise ValueError("--watch needs a folder")
    if arguments.ray is not None:
        cluster_address(arguments.ray)
        if arguments.watch:
            raise ValueError("--watch works on this computer; leave out --ray")


def _inputs(paths: Collection[Path], plan: _Plan) -> list[Input]:
    """Raises ValueError where two files that were named would write the same ones."""
    inputs = [plan.input(path) for path in all_files(paths, plan.wanted)]
    named = [each for each in inputs if each.path in paths]
    for path, other in clashes(named).items():
        raise ValueError(f"{other} and {path} would write the same files; rename one of them")
    return inputs


def _waiting(inputs: list[Input], work: Subtitling, arguments: argparse.Namespace) -> list[Input]:
    """The inputs that have not all their files yet. In folders, of two that would write the same
    ones the first."""
    same = clashes(inputs)
    waiting: list[Input] = []
    for each in inputs:
        if other := same.get(each.path):
            work.fail(each.path, MediaError(f"{each.path} would write the files of {other}"))
        elif not each.possible_files():
            work.fail(each.path, MediaError(f"{each.path} is in {each.config.source} already"))
        elif not arguments.force and each.is_finished():
            work.skip(each.path, is_named=each.path in arguments.files)
        else:
            waiting.append(each)
    return waiting


def _is_possible(each: Input, work: Subtitling) -> bool:
    """Whether its files can be written; told if not."""
    try:
        if not each.path.exists():
            raise MediaError(f"{each.path} does not exist; check the name")
        check_writable(each.possible_files())
    except SurtitleError as error:
        work.fail(each.path, error)
        return False
    return True


def _tools(
    arguments: argparse.Namespace,
    plan: _Plan,
    inputs: Collection[Input],
    waiting: Collection[Input],
    console: Console,
) -> Tools:
    """What the work needs, loaded. Raises SurtitleError."""
    setup = _setup(arguments, plan, inputs, waiting)
    ffmpeg = asyncio.run(find_ffmpeg()) if setup.burns else ""
    return setup.tools(ffmpeg, partial(say, console))


def _setup(
    arguments: argparse.Namespace,
    plan: _Plan,
    inputs: Collection[Input],
    waiting: Collection[Input],
) -> Setup:
    """What the work needs, to be loaded here or elsewhere."""
    listens = not arguments.from_track and (
        arguments.watch
        or any(
            not each.is_document and (arguments.force or not each.has_subtitles())
            for each in waiting
        )
    )
    sources = {each.config.source for each in inputs} or {plan.config.source or "en"}
    return Setup(
        plan.recognizer,
        None if arguments.source == "auto" else arguments.source or "en",
        listens,
        plan.translator,
        [(source, target) for source in sources for target in plan.config.targets],
        arguments.burn,
    )


def _watch(arguments: argparse.Namespace, plan: _Plan, work: Subtitling, tools: Tools) -> None:
    """Do what comes, until a signal."""

    async def watch() -> None:
        async for path in arrivals(lambda: all_files(arguments.files, plan.wanted)):
            each = plan.input(path)
            if not arguments.force and each.is_finished():
                continue
            if _is_possible(each, work):
                await work.do(each, tools)

    async def until_wanted() -> None:
        await run_until_wanted(stop, watch(), grace_s=0, say=work.say)
        await tools.queue.aclose()

    with Stop() as stop:
        folders = ", ".join(str(path) for path in arguments.files)
        work.say(f"watching {folders}; Ctrl-C ends it")
        asyncio.run(until_wanted())
