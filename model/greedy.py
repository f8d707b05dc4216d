"""The model as a translator from left to right, which takes the likeliest token each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch

from .denoiser import Denoiser
from .examples import pad

BATCH_ROWS = 256


class Decoded(NamedTuple):
    """Token ids without the end mark, and the mean log-probability of those that were found, the
    end mark included. No ids where no end mark came in time."""

    tokens: list[int]
    confidence: float


def decode_greedily(
    model: Denoiser,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    beginnings: Sequence[Sequence[int]] | None = None,
) -> list[Decoded]:
    """One answer per prompt, of at most `max_tokens` beside its given beginning.

    Similar lengths share a batch.
    """
    beginnings = beginnings or [()] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Decoded] = {}
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        chosen = [prompts[i] for i in rows], [beginnings[i] for i in rows]
        answers |= zip(rows, _decode(model, *chosen, max_tokens), strict=True)
    return [answers[i] for i in range(len(prompts))]


@torch.inference_mode()
def _decode(
    model: Denoiser,
    prompts: Sequence[Sequence[int]],
    beginnings: Sequence[Sequence[int]],
    max_tokens: int,
) -> list[Decoded]:
    config, device = model.config, model.embed_tokens.weight.device
    given = [[*prompt, *begun] for prompt, begun in zip(prompts, beginnings, strict=True)]
    tokens = pad(given, config.pad_token_id).to(device)
    lengths = torch.tensor([len(row) for row in given], device=device)
    hidden, cache = model.encode(
        tokens,
        mask=torch.arange(tokens.shape[1], device=device) < lengths[:, None],
        prompt_tokens=torch.tensor([len(prompt) for prompt in prompts], device=device),
    )
    alive = torch.arange(len(prompts), device=device)
    last = hidden[alive, lengths - 1]
    answers = [list(begun) for begun in beginnings]
    total = torch.zeros(len(prompts), device=device)
    ends = torch.tensor(config.eos_token_ids, device=device)
    for _ in range(max_tokens):
        logits = model.logits(last)
        highest, best = logits.max(dim=-1)
        total[alive] += highest - logits.logsumexp(dim=-1)
        going = ~torch.isin(best, ends)
        if not going.all():
            best, alive, cache = best[going], alive[going], cache.select(going)
        if not len(alive):
            break
        rows = cast("list[int]", alive.tolist())
        for row, token in zip(rows, cast("list[int]", best.tolist()), strict=True):
            answers[row].append(token)
        hidden, cache = model.encode(best[:, None], cache=cache)
        last = hidden[:, 0]
    for row in cast("list[int]", alive.tolist()):  # no end in sight
        answers[row] = []
    totals = cast("list[float]", total.tolist())
    return [
        Decoded(ids, score / (len(ids) - len(begun) + 1))
        for ids, begun, score in zip(answers, beginnings, totals, strict=True)
    ]
