"""Pairs of texts as batches of token ids."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .tokenizer import Direction, TranslationTokenizer

MAX_TOKENS = 64  # of a prompt, and of an answer


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence, its translation, and the translation of an earlier, shorter part of it, from
    which a live caption goes on ("" if there is none)."""

    source: str
    target: str
    direction: Direction
    draft: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids; `draft` is what the canvas held before, the answer itself if nothing else."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    draft: tuple[int, ...]


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
