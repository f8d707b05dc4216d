"""The step of the canvases in one launch; the contract is in canvas_step.py."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .canvas_step import Canvases, CanvasRules
from .entropy_bound_triton import add_earlier


@triton.jit
def _advance(
    old_canvas,  # [B, C] int64, as are the next five
    old_best,
    best,
    sample,
    noise,
    pinned,
    entropy,  # [B, C] float32
    old_repeats,  # [B] int32
    old_steps,
    old_done,  # [B] int8
    canvas,  # what is written
    new_best,
    repeats,
    steps,
    done,
    bound,
    stability,
    confidence,
    size,
    COLUMNS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    first = row.to(tl.int64) * size
    position = tl.arange(0, COLUMNS)
    inside = position < size
    at = first + position
    pin = tl.load(pinned + at, mask=inside, other=0)
    free = inside & (pin == -1)
    doubt = tl.load(entropy + at, mask=free, other=float("inf"))

    spent = tl.zeros([COLUMNS], tl.float32)
    for start in range(0, size, BLOCK):
        other = start + tl.arange(0, BLOCK)
        its_pin = tl.load(pinned + first + other, mask=other < size, other=0)
        is_free = (other < size) & (its_pin == -1)
        theirs = tl.load(entropy + first + other, mask=is_free, other=float("inf"))
        spent = add_earlier(spent, doubt, position, theirs, other)
    accepted = (spent <= bound) & (doubt < float("inf"))

    was_done = tl.load(old_done + row) != 0
    drawn = tl.load(sample + at, mask=inside, other=0)
    drawn = tl.where(accepted, drawn, tl.load(noise + at, mask=inside, other=0))
    drawn = tl.where(free, drawn, pin)
    kept = tl.load(old_canvas + at, mask=inside, other=0)
    tl.store(canvas + at, tl.where(was_done, kept, drawn), mask=inside)

    top = tl.where(free, tl.load(best + at, mask=inside, other=0), pin)
    before = tl.load(old_best + at, mask=inside, other=0)
    tl.store(new_best + at, tl.where(was_done, before, top), mask=inside)

    changed = tl.sum((inside & (top != before)).to(tl.int32), axis=0)
    repeated = tl.load(old_repeats + row)
    now_repeated = tl.where(changed == 0, repeated + 1, 0)
    frees = tl.maximum(tl.sum(free.to(tl.int32), axis=0), 1)
    mean = tl.sum(tl.where(free, doubt, 0.0), axis=0) / frees
    settled = (now_repeated >= stability) & (mean < confidence)
    tl.store(repeats + row, tl.where(was_done, repeated, now_repeated))
    tl.store(steps + row, tl.load(old_steps + row) + tl.where(was_done, 0, 1))
    tl.store(done + row, (was_done | settled).to(tl.int8))


def advance(
    state: Canvases,
    entropy: Tensor,
    best: Tensor,
    sample: Tensor,
    noise: Tensor,
    pinned: Tensor,
    rules: CanvasRules,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, size = entropy.shape
    canvas, new_best = (entropy.new_empty(rows, size, dtype=torch.int64) for _ in range(2))
    repeats, steps = (entropy.new_empty(rows, dtype=torch.int32) for _ in range(2))
    done = entropy.new_empty(rows, dtype=torch.int8)
    if rows:
        columns = triton.next_power_of_2(max(size, 1))
        read = (state.canvas, state.best, best, sample, noise, pinned, entropy)
        _advance[(rows,)](
            *(x.contiguous() for x in read),
            state.repeats,
            state.steps,
            state.done.view(torch.int8),
            canvas,
            new_best,
            repeats,
            steps,
            done,
            rules.entropy_bound,
            rules.stability_threshold,
            rules.confidence_threshold,
            size,
            COLUMNS=columns,
            BLOCK=16,
            num_warps=4,
        )
    return canvas, new_best, repeats, steps, done.view(torch.bool)
