"""What a denoising step wants to know of each position's scores over the vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .dispatch import use_triton
from .int8 import Int8, linear

TILE = 128  # vocabulary entries that are drawn from as one: see `vocab_stats`
# The score of a token that must not be. NOTE: not -inf, which times a probability of 0 is nan.
NEVER = -1e30
# Powers of less, divided by their sum, may be numbers so small that a processor is slow with them.
NEGLIGIBLE = -75.0


@dataclass(frozen=True, slots=True)
class Barred:
    """Tokens that may not stand in some rows: rows [T] bool, tokens [n] int64, few of them."""

    rows: Tensor
    tokens: Tensor


@dataclass(frozen=True, slots=True)
class VocabStats:
    """Per position: best, sample [T] int64, entropy [T] float32 in nats, log_total [T] float32
    and, where they were to be kept, the scores [T, V] in the dtype of the hidden states."""

    best: Tensor
    sample: Tensor
    entropy: Tensor
    log_total: Tensor
    scores: Tensor | None


def vocab_stats(
    hidden: Tensor,
    weight: Tensor | Int8,
    softcap: float,
    temperature: Tensor,
    uniform: Tensor,
    barred: Barred | None = None,
    keep_scores: bool = False,
) -> VocabStats:
    """Read the scores l = softcap * tanh(hidden w / softcap) / temperature in one pass.

    hidden [T, D], weight [V, D], or in 8 bits on a CPU; temperature [T] float32, uniform [T, 2]
    float32 in [0, 1).
    Scores that are `barred` become NEVER. The scores are written only to be kept: exact
    self-conditioning reads them (see soft_embed.py). There is no gradient.

    1. best: the first arg-max of l.
    2. log_total: log sum e^l = m + log s, with m = max l and s = sum e^(l - m).
    3. entropy: of p = softmax(l), as log s - u / s with u = sum (l - m) e^(l - m): no large
       numbers cancel.
    4. sample: a draw from p by inversion, in two levels. uniform[:, 0] chooses a tile of TILE
       entries by its mass, uniform[:, 1] the entry inside it. So one pass suffices: each tile
       draws its own entry, and the last word is among tiles.
    """
    if isinstance(weight, Tensor) and use_triton(hidden, weight, temperature, uniform):
        from .vocab_stats_triton import stats

        return VocabStats(
            *stats(hidden, weight, softcap, temperature, uniform, barred, keep_scores)
        )
    return reference(hidden, weight, softcap, temperature, uniform, barred, keep_scores)


@torch.no_grad()
def reference(
    hidden: Tensor,
    weight: Tensor | Int8,
    softcap: float,
    temperature: Tensor,
    uniform: Tensor,
    barred: Barred | None = None,
    keep_scores: bool = False,
) -> VocabStats:
    """Whole passes over [T, V] are few, and of the quick kind: on a CPU, sigmoid takes a sixth of
    the time of tanh, and the maxima of tiles a tenth of that of an arg-max over the row."""
    vocab = weight.rows if isinstance(weight, Int8) else len(weight)
    rows = len(hidden)
    tiles = -(-vocab // TILE)
    padded = torch.full((rows, tiles * TILE), NEVER, dtype=torch.float32, device=hidden.device)
    scores = padded[:, :vocab]
    scores.copy_(linear(hidden, weight))
    scale = softcap / temperature[:, None]
    scores.mul_(2 / softcap).sigmoid_().mul_(2 * scale).sub_(scale)  # tanh x = 2 sigmoid(2 x) - 1
    if barred is not None:
        shut = scores[:, barred.tokens].masked_fill(barred.rows[:, None], NEVER)
        scores[:, barred.tokens] = shut
    row = torch.arange(rows, device=hidden.device)
    tiled = padded.view(rows, tiles, TILE)
    peak, tile = tiled.amax(dim=-1).max(dim=-1)  # 1
    best = tile * TILE + tiled[row, tile].argmax(dim=-1)
    shifted = F.threshold(padded - peak[:, None], NEGLIGIBLE, NEVER)
    powers = torch.softmax(shifted, dim=-1)  # divided by s
    log = -powers[row, best].log()  # 2: of s, as the highest power is 1
    entropy = log - (shifted * powers).sum(dim=-1)  # 3
    tiled = powers.view(rows, tiles, TILE)
    tile = _invert(tiled.sum(dim=-1), uniform[:, 0])  # 4
    sample = tile * TILE + _invert(tiled[row, tile], uniform[:, 1])
    kept = scores.to(hidden.dtype).contiguous() if keep_scores else None
    return VocabStats(best, sample, entropy, peak + log, kept)


def _invert(masses: Tensor, uniform: Tensor) -> Tensor:
    """The first index [T] at which the running sum of masses [T, n] exceeds uniform * total.

    There is one, as a float below 1 times the total is rounded to less than the total.
    """
    running = masses.cumsum(dim=-1)
    return (running <= uniform[:, None] * running[:, -1:]).sum(dim=-1)
