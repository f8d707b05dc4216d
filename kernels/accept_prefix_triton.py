"""Accepted beginnings in one launch, a program per sequence; the contract is in
accept_prefix.py."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _compare(
    tokens,  # [T] int64
    best,  # [T] int64
    log_p,  # [T] float32
    starts,  # [B + 1] int32
    accepted,  # [B] int32
    own,  # [B] int64
    total,  # [B] float32
    BLOCK: tl.constexpr,
):
    sequence = tl.program_id(0)
    first = tl.load(starts + sequence)
    drafted = tl.load(starts + sequence + 1) - first - 1  # -1: no token at all
    nth = tl.arange(0, BLOCK)
    count = tl.maximum(drafted, 0)
    for block in range(0, drafted, BLOCK):
        at = block + nth
        inside = at < drafted
        draft = tl.load(tokens + first + 1 + at, mask=inside, other=0)
        written = tl.load(best + first + at, mask=inside, other=0)
        count = tl.minimum(count, tl.min(tl.where(draft == written, drafted, at), axis=0))
    likely = tl.zeros([BLOCK], tl.float32)
    for block in range(0, drafted + 1, BLOCK):
        at = block + nth
        likely += tl.load(log_p + first + at, mask=(at <= count) & (at <= drafted), other=0.0)
    tl.store(accepted + sequence, count)
    tl.store(own + sequence, tl.load(best + first + count, mask=drafted >= 0, other=-1))
    tl.store(total + sequence, tl.sum(likely, axis=0))


def accept(
    tokens: Tensor, best: Tensor, log_p: Tensor, starts: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    sequences = len(starts) - 1
    accepted = starts.new_empty(sequences)
    own, total = tokens.new_empty(sequences), log_p.new_empty(sequences)
    if sequences:
        _compare[(sequences,)](
            *(x.contiguous() for x in (tokens, best, log_p, starts)),
            accepted,
            own,
            total,
            BLOCK=64,
            num_warps=1,
        )
    return accepted, own, total
