"""What a denoising step wants to know of each position's scores over the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton

TILE = 128  # vocabulary entries that are drawn from as one: see `vocab_stats`


@dataclass(frozen=True, slots=True)
class VocabStats:
    """Per position: best, sample [T] int64, entropy [T] float32 in nats."""

    best: Tensor
    sample: Tensor
    entropy: Tensor


def vocab_stats(
    hidden: Tensor, weight: Tensor, softcap: float, temperature: Tensor, uniform: Tensor
) -> VocabStats:
    """Read the scores l = softcap * tanh(hidden w / softcap) / temperature without keeping them.

    hidden [T, D], weight [V, D], temperature [T] float32, uniform [T, 2] float32 in [0, 1).

    1. best: the first arg-max of l.
    2. entropy: of p = softmax(l), as log s - u / s with s = sum e^(l - m), u = sum (l - m)
       e^(l - m) and m = max l: no large numbers cancel.
    3. sample: a draw from p by inversion, in two levels. uniform[:, 0] chooses a tile of TILE
       entries by its mass, uniform[:, 1] the entry inside it. So one pass suffices: each tile
       draws its own entry, and the last word is among tiles.
    """
    if use_triton(hidden, weight, temperature, uniform):
        from .vocab_stats_triton import stats

        return VocabStats(*stats(hidden, weight, softcap, temperature, uniform))
    return reference(hidden, weight, softcap, temperature, uniform)


def reference(
    hidden: Tensor, weight: Tensor, softcap: float, temperature: Tensor, uniform: Tensor
) -> VocabStats:
    capped = softcap * torch.tanh((hidden @ weight.T).float() / softcap)  # [T, V]
    scores = capped / temperature[:, None]
    best = scores.argmax(dim=-1)  # 1
    shifted = scores - scores.amax(dim=-1, keepdim=True)
    powers = shifted.exp()
    total = powers.sum(dim=-1)  # [T]
    entropy = total.log() - (shifted * powers).sum(dim=-1) / total  # 2
    padded = F.pad(powers, (0, -len(weight) % TILE))  # 3
    tiles = padded.view(len(hidden), padded.shape[1] // TILE, TILE)
    tile = _invert(tiles.sum(dim=-1), uniform[:, 0])
    inside = tiles[torch.arange(len(hidden), device=hidden.device), tile]  # [T, TILE]
    return VocabStats(best, tile * TILE + _invert(inside, uniform[:, 1]), entropy)


def _invert(masses: Tensor, uniform: Tensor) -> Tensor:
    """The first index [T] at which the running sum of masses [T, n] exceeds uniform * total."""
    running = masses.cumsum(dim=-1)
    beyond = running > (uniform * running[:, -1])[:, None]
    # Rounding may let none exceed it: then the last that has any mass.
    last = torch.where(masses > 0, torch.arange(masses.shape[1], device=masses.device), 0)
    return torch.where(beyond.any(dim=-1), beyond.int().argmax(dim=-1), last.amax(dim=-1))
