"""All that happens to a canvas between two denoising steps, once its vocabulary has been read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .dispatch import use_triton
from .entropy_bound import reference as accepted_within

FREE = -1  # value of an unpinned position


@dataclass(frozen=True, slots=True)
class CanvasRules:
    """When positions are accepted and when a row has settled; see SamplerConfig."""

    entropy_bound: float
    stability_threshold: int
    confidence_threshold: float


@dataclass(frozen=True, slots=True)
class Canvases:
    """B canvases of C positions on their way.

    canvas   [B, C] int64  input of the next step
    best     [B, C] int64  arg-max of the last step, -1 before there is one
    repeats  [B] int32     how many steps the arg-max has been the same, 0 before it repeats
    steps    [B] int32     steps taken
    done     [B] bool      rows that have settled; they change no more
    """

    canvas: Tensor
    best: Tensor
    repeats: Tensor
    steps: Tensor
    done: Tensor


def canvas_step(
    state: Canvases,
    entropy: Tensor,
    best: Tensor,
    sample: Tensor,
    noise: Tensor,
    pinned: Tensor,
    rules: CanvasRules,
) -> Canvases:
    """The state after a step with entropy [B, C] float32 and best, sample, noise [B, C] int64.

    pinned [B, C] int64 has the token that a position must keep, or FREE.

    1. Positions within the entropy bound take their sample, all others fresh noise.
    2. A row has settled when its arg-max has repeated `stability_threshold` times and its mean
       entropy is low.
    3. Rows that were done keep all they had.
    Pinned positions are forced in input and output, and left out of 1 and 2.
    """
    if use_triton(entropy, best, sample, noise, pinned, state.canvas):
        from .canvas_step_triton import advance

        return Canvases(*advance(state, entropy, best, sample, noise, pinned, rules))
    return reference(state, entropy, best, sample, noise, pinned, rules)


def reference(
    state: Canvases,
    entropy: Tensor,
    best: Tensor,
    sample: Tensor,
    noise: Tensor,
    pinned: Tensor,
    rules: CanvasRules,
) -> Canvases:
    free, done = pinned == FREE, state.done[:, None]
    accepted = accepted_within(entropy.masked_fill(~free, torch.inf), rules.entropy_bound)  # 1
    canvas = torch.where(accepted, sample, noise).where(free, pinned)
    best = best.where(free, pinned)
    same = (best == state.best).all(dim=-1)  # 2
    repeats = torch.where(same, state.repeats + 1, 0)
    mean = entropy.where(free, 0.0).sum(dim=-1) / free.sum(dim=-1).clamp_min(1)
    settled = (repeats >= rules.stability_threshold) & (mean < rules.confidence_threshold)
    return Canvases(  # 3
        canvas=torch.where(done, state.canvas, canvas),
        best=torch.where(done, state.best, best),
        repeats=torch.where(state.done, state.repeats, repeats).to(torch.int32),
        steps=state.steps + (~state.done).to(torch.int32),
        done=state.done | settled,
    )
