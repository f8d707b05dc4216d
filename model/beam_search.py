"""The model as a translator from left to right: beam search.

With one beam it takes the likeliest token each time. With several it follows as many beginnings of
an answer, until it has as many answers and none of the beginnings is ahead of the best of them.
That is the one with the highest mean log-probability of its tokens.
"""

from __future__ import annotations

import math
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


class _Beam(NamedTuple):
    """A beginning of an answer: the ids that were found, and their log-probability."""

    tokens: tuple[int, ...]
    total: float


def decode(
    model: Denoiser,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    beginnings: Sequence[Sequence[int]] | None = None,
    beams: int = 1,
) -> list[Decoded]:
    """One answer per prompt, of at most `max_tokens` beside its given beginning.

    Similar lengths share a batch.
    """
    beginnings = beginnings or [()] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers: dict[int, Decoded] = {}
    at_once = max(1, BATCH_ROWS // beams)
    for start in range(0, len(order), at_once):
        rows = order[start : start + at_once]
        chosen = [prompts[i] for i in rows], [beginnings[i] for i in rows]
        answers |= zip(rows, _decode(model, *chosen, max_tokens, beams), strict=True)
    return [answers[i] for i in range(len(prompts))]


@torch.inference_mode()
def _decode(
    model: Denoiser,
    prompts: Sequence[Sequence[int]],
    beginnings: Sequence[Sequence[int]],
    max_tokens: int,
    beams: int,
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
    last = hidden[torch.arange(len(prompts), device=device), lengths - 1]
    best = [Decoded([], -math.inf) for _ in prompts]
    ended = [0] * len(prompts)
    live = [[_Beam((), 0.0)] for _ in prompts]
    for length in range(1, max_tokens + 1):
        logits = model.logits(last)
        # One more than there are beams: one of them may be the end.
        values, ids = logits.topk(beams + 1)
        values = values - logits.logsumexp(dim=-1, keepdim=True)
        likeliest = zip(
            cast("list[list[float]]", values.tolist()),
            cast("list[list[int]]", ids.tolist()),
            strict=True,
        )
        parents: list[int] = []
        row = 0
        for i, followed in enumerate(live):
            longer = [
                (beam.total + value, row + at, token)
                for at, beam in enumerate(followed)
                for value, token in zip(*next(likeliest), strict=True)
            ]
            kept: list[tuple[_Beam, int]] = []
            for total, parent, token in sorted(longer, reverse=True):
                found, mean = followed[parent - row].tokens, total / length
                if token not in config.eos_token_ids:
                    kept.append((_Beam((*found, token), total), parent))
                else:
                    ended[i] += 1
                    if mean > best[i].confidence:
                        best[i] = Decoded([*beginnings[i], *found], mean)
                if len(kept) == beams:
                    break
            if ended[i] >= beams and kept and kept[0][0].total / length <= best[i].confidence:
                kept.clear()  # nothing is ahead of the best answer
            parents += [parent for _, parent in kept]
            row += len(followed)
            live[i] = [beam for beam, _ in kept]
        if not parents:
            break
        if parents != list(range(len(values))):  # selecting copies the whole cache
            cache = cache.select(torch.tensor(parents, device=device))
        newest = torch.tensor([[beam.tokens[-1]] for kept in live for beam in kept], device=device)
        hidden, cache = model.encode(newest, cache=cache)
        last = hidden[:, 0]
    return best
