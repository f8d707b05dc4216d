"""How many words are misheard, and what hearing costs: recognizers on recordings with transcripts.

DATA holds manifest.jsonl, an object a line: "file", a recording below DATA, and "text", what is
said in it, in English. Each recognizer hears the clips

1. as a file and as live speech, through our own voice activity detection, segments and drafts,
2. by its library alone, than which it should not be worse,
3. as a file again, 20 dB quieter, and with noise 10 dB below them;

and at last sounds in which nobody speaks.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..audio.pcm import SAMPLE_RATE_HZ
from ..audio.recording import read_audio
from ..config import RecognizerConfig, SegmenterConfig, VadConfig
from ..errors import MediaError
from ..events import AudioChunk, Samples
from ..recognizers import Recognizer
from ..recognizers.choice import open_recognizer
from ..recognizers.vad import Vad
from ..text.segmenter import Segmenter
from . import alone
from .live_text import live_text
from .word_errors import Errors, all_errors, spelled_words
from .wordless import WORDLESS, quieter, with_noise

QUIETER_DB, SNR_DB = 20, 10

Hear = Callable[[Samples], str]


class Clip(NamedTuple):
    samples: Samples
    text: str


class Heard(NamedTuple):
    """The texts of some sounds, and what it took to hear them."""

    texts: list[str]
    wall_s: float
    cpu_s: float
    peak_bytes: int | None  # of the process, model included


def add_to(benches: Any) -> None:
    parser = benches.add_parser(
        "speech", help="how many words recognizers mishear, on recordings with transcripts"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--asr",
        default="moonshine,base",
        metavar="NAMES",
        help="moonshine, and models of Whisper by name or folder; default: moonshine,base",
    )
    parser.add_argument(
        "--wordless-minutes", type=float, default=10, help="of each sound; default: 10"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    clips = read_clips(arguments.data)
    seconds = sum(clip.samples.size for clip in clips) / SAMPLE_RATE_HZ
    words = all_errors([(clip.text, "") for clip in clips]).words
    print(f"{len(clips)} clips, {seconds:.0f} s, {words} words\n")
    print(
        "| recognizer | heard as | words wrong | WER | time / sound | CPU / sound | peak memory |"
    )
    print("|---|---|---|---|---|---|---|")
    names: list[str] = arguments.asr.split(",")
    for name in names:
        for way, hear_all, sounds in _ways(name, clips):
            heard = in_own_process(hear_all, sounds)
            texts = [clip.text for clip in clips]
            errors = all_errors([*zip(texts, heard.texts, strict=True)])
            print(_row(name, way, errors, heard, seconds), flush=True)
    minutes = arguments.wordless_minutes
    print(f"\nWords invented in {minutes:g} minutes each of " + ", ".join(WORDLESS))
    for name in names:
        sounds = [make(60 * minutes) for make in WORDLESS.values()]
        for way in ("file", "live"):
            heard = in_own_process(partial(hear_by_product, name, way == "live"), sounds)
            counts = [len(spelled_words(text)) for text in heard.texts]
            print(f"- {name}, {way}: {', '.join(map(str, counts))}", flush=True)
    return 0


def _ways(
    name: str, clips: Sequence[Clip]
) -> list[tuple[str, Callable[[list[Samples]], Heard], list[Samples]]]:
    """Each way to hear the clips: what it is called, what hears, and what it hears."""
    as_they_are = [clip.samples for clip in clips]
    as_file = partial(hear_by_product, name, False)
    return [
        ("a file", as_file, as_they_are),
        ("live speech", partial(hear_by_product, name, True), as_they_are),
        ("by its library alone", partial(hear_alone, name), as_they_are),
        (
            f"a file, {QUIETER_DB} dB quieter",
            as_file,
            [quieter(samples, QUIETER_DB) for samples in as_they_are],
        ),
        (
            f"a file, {SNR_DB} dB above noise",
            as_file,
            [with_noise(samples, SNR_DB, seed) for seed, samples in enumerate(as_they_are)],
        ),
    ]


def _row(name: str, way: str, errors: Errors, heard: Heard, seconds: float) -> str:
    memory = "" if heard.peak_bytes is None else f"{heard.peak_bytes / 1e6:.0f} MB"
    cells = [
        name,
        way,
        f"{errors.errors}",
        f"{errors.rate:.1%}",
        f"{heard.wall_s / seconds:.3f}",
        f"{heard.cpu_s / seconds:.3f}",
        memory,
    ]
    return f"| {' | '.join(cells)} |"


def read_clips(folder: Path) -> list[Clip]:
    """The recordings of a manifest and what is said in them. Raises MediaError."""
    path = folder / "manifest.jsonl"
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        named = [(folder / str(row["file"]), str(row["text"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MediaError(
            f'{path} must hold an object a line, with "file" and "text" ({error})'
        ) from error
    return [
        Clip(np.concatenate([chunk.samples for chunk in read_audio(file)]), text)
        for file, text in named
    ]


def in_own_process(hear_all: Callable[[list[Samples]], Heard], sounds: list[Samples]) -> Heard:
    """So that no recognizer has the memory of another."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        return process.submit(hear_all, sounds).result()


def hear_by_product(name: str, is_live: bool, sounds: list[Samples]) -> Heard:
    engine = "moonshine" if name == "moonshine" else "whisper"
    config = RecognizerConfig(engine, "auto" if name == "moonshine" else name)
    recognizer = open_recognizer(config, "en", lambda line: None, is_live=is_live)
    if is_live:
        return _timed(lambda samples: asyncio.run(live_text(recognizer, "en", samples)), sounds)
    return _timed(partial(segment_text, recognizer, recognizer.file_vad), sounds)


def hear_alone(name: str, sounds: list[Samples]) -> Heard:
    return _timed(alone.moonshine() if name == "moonshine" else alone.whisper(name), sounds)


def segment_text(recognizer: Recognizer, vad_config: VadConfig, samples: Samples) -> str:
    """What is in the segments of a source that is heard from its beginning to its end."""
    vad = Vad(vad_config)
    segmenter = Segmenter(SegmenterConfig(), "en", is_written=recognizer.is_written)
    segments = [
        segment
        for utterance in vad.push(AudioChunk(0, samples)) + vad.flush()
        for segment in segmenter.push(recognizer.recognize(utterance, "en"))
    ]
    return " ".join(segment.text for segment in [*segments, *segmenter.flush()])


def _timed(hear: Hear, sounds: list[Samples]) -> Heard:
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    texts = [hear(samples) for samples in sounds]
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    return Heard(texts, wall_s, cpu_s, _peak_bytes())


def _peak_bytes() -> int | None:
    """The most memory that this process has had; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
