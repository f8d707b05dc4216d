"""Vocabulary statistics in two launches; the contract is in vocab_stats.py.

Every program reads TILE rows of the embedding, multiplies them with a block of positions and
keeps six numbers per position and tile. A second launch merges the tiles.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from .triton_math import product, tanh
from .vocab_stats import NEVER, TILE, Barred

NEVER_SCORE = tl.constexpr(NEVER)
FUSED_ROWS = 128  # above, the vendor's matrix product is faster than ours: see `stats`
CHUNK = 16_384  # vocabulary entries whose scores stay in the L2 cache


@triton.jit
def _invert(masses, target_share, nth, SIZE: tl.constexpr, AXIS: tl.constexpr):
    """First index along AXIS where the running sum exceeds target_share of the total.

    Sums in a tree may differ by a rounding where nothing was added: what has no mass is left out.
    """
    running = tl.cumsum(masses, axis=AXIS)
    target = target_share * tl.max(running, axis=AXIS)
    beyond = (running > tl.expand_dims(target, AXIS)) & (masses > 0)
    found = tl.min(tl.where(beyond, nth, SIZE), axis=AXIS)
    last = tl.max(tl.where(masses > 0, nth, 0), axis=AXIS)
    return tl.minimum(found, last)


@triton.jit
def _store_tile(
    logits,  # [VOCAB, ROWS] float32, before the soft-cap
    entry,  # [VOCAB]
    row,  # [ROWS]
    tile,
    temperature,  # [T]
    uniform,  # [T, 2]
    barred_rows,  # [T] int8, or None
    barred_tokens,  # [BARRED] int64, or None
    kept,  # [T, V], or None
    numbers,  # [3, T, tiles] float32: highest score, s and u of vocab_stats.py
    tokens,  # [2, T, tiles] int32: best and sample
    rows,
    tiles,
    vocab,
    softcap,
    VOCAB: tl.constexpr,
    BARRED: tl.constexpr,
):
    taken = row < rows
    heat = tl.load(temperature + row, mask=taken, other=1.0)
    scores = softcap * tanh(logits / softcap) / heat[None, :]
    known = (entry < vocab)[:, None]
    if BARRED:
        shut = tl.load(barred_rows + row, mask=taken, other=0) != 0
        for n in tl.static_range(BARRED):
            never = (entry == tl.load(barred_tokens + n))[:, None] & shut[None, :]
            scores = tl.where(never, NEVER_SCORE, scores)
    if kept is not None:
        at_kept = kept + row.to(tl.int64)[None, :] * vocab + entry[:, None]
        tl.store(at_kept, scores.to(kept.dtype.element_ty), mask=known & taken[None, :])
    scores = tl.where(known, scores, -float("inf"))
    best = tl.max(scores, axis=0)
    nth = tl.arange(0, VOCAB)[:, None]
    first_best = tl.min(tl.where(scores == best[None, :], nth, VOCAB), axis=0)
    shifted = scores - best[None, :]
    powers = tl.exp(shifted)
    weighted = tl.where(known, shifted, 0.0) * powers
    share = tl.load(uniform + 2 * row + 1, mask=taken, other=0.0)
    drawn = _invert(powers, share, nth, VOCAB, 0)
    at = row.to(tl.int64) * tiles + tile
    plane = rows.to(tl.int64) * tiles
    tl.store(numbers + at, best, mask=taken)
    tl.store(numbers + plane + at, tl.sum(powers, axis=0), mask=taken)
    tl.store(numbers + 2 * plane + at, tl.sum(weighted, axis=0), mask=taken)
    first = tile * VOCAB
    tl.store(tokens + at, first + first_best, mask=taken)
    tl.store(tokens + plane + at, first + drawn, mask=taken)


@triton.jit(do_not_specialize=["rows"])
def _read(
    hidden,  # [T, D]
    weight,  # [V, D]
    temperature,
    uniform,
    barred_rows,
    barred_tokens,
    kept,
    numbers,
    tokens,
    rows,
    tiles,
    vocab,
    softcap,
    D: tl.constexpr,
    ROWS: tl.constexpr,
    VOCAB: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BARRED: tl.constexpr,
    UPCAST: tl.constexpr,
):
    # Blocks of positions are next to each other: they share the tile's weights.
    blocks = tl.cdiv(rows, ROWS)
    tile = tl.program_id(0) // blocks
    row = (tl.program_id(0) % blocks) * ROWS + tl.arange(0, ROWS)
    entry = tile * VOCAB + tl.arange(0, VOCAB)
    d = tl.arange(0, BLOCK_D)
    at_hidden = hidden + row[:, None] * D + d[None, :]
    at_weight = weight + entry.to(tl.int64)[:, None] * D + d[None, :]
    logits = tl.zeros([VOCAB, ROWS], tl.float32)
    for start in range(0, D, BLOCK_D):
        inside = (start + d < D)[None, :]
        weights = tl.load(at_weight + start, mask=(entry < vocab)[:, None] & inside, other=0.0)
        states = tl.load(at_hidden + start, mask=(row < rows)[:, None] & inside, other=0.0)
        logits = product(weights, tl.trans(states), logits, UPCAST)
    _store_tile(
        logits, entry, row, tile, temperature, uniform, barred_rows, barred_tokens, kept, numbers,
        tokens, rows, tiles, vocab, softcap, VOCAB, BARRED,
    )  # fmt: skip


@triton.jit(do_not_specialize=["rows", "first_tile"])
def _read_logits(
    logits,  # [T, chunk], before the soft-cap
    temperature,
    uniform,
    barred_rows,
    barred_tokens,
    kept,
    numbers,
    tokens,
    rows,
    tiles,
    first_tile,
    chunk,
    vocab,
    softcap,
    ROWS: tl.constexpr,
    VOCAB: tl.constexpr,
    BARRED: tl.constexpr,
):
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(0) * VOCAB + tl.arange(0, VOCAB)
    tile = first_tile + tl.program_id(0)
    entry = tile * VOCAB + tl.arange(0, VOCAB)
    at = logits + row.to(tl.int64)[None, :] * chunk + column[:, None]
    inside = (row < rows)[None, :] & (column < chunk)[:, None]
    values = tl.load(at, mask=inside, other=0.0).to(tl.float32)
    _store_tile(
        values, entry, row, tile, temperature, uniform, barred_rows, barred_tokens, kept, numbers,
        tokens, rows, tiles, vocab, softcap, VOCAB, BARRED,
    )  # fmt: skip


@triton.jit(do_not_specialize=["rows"])
def _finish(
    numbers,  # [3, T, tiles] float32
    tokens,  # [2, T, tiles] int32
    uniform,  # [T, 2]
    best,  # [T] int64
    sample,  # [T] int64
    entropy,  # [T] float32
    log_total,  # [T] float32
    rows,
    tiles,
    TILES: tl.constexpr,
):
    row = tl.program_id(0)
    nth = tl.arange(0, TILES)
    inside = nth < tiles
    at = row.to(tl.int64) * tiles + nth
    plane = rows.to(tl.int64) * tiles
    peak = tl.load(numbers + at, mask=inside, other=-float("inf"))
    mass = tl.load(numbers + plane + at, mask=inside, other=0.0)
    weighted = tl.load(numbers + 2 * plane + at, mask=inside, other=0.0)
    highest = tl.max(peak, axis=0)
    lower = tl.where(inside, peak - highest, 0.0)
    fade = tl.exp(lower)
    total = tl.sum(mass * fade, axis=0)
    shifted = tl.sum((weighted + lower * mass) * fade, axis=0)
    winner = tl.min(tl.where(inside & (peak == highest), nth, TILES), axis=0)
    drawn = _invert(mass * fade, tl.load(uniform + 2 * row), nth, TILES, 0)
    first = row.to(tl.int64) * tiles
    tl.store(best + row, tl.load(tokens + first + winner).to(tl.int64))
    tl.store(sample + row, tl.load(tokens + plane + first + drawn).to(tl.int64))
    tl.store(entropy + row, tl.log(total) - shifted / total)
    tl.store(log_total + row, tl.log(total) + highest)


def stats(
    hidden: Tensor,
    weight: Tensor,
    softcap: float,
    temperature: Tensor,
    uniform: Tensor,
    barred: Barred | None,
    keep_scores: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """best, sample, entropy, log_total, scores. Few rows read the vocabulary in one kernel; many
    multiply a chunk of it with the vendor's product, whose scores are read back from the L2
    cache."""
    rows, width = hidden.shape
    vocab = weight.shape[0]
    tiles = triton.cdiv(vocab, TILE)
    numbers = hidden.new_empty(3, rows, tiles, dtype=torch.float32)
    tokens = hidden.new_empty(2, rows, tiles, dtype=torch.int32)
    best, sample = (hidden.new_empty(rows, dtype=torch.int64) for _ in range(2))
    entropy, log_total = (hidden.new_empty(rows, dtype=torch.float32) for _ in range(2))
    scores = hidden.new_empty(rows, vocab) if keep_scores else None
    if rows == 0:
        return best, sample, entropy, log_total, scores
    hidden, uniform = hidden.contiguous(), uniform.contiguous()
    shut, count = (None, None), 0
    if barred is not None:
        shut = (barred.rows.contiguous().view(torch.int8), barred.tokens.contiguous())
        count = len(barred.tokens)
    given = (temperature.contiguous(), uniform, *shut, scores, numbers, tokens, rows, tiles)
    if rows <= FUSED_ROWS:
        block = min(64, max(16, triton.next_power_of_2(rows)))
        _read[(tiles * triton.cdiv(rows, block),)](
            hidden,
            weight,
            *given,
            vocab,
            softcap,
            D=width,
            ROWS=block,
            VOCAB=TILE,
            BLOCK_D=64,
            BARRED=count,
            UPCAST=triton.knobs.runtime.interpret,
            num_warps=8 if block > 32 else 4,
            num_stages=4,
        )
    else:
        for first in range(0, vocab, CHUNK):
            logits = hidden @ weight[first : first + CHUNK].T
            chunk = logits.shape[1]
            _read_logits[(triton.cdiv(chunk, TILE), triton.cdiv(rows, 16))](
                logits,
                *given,
                first // TILE,
                chunk,
                vocab,
                softcap,
                ROWS=16,
                VOCAB=TILE,
                BARRED=count,
                num_warps=4,
            )
    columns = triton.next_power_of_2(tiles)
    _finish[(rows,)](
        numbers, tokens, uniform, best, sample, entropy, log_total, rows, tiles, TILES=columns
    )
    return best, sample, entropy, log_total, scores
