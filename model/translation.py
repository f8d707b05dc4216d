"""Texts in, translations out: prompts of similar needs share a batch of canvases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple, cast

import torch
from torch import Tensor

from .canvas import MAX_CANVAS, canvas_tokens
from .denoiser import Denoiser
from .generation import generate
from .sampler import EntropyBoundSampler
from .tokenizer import TranslationTokenizer

BATCH_ROWS = 32


class Request(NamedTuple):
    """A text to translate; languages are ISO 639-1 codes."""

    text: str
    source: str
    target: str


def translate(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    sampler: EntropyBoundSampler,
    requests: Sequence[Request],
    progress: Callable[[int], None] = lambda done: None,
) -> list[str]:
    """One translation per request. `progress` hears how many are done.

    A text that needs more than the largest canvas is cut off there: callers cut long text before.
    """
    prompts = [tokenizer.prompt(*request) for request in requests]
    sizes = [canvas_tokens(len(prompt)) for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: (sizes[i], len(prompts[i])))
    answers = [""] * len(prompts)
    done = 0
    for size, group in groupby(order, key=sizes.__getitem__):
        rows = list(group)
        for start in range(0, len(rows), BATCH_ROWS):
            chosen = rows[start : start + BATCH_ROWS]
            tokens = _answer(model, tokenizer, sampler, [prompts[i] for i in chosen], size)
            rows_of_ids = cast("list[list[int]]", tokens.tolist())
            for i, ids in zip(chosen, rows_of_ids, strict=True):
                answers[i] = tokenizer.decode(ids)
            done += len(chosen)
            progress(done)
    return answers


def _answer(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    sampler: EntropyBoundSampler,
    prompts: Sequence[Sequence[int]],
    size: int,
) -> Tensor:
    """Tokens [B, size] int64 that answer the prompts."""
    config, device = model.config, model.embed_tokens.weight.device
    longest = max(map(len, prompts))
    prompt = torch.full((len(prompts), longest), config.pad_token_id, device=device)
    for row, ids in zip(prompt, prompts, strict=True):
        row[: len(ids)] = torch.tensor(ids, device=device)
    lengths = torch.tensor([len(ids) for ids in prompts], device=device)[:, None]
    ragged = torch.arange(longest, device=device) < lengths
    return generate(
        model,
        sampler,
        prompt,
        None if bool(ragged.all()) else ragged,
        max_new_tokens=size,
        canvas_tokens=min(size, MAX_CANVAS),
        forbidden=(*config.eos_token_ids, config.pad_token_id),
        retire=True,
    ).tokens
