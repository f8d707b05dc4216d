"""The stage between the two that train: what its teacher says, in one file per direction.

A line of such a file is one chunk of texts, so that an interrupted stage goes on behind the last
whole line. A last chunk "rest" says that the direction is done.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from ..engine.allocation import keep_freed_memory
from ..network.batches import Pair
from ..network.denoiser import Denoiser
from ..network.spelling import spoken
from ..network.tokenizer import Direction, TranslationTokenizer
from .corpus import Corpus, read_monolingual
from .display import Display
from .distillation import Unit, distill, units
from .loop import one_thread
from .settings import Settings

CHUNK_UNITS = 512
TAUGHT_SHARE = 0.7  # of the pairs of the joint stage: drafts learn most from one way of writing

_Distill = Callable[[Direction, Sequence[Unit]], list[Pair]]


def run_distill(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    corpus: Corpus,
    settings: Settings,
    display: Display,
) -> None:
    """Translate all directions, each for its part of the time and at least one chunk of it; what is
    not reached keeps people's translation."""
    budget_s = settings.budget_s("distill")
    used_s = sum(
        chunk["seconds"] for one in settings.directions for chunk in _chunks(settings, one)
    )
    left = [one for one in settings.directions if not _is_done(_chunks(settings, one))]
    if not left:
        display.say("distill: finished before")
        return
    with display.stage("distill", budget_s), _teachers(model, tokenizer, settings) as teach:
        for index, direction in enumerate(left):
            until_s = used_s + (budget_s - used_s) / (len(left) - index)
            waiting = _units(corpus, settings, direction)
            chunks = _chunks(settings, direction)
            path = _path(settings, direction)
            _rewrite(path, chunks)  # without a torn last line
            done = len(chunks) * CHUNK_UNITS
            while done < len(waiting) and (used_s < until_s or not done):
                started = time.monotonic()
                pairs = teach(direction, waiting[done : done + CHUNK_UNITS])
                seconds = time.monotonic() - started
                _append(path, "taught", seconds, pairs)
                done, used_s = done + CHUNK_UNITS, used_s + seconds
                share = min(1.0, done / max(1, len(waiting)))
                display.update(used_s, f"{'-'.join(direction)}: {share:.0%} translated")
            rest = [Pair(u.text, u.reference, direction) for u in waiting[done:] if u.reference]
            _append(path, "rest", 0.0, rest)
            display.update(
                used_s,
                f"{'-'.join(direction)}: {min(done, len(waiting))} of {len(waiting)} texts "
                f"translated; {len(rest)} keep people's translation",
                is_news=True,
            )


def read_distilled(settings: Settings) -> list[Pair]:
    """The pairs for the joint stage, the teacher's as often as to be at least TAUGHT_SHARE of them;
    none before this stage is done."""
    chunks = {direction: _chunks(settings, direction) for direction in settings.directions}
    if not all(map(_is_done, chunks.values())):
        return []
    found: dict[str, list[Pair]] = {"taught": [], "rest": []}
    for direction in settings.directions:
        for chunk in chunks[direction]:
            found[chunk["kind"]] += [Pair(s, t, direction, d) for s, t, d in chunk["pairs"]]
    taught, rest = found["taught"], found["rest"]
    times = round(len(rest) / len(taught) * TAUGHT_SHARE / (1 - TAUGHT_SHARE)) if taught else 0
    return taught * max(1, times) + rest


def _units(corpus: Corpus, settings: Settings, direction: Direction) -> list[Unit]:
    """The same ones in the same order every time."""
    pairs = [pair for pair in corpus.train if pair.direction == direction]
    held = {spoken(pair.source) for pair in corpus.dev}
    texts = read_monolingual(settings.data, direction[0]) if settings.data else []
    monolingual = [text for text in texts if spoken(text) not in held]
    return units(pairs, monolingual, random.Random("-".join(direction)))


@contextmanager
def _teachers(
    model: Denoiser, tokenizer: TranslationTokenizer, settings: Settings
) -> Generator[_Distill]:
    """Distills in this process, or shares the units out among several."""
    if settings.processes == 1:
        with one_thread():
            yield partial(_distill, model, tokenizer, settings.bf16)
        return
    teacher = (model, tokenizer, settings.bf16)
    with get_context("spawn").Pool(settings.processes, _begin, teacher) as pool:

        def shared(direction: Direction, units: Sequence[Unit]) -> list[Pair]:
            shares = [units[i :: settings.processes] for i in range(settings.processes)]
            found = pool.map(partial(_distill_share, direction), shares)
            return [pair for pairs in found for pair in pairs]

        yield shared


def _distill(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    bf16: bool,
    direction: Direction,
    units: Sequence[Unit],
) -> list[Pair]:
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return distill(model, tokenizer, direction, units)


_teacher: list[Any] = []  # of a child process: sent once, not with every chunk


def _begin(*teacher: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers to Ctrl-C
    torch.set_num_threads(1)
    keep_freed_memory()
    _teacher[:] = teacher


def _distill_share(direction: Direction, units: Sequence[Unit]) -> list[Pair]:
    model, tokenizer, bf16 = _teacher
    return _distill(model, tokenizer, bf16, direction, units)


def _path(settings: Settings, direction: Direction) -> Path:
    return settings.run / "distilled" / f"{'-'.join(direction)}.jsonl"


def _chunks(settings: Settings, direction: Direction) -> list[dict[str, Any]]:
    path = _path(settings, direction)
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")  # the last is empty, or torn
    return [json.loads(line) for line in lines]


def _is_done(chunks: Sequence[dict[str, Any]]) -> bool:
    return bool(chunks) and chunks[-1]["kind"] == "rest"


def _rewrite(path: Path, chunks: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    lines = (json.dumps(chunk, ensure_ascii=False) + "\n" for chunk in chunks)
    path.write_text("".join(lines), encoding="utf-8")


def _append(path: Path, kind: str, seconds: float, pairs: Sequence[Pair]) -> None:
    rows = [(pair.source, pair.target, pair.draft) for pair in pairs]
    chunk = {"kind": kind, "seconds": round(seconds, 1), "pairs": rows}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(chunk, ensure_ascii=False) + "\n")
