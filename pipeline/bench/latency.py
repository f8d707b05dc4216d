"""How far captions are behind speech: recordings played in real time to a running server.

For every word spoken: from its end to the moment at which its share of the caption is shown, and to
the final caption. The share: of a segment of n words whose final text has m units, the k-th word is
shown when k * m / n units are. When the words were spoken is told by the recognizer for files: by
Whisper, whose word times are measured, where its weights are on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..audio.pcm import to_ms
from ..captions.budget import common_prefix, units
from ..client.connection import Message, Server, parse_caption
from ..client.publishing import publish
from ..client.real_time import LOCAL, start_message
from ..config import CAPTION_MODES, LiveConfig
from ..events import Word
from .beside import delays, hear_beside, on_screen
from .playing import Playing, Shown
from .speaking import hear_recordings, one_after_the_other

CELLS = 8
DRIFT_MS = 300_000  # the delays of the first and of the last so many are compared


def add_to(benches: Any) -> None:
    parser = benches.add_parser(
        "latency", help="how far captions of a running server are behind speech"
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings")
    parser.add_argument("--url", default=LOCAL, help=f"default: {LOCAL}")
    parser.add_argument("--from", dest="source", default="en", metavar="LANG", help="default: en")
    parser.add_argument("--to", default="es", metavar="LANGS", help="default: es")
    parser.add_argument("--minutes", type=float, default=2.5, help="default: 2.5")
    parser.add_argument("--mode", choices=CAPTION_MODES, default="fresh")
    parser.add_argument("--room", default="latency", help="another for each speaker at once")
    parser.add_argument("--save", type=Path, help="JSON lines of all captions, with their times")
    parser.add_argument(
        "--beside",
        metavar="URL",
        help="a WhisperLiveKit server that then hears the same: ws://localhost:8000/asr",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    targets = tuple(language for language in arguments.to.split(",") if language)
    config = LiveConfig(arguments.source, targets, arguments.mode)
    speech = hear_recordings(arguments.files, config.source, print)
    audio, words = one_after_the_other(speech, 60 * arguments.minutes)
    start = start_message(arguments.room, config)
    shown, lags = asyncio.run(_play(Server(arguments.url), start, Playing(audio)))
    if arguments.save:
        lines = [json.dumps([round(s.at_ms), s.caption.language, s.caption.text]) for s in shown]
        arguments.save.write_text("\n".join(lines) + "\n", encoding="utf-8")
    minutes = to_ms(audio.size) / 60_000
    print(f"{minutes:.1f} minutes, {len(words)} words, mode {config.mode}")
    print("| captions | first p50 | p95 | p99 | final p50 | p95 | p99 | erasure | drift of first |")
    print("|---|---|---|---|---|---|---|---|---|")
    for language in (config.source, *targets):
        print("| " + " | ".join([language, *row(language, shown, words)]) + " |")
    print(f"status lag_ms: median {np.median(lags):.0f}, most {max(lags)}")
    if arguments.beside:
        theirs = asyncio.run(hear_beside(arguments.beside, Playing(audio)))
        print("| by shares of the whole session | first p50 | p95 | p99 | final p50 | p95 | p99 |")
        print("|---|---|---|---|---|---|---|")
        for name, screens in (("surtitle", on_screen(config.source, shown)), ("peer", theirs)):
            cells = _seconds(*delays(screens, words, config.source))
            print("| " + " | ".join([name, *cells]) + " |")
        print(f"peer: the last text after {theirs[-1].at_ms / 1000:.1f} s: {theirs[-1].text}")
    return 0


async def _play(server: Server, start: Message, playing: Playing) -> tuple[list[Shown], list[int]]:
    """The captions of a session that hears the audio, and the lag that each status told."""
    shown: list[Shown] = []
    lags: list[int] = []

    def hear(message: Message) -> None:
        if message["type"] == "caption":
            shown.append(Shown(playing.at_ms, parse_caption(message)))
        elif message["type"] == "status":
            lags.append(message["lag_ms"])

    await publish(server, start, playing.pieces(), hear, print)
    return shown, lags


@dataclass(slots=True)
class Delays:
    """Of the words that are in captions of a language, in ms: `first` with when each was said."""

    first: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])
    final: list[float] = field(default_factory=list[float])
    erased_units: int = 0
    final_units: int = 0
    open_segments: int = 0  # without a final caption


def delays_of(language: str, shown: Sequence[Shown], words: Sequence[Word]) -> Delays:
    """What was shown in a language, beside what was said."""
    by_segment: dict[int, list[Shown]] = {}
    for one in shown:
        if one.caption.language == language:
            by_segment.setdefault(one.caption.segment_id, []).append(one)
    found = Delays()
    for captions in by_segment.values():
        last = captions[-1].caption
        goal = len(units(last.text, language))
        inside = [w for w in words if last.start_ms - 20 <= w.start_ms < last.end_ms]
        for k, word in enumerate(inside, start=1):
            needed = math.ceil(k * goal / len(inside))
            at_ms = next(
                s.at_ms for s in captions if len(units(s.caption.text, language)) >= needed
            )
            found.first.append((word.end_ms, at_ms - word.end_ms))
            found.final.append(captions[-1].at_ms - word.end_ms)
        texts = [units(s.caption.text, language) for s in captions]
        for old, new in zip(texts, texts[1:], strict=False):
            found.erased_units += len(old) - common_prefix(old, new)
        found.final_units += goal
        found.open_segments += not last.is_final
    return found


def row(language: str, shown: Sequence[Shown], words: Sequence[Word]) -> list[str]:
    """The cells of a language: delays (first, final), erasure, drift."""
    found = delays_of(language, shown, words)
    first = found.first
    if not first:
        return ["-"] * CELLS
    cells = _seconds([lag for _, lag in first], found.final)
    end_ms = max(said for said, _ in first)
    opening = [lag for said, lag in first if said < DRIFT_MS]
    closing = [lag for said, lag in first if said > end_ms - DRIFT_MS]
    drift_ms = float(np.median(closing) - np.median(opening))
    erasure = found.erased_units / found.final_units
    return [*cells, f"{erasure:.3f}", f"{drift_ms / 1000:+.2f} s"]


def _seconds(first: Sequence[float], final: Sequence[float]) -> list[str]:
    """Cells: how long 50, 95 and 99 % of the words took."""
    return [f"{np.percentile(of, q) / 1000:.2f} s" for of in (first, final) for q in (50, 95, 99)]
