"""Endless batches of pairs, varied anew in each epoch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from ..network.batches import Example, Pair, batches, examples
from ..network.spelling import joint, spoken
from ..network.tokenizer import Direction, TranslationTokenizer
from .renaming import renamed

RENAMED_SHARE = 0.6  # of the pairs that get other names and numbers if they have any
JOINED_SHARE = 0.1  # of the pairs that get the next one behind them
SHARD_PAIRS = 50_000  # tokenized at a time, so that memory does not grow with the corpus


def endless(
    pairs: Sequence[Pair], tokenizer: TranslationTokenizer, tokens: int, seed: int
) -> Iterator[tuple[int, list[Example]]]:
    """Epoch after epoch of batches, all directions mixed; each with the epoch's number."""
    for epoch in count():
        rng = random.Random(seed + epoch)
        order = rng.sample(range(len(pairs)), len(pairs))
        for start in range(0, len(order), SHARD_PAIRS):
            shard = [pairs[i] for i in order[start : start + SHARD_PAIRS]]
            for batch in batches(examples(varied(shard, rng), tokenizer), tokens, rng):
                yield epoch, batch


def varied(pairs: Sequence[Pair], rng: random.Random) -> list[Pair]:
    """The pairs as live captions meet them: with all sorts of names and numbers, half of the
    sources as a recognizer delivers them, and some sentences in one breath with the next."""
    return [
        replace(pair, source=spoken(pair.source)) if rng.random() < 0.5 else pair
        for pair in _joined([_renamed(pair, rng) for pair in pairs], rng)
    ]


def _renamed(pair: Pair, rng: random.Random) -> Pair:
    return renamed(pair, rng) if rng.random() < RENAMED_SHARE else pair


def _joined(pairs: Sequence[Pair], rng: random.Random) -> Iterator[Pair]:
    waiting: dict[Direction, Pair] = {}  # for the next pair of their direction
    for pair in pairs:
        direction = pair.direction
        if pair.draft:
            yield pair
        elif direction in waiting:
            first = waiting.pop(direction)
            source = joint(direction[0]).join((first.source, pair.source))
            target = joint(direction[1]).join((first.target, pair.target))
            yield Pair(source, target, direction)
        elif rng.random() < JOINED_SHARE:
            waiting[direction] = pair
        else:
            yield pair
    yield from waiting.values()
