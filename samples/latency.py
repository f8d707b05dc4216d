"""How far captions are behind speech: recordings played in real time to a running server.

    surtitle serve &
    python samples/latency.py --minutes 30

For every spoken word (as the recognizer for files hears it): from its end to the moment
at which its share of the caption is shown, and to the final caption. The share: of a segment of n
words whose final text has m units, the k-th word is shown when k * m / n units are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.captions.budget import common_prefix, units
from surtitle.pipeline.client.connection import Message, Server, parse_caption, publish
from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.events import Caption, Samples, Word
from surtitle.pipeline.recognizers.choice import open_recognizer
from surtitle.pipeline.recognizers.vad import Vad

HERE = Path(__file__).parent
PIECE_MS = 100


@dataclass(slots=True)
class Shown:
    """A caption, and how long after the start of the audio it arrived."""

    at_ms: float
    caption: Caption


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8765")
    parser.add_argument("--minutes", type=float, default=2.5)
    parser.add_argument("--mode", default="fresh")
    parser.add_argument("--room", default="latency", help="another for each speaker at once")
    parser.add_argument("--save", type=Path, help="JSON lines of all captions, with their times")
    arguments = parser.parse_args()
    files = arguments.files or [HERE / "harbor.flac", HERE / "soup.mp4"]
    audio, words = _program(files, arguments.minutes)
    shown, lags = asyncio.run(_play(Server(arguments.url), audio, arguments.mode, arguments.room))
    if arguments.save:
        lines = [json.dumps([round(s.at_ms), s.caption.language, s.caption.text]) for s in shown]
        arguments.save.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        f"{audio.size / SAMPLE_RATE_HZ / 60:.1f} minutes, {len(words)} words, mode {arguments.mode}"
    )
    print("| captions | first p50 | p95 | p99 | final p50 | p95 | p99 | erasure | drift of first |")
    print("|---|---|---|---|---|---|---|---|---|")
    for language in "en", "es":
        print("| " + " | ".join([language, *_row(language, shown, words)]) + " |")
    print(f"status lag_ms: median {np.median(lags):.0f}, most {max(lags)}")


def _program(files: Sequence[Path], minutes: float) -> tuple[Samples, list[Word]]:
    """The recordings one after the other, again and again, and the words in them."""
    recognizer = open_recognizer(RecognizerConfig(), "en", print, is_live=False)
    parts: list[tuple[Samples, list[Word]]] = []
    for path in files:
        vad = Vad(recognizer.file_vad)
        chunks = list(read_audio(path))
        utterances = [u for chunk in chunks for u in vad.push(chunk)] + vad.flush()
        heard = [word for u in utterances for word in recognizer.recognize(u, "en")]
        parts.append((np.concatenate([chunk.samples for chunk in chunks]), heard))
    audio: list[Samples] = []
    words: list[Word] = []
    length_ms = 0
    for samples, heard in cycle(parts):
        if length_ms >= minutes * 60_000:
            break
        words += [
            Word(w.text, w.start_ms + length_ms, w.end_ms + length_ms, w.confidence) for w in heard
        ]
        audio.append(samples)
        length_ms += samples.size // 16
    return np.concatenate(audio), words


async def _play(
    server: Server, audio: Samples, mode: str, room: str
) -> tuple[list[Shown], list[int]]:
    shown: list[Shown] = []
    lags: list[int] = []
    started_s = 0.0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal started_s
        started_s = time.monotonic()
        size = SAMPLE_RATE_HZ * PIECE_MS // 1000
        for at in range(0, audio.size, size):
            due_s = started_s + (at + size) / SAMPLE_RATE_HZ
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            yield to_s16(audio[at : at + size]).tobytes()

    def hear(message: Message) -> None:
        if message["type"] == "caption":
            at_ms = 1000 * (time.monotonic() - started_s)
            shown.append(Shown(at_ms, parse_caption(message)))
        elif message["type"] == "status":
            lags.append(message["lag_ms"])

    start: Message = {
        "room": room,
        "source": "en",
        "targets": ["es"],
        "mode": mode,
        "sample_rate_hz": SAMPLE_RATE_HZ,
        "codec": "pcm_s16le",
    }
    await publish(server, start, pieces(), hear, print)
    return shown, lags


def _row(language: str, shown: Sequence[Shown], words: Sequence[Word]) -> list[str]:
    by_segment: dict[int, list[Shown]] = {}
    for one in shown:
        if one.caption.language == language:
            by_segment.setdefault(one.caption.segment_id, []).append(one)
    first: list[tuple[int, float]] = []  # (when it was said, how long it took)
    final: list[float] = []
    erased = total = 0
    for captions in by_segment.values():
        last = captions[-1].caption
        goal = len(units(last.text, language))
        inside = [w for w in words if last.start_ms - 20 <= w.start_ms < last.end_ms]
        for k, word in enumerate(inside, start=1):
            needed = math.ceil(k * goal / len(inside))
            at_ms = next(
                s.at_ms for s in captions if len(units(s.caption.text, language)) >= needed
            )
            first.append((word.end_ms, at_ms - word.end_ms))
            final.append(captions[-1].at_ms - word.end_ms)
        texts = [units(s.caption.text, language) for s in captions]
        for old, new in zip(texts, texts[1:], strict=False):
            erased += len(old) - common_prefix(old, new)
        total += goal
    lags = [lag for _, lag in first]
    cells = [f"{np.percentile(of, q) / 1000:.2f} s" for of in (lags, final) for q in (50, 95, 99)]
    end_ms = max(said for said, _ in first)
    opening = [lag for said, lag in first if said < 300_000]
    closing = [lag for said, lag in first if said > end_ms - 300_000]
    drift_ms = float(np.median(closing) - np.median(opening))
    return [*cells, f"{erased / total:.3f}", f"{drift_ms / 1000:+.2f} s"]


if __name__ == "__main__":
    main()
