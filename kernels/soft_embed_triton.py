"""The mean embedding; the contract is in soft_embed.py.

The vocabulary is the inner dimension of the product and far longer than the others: it is split
among programs, and a last launch adds the parts. Each program takes exp() of its scores with the
highest score of its own part; the last launch brings the parts to a common one.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_math import product


@triton.jit(do_not_specialize=["rows"])
def _maximum(scores, highest, rows, vocab, span, splits, BLOCK: tl.constexpr):
    """highest [T, splits]: the highest score of a row in each part of the vocabulary."""
    row = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * span
    end = tl.minimum(first + span, vocab)
    best = tl.full([BLOCK], -float("inf"), tl.float32)
    for start in range(first, end, BLOCK):
        column = start + tl.arange(0, BLOCK)
        at = scores + row * vocab + column
        best = tl.maximum(best, tl.load(at, mask=column < end, other=-float("inf")).to(tl.float32))
    tl.store(highest + row * splits + tl.program_id(1), tl.max(best, axis=0))


@triton.jit(do_not_specialize=["rows"])
def _accumulate(
    scores,  # [T, V]
    weight,  # [V, D]
    highest,  # [T, splits] float32
    mass,  # [T, splits] float32
    parts,  # [splits, T, D] float32
    rows,
    vocab,
    span,
    splits,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_V: tl.constexpr,
    UPCAST: tl.constexpr,
):
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    split = tl.program_id(2)
    first = split * span
    end = tl.minimum(first + span, vocab)
    taken = row < rows
    peak = tl.load(highest + row * splits + split, mask=taken, other=0.0)
    shift = tl.where(peak == -float("inf"), 0.0, peak)  # a part may be forbidden as a whole
    v = tl.arange(0, BLOCK_V)
    at_scores = scores + row.to(tl.int64)[:, None] * vocab + v[None, :]
    at_weight = weight + v[:, None] * D + column[None, :]
    total = tl.zeros([ROWS, BLOCK_D], tl.float32)
    sums = tl.zeros([ROWS], tl.float32)
    for start in range(first, end, BLOCK_V):
        inside = start + v < end
        here = taken[:, None] & inside[None, :]
        raw = tl.load(at_scores + start, mask=here, other=-float("inf")).to(tl.float32)
        powers = tl.exp(raw - shift[:, None])
        sums += tl.sum(powers, axis=1)
        at = at_weight + tl.cast(start, tl.int64) * D
        weights = tl.load(at, mask=inside[:, None] & (column < D)[None, :], other=0.0)
        total = product(powers.to(weights.dtype), weights, total, UPCAST)
    if tl.program_id(0) == 0:
        tl.store(mass + row * splits + split, sums, mask=taken)
    at = parts + (split * rows.to(tl.int64) + row)[:, None] * D + column[None, :]
    tl.store(at, total, mask=taken[:, None] & (column < D)[None, :])


@triton.jit(do_not_specialize=["rows"])
def _add_parts(
    highest,
    mass,
    parts,
    out,  # [T, D]
    rows,
    splits,
    scale,
    D: tl.constexpr,
    SPLITS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    nth = tl.arange(0, SPLITS)
    inside = nth < splits
    peak = tl.load(highest + row * splits + nth, mask=inside, other=-float("inf"))
    fade = tl.exp(peak - tl.max(peak, axis=0))
    whole = tl.sum(fade * tl.load(mass + row * splits + nth, mask=inside, other=0.0), axis=0)
    at = (nth * rows.to(tl.int64) + row)[:, None] * D + column[None, :]
    part = tl.load(parts + at, mask=inside[:, None] & (column < D)[None, :], other=0.0)
    mean = tl.sum(part * fade[:, None], axis=0) / whole * scale
    tl.store(out + row * D + column, mean.to(out.dtype.element_ty), mask=column < D)


@triton.jit
def _embed_top(
    probabilities,  # [T, n]
    tokens,  # [T, n] int64
    weight,  # [V, D]
    out,  # [T, D]
    count,
    scale,
    D: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    mean = tl.zeros([BLOCK], tl.float32)
    for n in range(0, count):
        token = tl.load(tokens + row * count + n)
        embedding = tl.load(weight + token * D + column, mask=column < D, other=0.0)
        mean += tl.load(probabilities + row * count + n) * embedding.to(tl.float32)
    mean *= scale
    tl.store(out + row * D + column, mean.to(out.dtype.element_ty), mask=column < D)


def embed(scores: Tensor, weight: Tensor, scale: float) -> Tensor:
    rows, vocab = scores.shape
    width = weight.shape[1]
    out = weight.new_empty(rows, width)
    if rows == 0:
        return out
    block_v, block_d = 64, 128
    block_rows = 64 if rows <= 64 else 128  # the tensor cores take no fewer at once
    tiles = triton.cdiv(rows, block_rows) * triton.cdiv(width, block_d)
    # Enough programs for every core twice; each split costs T * D sums in float32.
    splits = max(1, min(32, 264 // tiles, triton.cdiv(vocab, block_v)))
    span = triton.cdiv(triton.cdiv(vocab, splits), block_v) * block_v
    splits = triton.cdiv(vocab, span)
    scores = scores.contiguous()
    highest, mass = (scores.new_empty(rows, splits, dtype=torch.float32) for _ in range(2))
    parts = scores.new_empty(splits, rows, width, dtype=torch.float32)
    _maximum[(rows, splits)](scores, highest, rows, vocab, span, splits, BLOCK=1024)
    _accumulate[(triton.cdiv(width, block_d), triton.cdiv(rows, block_rows), splits)](
        scores,
        weight,
        highest,
        mass,
        parts,
        rows,
        vocab,
        span,
        splits,
        D=width,
        ROWS=block_rows,
        BLOCK_D=block_d,
        BLOCK_V=block_v,
        UPCAST=triton.knobs.runtime.interpret,
        num_warps=8 if block_rows > 64 else 4,
        num_stages=3,
    )
    block = min(256, triton.next_power_of_2(width))
    _add_parts[(rows, triton.cdiv(width, block))](
        highest, mass, parts, out, rows, splits, scale,
        D=width, SPLITS=triton.next_power_of_2(splits), BLOCK=block,
    )  # fmt: skip
    return out


def embed_top(probabilities: Tensor, tokens: Tensor, weight: Tensor, scale: float) -> Tensor:
    rows, count = tokens.shape
    width = weight.shape[1]
    out = weight.new_empty(rows, width)
    if rows:
        block = min(1024, triton.next_power_of_2(width))
        _embed_top[(rows, triton.cdiv(width, block))](
            probabilities.contiguous(), tokens.contiguous(), weight, out, count, scale,
            D=width, BLOCK=block,
        )  # fmt: skip
    return out
