"""What warm starts and the flicker budget cost and save, on text that is fed word by word.

A file of sentences has `source<TAB>reference` on each line (further columns are ignored; .xz is
unpacked). Each sentence grows from three words to its end, as in a live session, and every state of
it is translated. Any translator will do.
"""

from __future__ import annotations

import argparse
import asyncio
import lzma
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..captions.budget import common_prefix, units
from ..captions.track import CaptionTrack
from ..config import TranslatorConfig
from ..errors import DraftWithheld
from ..events import SourceSegment, Word
from ..translators import TRANSLATORS, Translator, open_translator
from ..translators.queue import TranslationQueue

MIN_WORDS = 6  # of a sentence; shorter ones do not grow
FIRST_DRAFT_WORDS = 3
WORD_MS = 300

Mode = Literal["free", "fresh", "stable"]  # "free": everything is shown, and may be taken back


@dataclass(slots=True)
class Line:
    """A sentence on its way: its captions, and what has been counted."""

    words: list[str]
    language: str
    reference: str
    track: CaptionTrack
    shown: str = ""
    erased: int = 0
    updates: int = 0
    behind: int = 0  # source words minus shown words, summed over the updates

    def request_segment(self, count: int) -> SourceSegment:
        """The sentence when its first `count` words have been said."""
        heard = tuple(
            Word(word, WORD_MS * n, WORD_MS * (n + 1), 1.0)
            for n, word in enumerate(self.words[:count])
        )
        is_final = count >= len(self.words)
        return SourceSegment(0, count, heard, is_final, self.language)

    def show(self, segment: SourceSegment, translation: str) -> None:
        caption = self.track.apply(segment, translation)
        self.updates += 1
        if caption is not None:
            language = self.track.language
            old, new = units(self.shown, language), units(caption.text, language)
            self.erased += len(old) - common_prefix(old, new)
            self.shown = caption.text
        self.behind += len(segment.words) - len(self.shown.split())


def add_to(benches: Any) -> None:
    parser = benches.add_parser(
        "flicker", help="how much of the captions is taken back, for how much delay and quality"
    )
    parser.add_argument("file", type=Path, metavar="TSV", help="sentences and their translations")
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="default: en")
    parser.add_argument("--to", dest="target", default="es", metavar="LANG", help="default: es")
    parser.add_argument("--limit", type=int, default=200, help="sentences; default: 200")
    parser.add_argument("--translator", choices=TRANSLATORS, default="auto")
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="MODEL", help="as of other commands"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    direction = arguments.source, arguments.target
    pairs = list(read_pairs(arguments.file))[: arguments.limit]
    translator = open_translator(
        TranslatorConfig(arguments.translator, tuple(arguments.checkpoint)), [direction]
    )
    asyncio.run(_compare(translator, pairs, *direction))
    return 0


def read_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Sentences of MIN_WORDS or more, with their references."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for line in file:
            source, reference, *_ = [*line.rstrip("\n").split("\t"), ""]
            if len(source.split()) >= MIN_WORDS:
                yield source, reference


async def _compare(
    translator: Translator, pairs: list[tuple[str, str]], source: str, target: str
) -> None:
    from sacrebleu.metrics.chrf import CHRF

    queue = TranslationQueue(translator)
    print(f"{len(pairs)} sentences, {translator.name}")
    print("| mode | start | erasure | ms | chrF of the final | words behind |")
    print("|---|---|---|---|---|---|")
    for mode in ("free", "fresh", "stable"):
        for start in ("cold", "warm"):
            lines = [Line(s.split(), source, r, _track(mode, target)) for s, r in pairs]
            seconds = await _grow(lines, queue, is_warm=start == "warm")
            updates = sum(line.updates for line in lines)
            references = [line.reference for line in lines]
            chrf = CHRF().corpus_score([line.shown for line in lines], [references]).score
            length = sum(len(units(line.shown, target)) for line in lines)
            cells = [mode, start, f"{sum(line.erased for line in lines) / length:.3f}"]
            cells += [f"{1000 * seconds / updates:.0f}", f"{chrf:.1f}"]
            cells += [f"{sum(line.behind for line in lines) / updates:.2f}"]
            print("| " + " | ".join(cells) + " |", flush=True)
    await queue.aclose()


def _track(mode: Mode, target: str) -> CaptionTrack:
    max_erasure = 1e9 if mode == "free" else None
    return CaptionTrack(target, "stable" if mode == "stable" else "fresh", max_erasure=max_erasure)


async def _grow(lines: list[Line], queue: TranslationQueue, *, is_warm: bool) -> float:
    """All lines word by word, in lockstep; the seconds of translating."""
    seconds = 0.0
    for count in range(FIRST_DRAFT_WORDS, max(len(line.words) for line in lines) + 1):
        growing = [line for line in lines if count <= len(line.words)]
        segments = [line.request_segment(count) for line in growing]
        requests = [
            request if is_warm else replace(request, draft="")
            for line, segment in zip(growing, segments, strict=True)
            for request in [line.track.request(segment)]
        ]
        started_s = time.monotonic()
        answers = await queue.translate_all(requests, "flicker")
        seconds += time.monotonic() - started_s
        for line, segment, answer in zip(growing, segments, answers, strict=True):
            if isinstance(answer, DraftWithheld):
                continue  # what is shown stays
            if isinstance(answer, Exception):
                raise answer
            line.show(segment, answer)
    return seconds
