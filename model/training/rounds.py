"""Answers by the network's plain passes: greedily, by one draft, by rounds of draft and verify.

The engine does the same with keys that stay (docs/engine.md); here each round encodes a row anew,
which is simple, and quick enough for a few hundred rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..engine.canvas import canvas_tokens
from ..engine.drafts import behind, drafted
from ..network.batches import MAX_TOKENS, pad
from ..network.denoiser import Denoiser
from ..network.kv_cache import PADDING, KVCache

CHUNK_ROWS = 64


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
    draft: list[int] = field(default_factory=list[int])

    @property
    def row(self) -> list[int]:
        return [*self.prompt, *self.tokens]


@torch.no_grad()
def draft_once(model: Denoiser, prompts: Sequence[Sequence[int]], seed: int = 0) -> list[list[int]]:
    """Answers of one denoising pass over a whole canvas each, without their end marks."""
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    found: dict[int, list[int]] = {}
    for start in range(0, len(order), CHUNK_ROWS):
        part = order[start : start + CHUNK_ROWS]
        rows, size = [Verified(prompts[i]) for i in part], canvas_tokens(len(prompts[part[-1]]))
        _, cache = _encode(model, rows)
        drafts = _drafts(model, [one.row for one in rows], cache, size, generator)
        found.update(zip(part, drafts, strict=True))
    return [found[i] for i in range(len(prompts))]


@torch.no_grad()
def draft_and_verify(
    model: Denoiser, prompts: Sequence[Sequence[int]], size: int, seed: int = 0
) -> list[Verified]:
    """The answers that the causal pass writes greedily, found in rounds, as by the engine:

    1. one causal pass over what is committed and a draft behind it: of the draft as much is
       committed as the pass agrees with, and the pass's own next token;
    2. a denoising step of a canvas of `size` tokens, which knows of the draft what was accepted,
       but not the pass's own token: what it says behind that one is the next draft.
    """
    generator = torch.Generator(torch.get_default_device()).manual_seed(seed)
    found: list[Verified] = []
    for start in range(0, len(prompts), CHUNK_ROWS):
        waiting = [Verified(prompt) for prompt in prompts[start : start + CHUNK_ROWS]]
        found += waiting
        while waiting:
            _round(model, waiting, size, generator)
            waiting = [one for one in waiting if not _ends(model, one.tokens)]
    return found


def _round(
    model: Denoiser, rows: Sequence[Verified], size: int, generator: torch.Generator
) -> None:
    hidden, cache = _encode(model, rows)  # 1
    said: list[list[int]] = []
    for one, row in zip(rows, hidden, strict=True):
        last = len(one.row) - 1
        scores = model.logits(row[last : last + len(one.draft) + 1])
        own = cast("list[int]", scores.argmax(dim=-1).tolist())
        agreed = 0
        while agreed < len(one.draft) and one.draft[agreed] == own[agreed]:
            agreed += 1
        said.append(own[: agreed + 1])
    known = [[*one.row, *own[:-1]] for one, own in zip(rows, said, strict=True)]  # 2
    drafts = _drafts(model, known, cache, size, generator)
    for one, own, draft in zip(rows, said, drafts, strict=True):
        one.tokens += own
        one.draft = behind(draft, own[-1:])
        one.rounds += 1


def _ends(model: Denoiser, tokens: Sequence[int]) -> bool:
    return tokens[-1] in model.config.eos_token_ids or len(tokens) >= MAX_TOKENS


def _drafts(
    model: Denoiser,
    known: Sequence[Sequence[int]],
    cache: KVCache,
    size: int,
    generator: torch.Generator,
) -> list[list[int]]:
    """What a denoising pass says behind what is known, to its end mark or its padding."""
    lengths = torch.tensor([len(row) for row in known])[:, None]
    positions = torch.where(cache.positions < lengths, cache.positions, PADDING)
    canvas = model.noise(len(known), size, generator=generator)
    scores = model.denoise(canvas, KVCache(positions, cache.layers))
    likeliest = cast("list[list[int]]", scores.argmax(dim=-1).tolist())
    ends = {*model.config.eos_token_ids, model.config.pad_token_id}
    return [drafted(best, row[-1], ends) for best, row in zip(likeliest, known, strict=True)]


def _encode(model: Denoiser, rows: Sequence[Verified]) -> tuple[Tensor, KVCache]:
    """Prompts, what is committed, and the drafts behind it."""
    read = [[*one.row, *one.draft] for one in rows]
    lengths = torch.tensor([len(row) for row in read])[:, None]
    tokens = pad(read, model.config.pad_token_id)
    starts = torch.tensor([len(one.prompt) for one in rows])
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
