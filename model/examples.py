"""Pairs as batches of token ids."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

import torch
from torch import Tensor

from .corpus import Pair
from .lexicon import read_lexicon
from .spelling import joint, spoken
from .tokenizer import Direction, TranslationTokenizer

MAX_TOKENS = 64  # of a prompt, and of an answer
RENAMED_SHARE = 0.6  # of the pairs that get other names, numbers, dates and times if they have any
JOINED_SHARE = 0.1  # of the pairs that get the next one behind them
SHARD_PAIRS = 50_000  # tokenized at a time, so that memory does not grow with the corpus


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids; `draft` is what the canvas held before, the answer itself if nothing else."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    draft: tuple[int, ...]


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
    lexicon = read_lexicon(pair.direction)
    if lexicon is None or rng.random() >= RENAMED_SHARE:
        return pair
    return lexicon.vary(pair, rng)


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


def examples(pairs: Sequence[Pair], tokenizer: TranslationTokenizer) -> list[Example]:
    """Tokenized pairs; those are left out that have more than MAX_TOKENS."""
    found: list[Example] = []
    for pair in pairs:
        prompt = tuple(tokenizer.prompt(pair.source, *pair.direction))
        answer = tuple(tokenizer.answer(pair.target))
        draft = tuple(tokenizer.answer(pair.draft)) if pair.draft else answer
        if max(len(prompt), len(answer), len(draft)) <= MAX_TOKENS:
            found.append(Example(prompt, answer, draft))
    return found


def batches(data: Sequence[Example], tokens: int, rng: random.Random) -> Iterator[list[Example]]:
    """Batches of about `tokens` tokens, each of similar lengths, in random order."""
    keyed = [(len(e.prompt) + len(e.answer) + rng.random() * 2, e) for e in data]
    keyed.sort(key=lambda item: item[0])
    groups: list[list[Example]] = []
    for _, example in keyed:
        size = len(example.prompt) + len(example.answer)
        if not groups or size * (len(groups[-1]) + 1) > tokens:
            groups.append([])
        groups[-1].append(example)
    rng.shuffle(groups)
    yield from groups


def pad(rows: Sequence[Sequence[int]], value: int, length: int | None = None) -> Tensor:
    """Rows of ids as one tensor [B, length] int64, right-padded with `value`."""
    length = length or max(map(len, rows))
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])
