"""A second opinion: how likely a model that reads left to right finds a translation.

The stack of this architecture is also an autoregressive model (its encoder, with the head): the
first stage of training makes it one. Its likelihood of an answer sees what a canvas, whose tokens
are drawn at once, does not: words that do not go together. And it writes a candidate of its own
(beam_search.py), whose mistakes are of another kind than those of a canvas. Trained the other way
round too, it says what an answer tells: how likely is the source, given the answer?
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..network.batches import pad
from ..network.kv_cache import PADDING
from .causal_layers import CausalLayers

BATCH_ROWS = 64  # the scores of so many answers' tokens are some 30 MB


def log_probabilities(
    model: CausalLayers, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Of each token of each answer, which includes its end mark, given its prompt; in nats.

    Similar lengths share a batch.
    """
    order = sorted(range(len(answers)), key=lambda i: len(prompts[i]) + len(answers[i]))
    found: dict[int, list[float]] = {}
    for start in range(0, len(order), BATCH_ROWS):
        rows = order[start : start + BATCH_ROWS]
        batch = _log_probabilities(model, [prompts[i] for i in rows], [answers[i] for i in rows])
        found |= zip(rows, batch, strict=True)
    return [found[i] for i in range(len(answers))]


@torch.inference_mode()
def _log_probabilities(
    model: CausalLayers, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]
) -> list[list[float]]:
    device = model.device
    rows = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    tokens = pad(rows, model.config.pad_token_id).to(device)
    starts = torch.tensor([len(prompt) for prompt in prompts], device=device)
    ends = torch.tensor([len(row) for row in rows], device=device)[:, None]
    place = torch.arange(tokens.shape[1], device=device)
    positions = place.where(place < ends - 1, PADDING)[:, :-1]
    hidden = model.forward(tokens[:, :-1], positions, model.cache(*positions.shape), starts)
    asked = (place >= starts[:, None]) & (place < ends)
    log = model.logits(hidden[asked[:, 1:]]).log_softmax(dim=-1)  # [tokens of all answers, V]
    log = log.gather(-1, tokens[asked][:, None])[:, 0]
    parts = cast("tuple[Tensor, ...]", log.split([len(answer) for answer in answers]))
    return [cast("list[float]", part.tolist()) for part in parts]
