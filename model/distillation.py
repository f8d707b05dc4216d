"""Greedy autoregressive translation with the causal stack: the teacher of the diffusion model."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import cast

import torch

from .corpus import pad
from .denoiser import Denoiser
from .tokenizer import TranslationTokenizer

MAX_TOKENS = 64


@torch.inference_mode()
def translate_greedily(
    model: Denoiser,
    tokenizer: TranslationTokenizer,
    texts: Sequence[str],
    source: str,
    target: str,
    batch_rows: int = 256,
) -> list[str]:
    """One translation per text, token by token; empty where no end mark came in time."""
    prompts = [tokenizer.prompt(text, source, target) for text in texts]
    order = sorted(range(len(texts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(texts)
    started = shown = time.monotonic()
    for start in range(0, len(order), batch_rows):
        rows = order[start : start + batch_rows]
        ids = _decode(model, [prompts[i] for i in rows])
        for i, answer in zip(rows, ids, strict=True):
            answers[i] = tokenizer.decode(answer)
        if time.monotonic() - shown > 20:
            shown = time.monotonic()
            done = start + len(rows)
            print(f"{done} of {len(texts)} translated, {shown - started:.0f} s", flush=True)
    return answers


def repeats(text: str) -> bool:
    """Whether a weak teacher stuttered: a word or two come twice in a row, or a syllable four times."""
    if re.search(r"(\w{2,6}?)\1{3}", text):
        return True
    words = text.lower().replace(",", " ").split()
    return any(
        words[i : i + size] == words[i + size : i + 2 * size]
        for size in (1, 2)
        for i in range(len(words) - 2 * size + 1)
    )


def _decode(model: Denoiser, prompts: Sequence[list[int]]) -> list[list[int]]:
    config = model.config
    tokens = pad(prompts, config.pad_token_id)
    lengths = torch.tensor([len(p) for p in prompts])
    hidden, cache = model.encode(tokens, mask=torch.arange(tokens.shape[1]) < lengths[:, None])
    last = hidden[torch.arange(len(prompts)), lengths - 1]
    alive = torch.arange(len(prompts))
    answers: list[list[int]] = [[] for _ in prompts]
    for _ in range(MAX_TOKENS):
        best = model.logits(last).argmax(dim=-1)
        going = ~torch.isin(best, torch.tensor(config.eos_token_ids))
        best, alive, cache = best[going], alive[going], cache.select(going)
        if not len(alive):
            return answers
        rows = cast("list[int]", alive.tolist())
        for row, token in zip(rows, cast("list[int]", best.tolist()), strict=True):
            answers[row].append(token)
        hidden, cache = model.encode(best[:, None], cache=cache)
        last = hidden[:, 0]
    for row in cast("list[int]", alive.tolist()):  # no end in sight
        answers[row] = []
    return answers
