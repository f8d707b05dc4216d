"""A second opinion: how likely a model that reads left to right finds a translation.

The stack of this architecture is also an autoregressive model (its encoder, with the head): the
first stage of training makes it one. Its likelihood of an answer sees what a canvas, whose tokens
are drawn at once, does not: words that do not go together. And it writes a candidate of its own
(beam_search.py), whose mistakes are of another kind than those of a canvas.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from .causal_layers import CausalLayers
from .denoiser import Denoiser
from .examples import pad
from .kv_cache import PADDING
from .weights import load_model

FOLDER = "verifier"  # inside a model's folder: a checkpoint folder with the same vocabulary


def load_verifier(folder: Path, dtype: torch.dtype, device: str) -> Denoiser | None:
    """The verifier that comes with a model, if there is one. Raises CheckpointError."""
    path = folder / FOLDER
    return load_model(path, dtype, device) if path.is_dir() else None


@torch.inference_mode()
def mean_log_probabilities(
    model: CausalLayers, prompt: Sequence[int], answers: Sequence[Sequence[int]]
) -> list[float]:
    """Of the tokens of each answer, which includes its end mark, given the prompt; in nats."""
    device = model.device
    rows = [[*prompt, *answer] for answer in answers]
    tokens = pad(rows, model.config.pad_token_id).to(device)
    ends = torch.tensor([len(row) for row in rows], device=device)[:, None]
    place = torch.arange(tokens.shape[1], device=device).expand_as(tokens)
    positions = place.masked_fill(place >= ends - 1, PADDING)[:, :-1]
    mutual = torch.full((len(rows),), len(prompt), device=device)
    hidden = model.forward(tokens[:, :-1], positions, model.cache(*positions.shape), mutual)
    log = model.logits(hidden[:, len(prompt) - 1 :]).log_softmax(dim=-1)  # [B, N, V]
    log = log.gather(-1, tokens[:, len(prompt) :, None])[:, :, 0]
    asked = (place < ends)[:, len(prompt) :]
    means = (log * asked).sum(dim=-1) / asked.sum(dim=-1)
    return [float(mean) for mean in means]
