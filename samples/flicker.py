"""What warm starts and the flicker budget cost and save, on text that is fed word by word.

    python samples/flicker.py [--tsv FILE] [--limit N]

FILE has `source<TAB>reference` on each line (further columns are ignored; .xz is unpacked); without
it, the sentences of the samples are taken. Each sentence grows from three words to its end, as in a
live session, and every state of it is translated.
"""

from __future__ import annotations

import argparse
import lzma
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from sacrebleu.metrics.chrf import CHRF

from surtitle.model.installed import find_model
from surtitle.model.network.config import load_sampler_config
from surtitle.model.network.spelling import spoken
from surtitle.model.network.tokenizer import TranslationTokenizer
from surtitle.model.network.weights import load_model
from surtitle.model.translation import Request, Translations
from surtitle.model.verifier.loading import load_reader, load_verifier
from surtitle.pipeline.captions.budget import common_prefix, units
from surtitle.pipeline.captions.track import CaptionTrack
from surtitle.pipeline.config import CaptionMode
from surtitle.pipeline.events import SourceSegment, Word

HERE = Path(__file__).parent


@dataclass(slots=True)
class Line:
    """A sentence on its way: its captions, and what has been counted."""

    words: list[str]
    reference: str
    track: CaptionTrack
    shown: str = ""
    erased: int = 0
    updates: int = 0
    steps: int = 0
    behind: int = 0  # source words minus shown words, summed over the updates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tsv", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--checkpoint", default="embedded")
    arguments = parser.parse_args()
    pairs = _pairs(arguments.tsv, arguments.limit)
    translator = Translator(find_model(arguments.checkpoint))
    print(f"{len(pairs)} sentences")
    print("| mode | start | erasure | steps | ms | chrF of the final | words behind |")
    print("|---|---|---|---|---|---|---|")
    for mode in "free", "fresh", "stable":
        for start in "cold", "warm":
            lines = [Line(spoken(s).split(), r, _track(mode)) for s, r in pairs]
            seconds = translator.run(lines, is_warm=start == "warm")
            updates = sum(line.updates for line in lines)
            shown = [line.shown for line in lines]
            chrf = CHRF().corpus_score(shown, [[line.reference for line in lines]]).score
            erasure = sum(line.erased for line in lines) / sum(len(units(t, "es")) for t in shown)
            steps = sum(line.steps for line in lines) / updates
            behind = sum(line.behind for line in lines) / updates
            cells = [mode, start, f"{erasure:.3f}", f"{steps:.2f}"]
            cells += [f"{1000 * seconds / updates:.0f}", f"{chrf:.1f}", f"{behind:.2f}"]
            print("| " + " | ".join(cells) + " |", flush=True)


def _track(mode: str) -> CaptionTrack:
    name: CaptionMode = "stable" if mode == "stable" else "fresh"
    track = CaptionTrack("en", "es", name)
    if mode == "free":
        track._max_erasure = 1e9  # nothing is pinned, everything is shown
    return track


class Translator:
    def __init__(self, folder: Path) -> None:
        tokenizer, config = TranslationTokenizer.load(folder), load_sampler_config(folder)
        verifier = load_verifier(folder, torch.float32, "cpu")
        model = load_model(folder)
        reader = load_reader(folder, torch.float32, "cpu")
        self._translations = Translations(
            model, tokenizer, config, verifier=verifier, reader=reader
        )

    def run(self, lines: list[Line], *, is_warm: bool) -> float:
        """All lines word by word, in lockstep; the seconds of computing."""
        seconds = 0.0
        for count in range(3, max(len(line.words) for line in lines) + 1):
            growing = [line for line in lines if count <= len(line.words) or count == 3]
            segments = [_segment(line.words[:count], count, len(line.words)) for line in growing]
            requests = [line.track.request(s) for line, s in zip(growing, segments, strict=True)]
            asked = [
                Request(
                    r.text,
                    "en",
                    "es",
                    r.draft if is_warm else "",
                    r.pinned,
                )
                for r in requests
            ]
            started = time.monotonic()
            answers = self._translations.translate(asked)
            seconds += time.monotonic() - started
            for line, segment, answer in zip(growing, segments, answers, strict=True):
                caption = line.track.apply(segment, answer.text)
                line.steps += answer.steps
                line.updates += 1
                if caption is not None:
                    old, new = units(line.shown, "es"), units(caption.text, "es")
                    line.erased += len(old) - common_prefix(old, new)
                    line.shown = caption.text
                line.behind += len(segment.words) - len(line.shown.split())
        return seconds


def _segment(words: list[str], count: int, length: int) -> SourceSegment:
    heard = tuple(Word(word, 300 * n, 300 * n + 300, 1.0) for n, word in enumerate(words))
    return SourceSegment(0, count, heard, is_final=count >= length)


def _pairs(path: Path | None, limit: int) -> list[tuple[str, str]]:
    if path is None:
        pairs: list[tuple[str, str]] = []
        for name in "harbor", "soup":
            english, spanish = (
                (HERE / f"{name}.{language}.txt").read_text("utf-8").splitlines()
                for language in ("en", "es")
            )
            pairs += zip(english, spanish, strict=True)
        return pairs[:limit]
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(row[0], row[1]) for row in rows if len(row[0].split()) > 5][:limit]


if __name__ == "__main__":
    main()
