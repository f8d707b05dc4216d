"""Answers by the network's plain passes: greedily, by one draft, by rounds of draft and verify.

The engine does the same with keys that stay (docs/engine.md); here each round encodes a row anew,
which is simple, and quick enough for a few hundred rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..engine.canvas import canvas_tokens
from ..network.batches import MAX_TOKENS, pad
from ..network.denoiser import Denoiser
from ..network.kv_cache import KVCache

CHUNK_ROWS = 64
Merge = Callable[[Sequence[int]], list[int]]  # equal neighbours, which parallel drafts stutter


class Written(NamedTuple):
    """Tokens with the end mark, or cut at MAX_TOKENS, and their mean log-probability."""

    tokens: list[int]
    confidence: float

    @property
    def is_whole(self) -> bool:
        return len(self.tokens) < MAX_TOKENS


@dataclass(slots=True)
class Verified:
    """An answer's tokens with the end mark, and how many rounds committed them."""

    prompt: Sequence[int]
    tokens: list[int] = field(default_factory=list[int])
    rounds: int = 0
    tail: list[int] = field(default_factory=list[int])  # of the last draft, behind the commits

    @property
    def row(self) -> list[int]:
        return [*self.prompt, *self.tokens]


@torch.no_grad()
def draft_once(
    model: Denoiser, prompts: Sequence[Sequence[int]], merge: Merge, seed: int = 0
) -> list[list[int]]:
    """Answers of one denoising pass over a whole canvas each, without their end marks."""
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), CHUNK_ROWS):
        part = order[start : start + CHUNK_ROWS]
        rows, size = [Verified(prompts[i]) for i in part], canvas_tokens(len(prompts[part[-1]]))
        found.update(zip(part, _drafts(model, rows, size, merge, generator), strict=True))
    return [found[i] for i in range(len(prompts))]


@torch.no_grad()
def draft_and_verify(
    model: Denoiser,
    prompts: Sequence[Sequence[int]],
    size: int,
    merge: Merge,
    keep_tail: bool = True,
    seed: int = 0,
) -> list[Verified]:
    """The answers that the causal pass writes greedily, found in rounds:

    1. a canvas of `size` tokens behind what is committed, from the tail of the last draft (with
       `keep_tail`) and noise, one denoising pass;
    2. one causal pass over the draft: its beginning, as far as the pass agrees, and the pass's own
       next token are committed.
    """
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    found: list[Verified] = []
    for start in range(0, len(prompts), CHUNK_ROWS):
        waiting = [Verified(prompt) for prompt in prompts[start : start + CHUNK_ROWS]]
        found += waiting
        while waiting:
            drafts = _drafts(model, waiting, size, merge, generator)  # 1
            read = [[*one.row, *draft] for one, draft in zip(waiting, drafts, strict=True)]
            hidden, _ = _encode(model, read, waiting)  # 2
            for nth, (one, draft) in enumerate(zip(waiting, drafts, strict=True)):
                last = len(one.row) - 1
                scores = model.logits(hidden[nth, last : last + len(draft) + 1])
                said = cast("list[int]", scores.argmax(dim=-1).tolist())
                _commit(one, draft, said)
                if not keep_tail:
                    one.tail = []
            waiting = [one for one in waiting if not _ends(model, one.tokens)]
    return found


def _commit(one: Verified, draft: list[int], own: list[int]) -> None:
    """Accept the beginning of the draft that equals what the causal pass says, and its next."""
    agreed = 0
    while agreed < len(draft) and draft[agreed] == own[agreed]:
        agreed += 1
    one.tokens += own[: agreed + 1]  # no end mark is drafted: it is the pass's own token
    one.tail = draft[agreed + 1 :]
    one.rounds += 1


def _ends(model: Denoiser, tokens: Sequence[int]) -> bool:
    return tokens[-1] in model.config.eos_token_ids or len(tokens) >= MAX_TOKENS


def _drafts(
    model: Denoiser, rows: Sequence[Verified], size: int, merge: Merge, generator: torch.Generator
) -> list[list[int]]:
    """What a denoising pass says behind what is committed, to its end mark or its padding."""
    _, cache = _encode(model, [one.row for one in rows], rows)
    canvas = torch.randint(0, model.config.vocab_size, (len(rows), size), generator=generator)
    for tokens, one in zip(canvas, rows, strict=True):
        tail = one.tail[:size]
        tokens[: len(tail)] = torch.tensor(tail, dtype=torch.int64)
    likeliest = cast("list[list[int]]", model.denoise(canvas, cache).argmax(dim=-1).tolist())
    ends = {*model.config.eos_token_ids, model.config.pad_token_id}
    drafts: list[list[int]] = []
    for one, best in zip(rows, likeliest, strict=True):
        stop = next((i for i, token in enumerate(best) if token in ends), size)
        before = one.tokens[-1:]
        drafts.append(merge([*before, *best[:stop]])[len(before) :])
    return drafts


def _encode(
    model: Denoiser, rows: Sequence[Sequence[int]], waiting: Sequence[Verified]
) -> tuple[Tensor, KVCache]:
    tokens = pad(rows, model.config.pad_token_id)
    lengths = torch.tensor([len(row) for row in rows])[:, None]
    starts = torch.tensor([len(one.prompt) for one in waiting])
    return model.encode(tokens, torch.arange(tokens.shape[1]) < lengths, prompt_tokens=starts)


@torch.no_grad()
def write_greedily(model: Denoiser, prompts: Sequence[Sequence[int]]) -> list[Written]:
    """The likeliest next token again and again."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, Written] = {}
    for start in range(0, len(order), CHUNK_ROWS):
        part = order[start : start + CHUNK_ROWS]
        found.update(zip(part, _written(model, [prompts[i] for i in part]), strict=True))
    return [found[i] for i in range(len(prompts))]


def _written(model: Denoiser, prompts: Sequence[Sequence[int]]) -> list[Written]:
    starts = torch.tensor([len(prompt) for prompt in prompts])
    tokens = pad(prompts, model.config.pad_token_id)
    hidden, cache = model.encode(tokens, torch.arange(tokens.shape[1]) < starts[:, None])
    hidden = hidden[torch.arange(len(prompts)), starts - 1]
    rows, texts = list(range(len(prompts))), [list[int]() for _ in prompts]
    log_p = [0.0] * len(prompts)
    while True:
        best = model.logits(hidden).log_softmax(dim=-1).max(dim=-1)
        for nth, row in enumerate(rows):
            texts[row].append(int(best.indices[nth]))
            log_p[row] += best.values[nth].item()
        left = [i for i, row in enumerate(rows) if not _ends(model, texts[row])]
        if not left:
            return [Written(text, p / len(text)) for text, p in zip(texts, log_p, strict=True)]
        if len(left) < len(rows):
            rows = [rows[i] for i in left]
            layers = tuple((k[left], v[left]) for k, v in cache.layers)
            cache = KVCache(cache.positions[left], layers)
        next_ones = torch.tensor([texts[row][-1:] for row in rows])
        hidden, cache = model.encode(next_ones, cache=cache, prompt_tokens=starts[rows])
        hidden = hidden[:, -1]
