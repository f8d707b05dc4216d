"""The common vote in one launch, a program per token; the contract is in vote.py."""

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor


@triton.jit
def _elect(
    scores,  # [T, V]
    log_total,  # [T] float32
    drafts,  # [C, V]
    rows,  # [T] int64
    weight,  # [T] float32
    best,  # [T] int64
    log_p,  # [T] float32
    vocab,
    BLOCK: tl.constexpr,
):
    token = tl.program_id(0)
    own = scores + token.to(tl.int64) * vocab
    share = tl.load(weight + token)
    drafted = drafts + tl.load(rows + token) * vocab
    # Of a canvas without a vote nothing is read.
    drafted_vocab = tl.where(share > 0.0, vocab, 0)
    nth = tl.arange(0, BLOCK)
    # Each lane keeps its first maximum; the last word is among lanes.
    highest = tl.full([BLOCK], -float("inf"), tl.float32)
    entry = tl.zeros([BLOCK], tl.int32)
    for block in range(0, vocab, BLOCK):
        at = block + nth
        theirs = tl.load(drafted + at, mask=at < drafted_vocab, other=0.0).to(tl.float32)
        both = tl.load(own + at, mask=at < vocab, other=-float("inf")).to(tl.float32)
        both += share * theirs
        is_higher = both > highest
        highest = tl.where(is_higher, both, highest)
        entry = tl.where(is_higher, at, entry)
    chosen = tl.min(tl.where(highest == tl.max(highest, axis=0), entry, vocab), axis=0)
    tl.store(best + token, chosen.to(tl.int64))
    score = tl.load(own + chosen).to(tl.float32)
    tl.store(log_p + token, score - tl.load(log_total + token))


def elect(
    scores: Tensor, log_total: Tensor, drafts: Tensor, rows: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    tokens, vocab = scores.shape
    best, log_p = rows.new_empty(tokens), log_total.new_empty(tokens)
    if tokens:
        _elect[(tokens,)](
            *(x.contiguous() for x in (scores, log_total, drafts, rows, weight)),
            best,
            log_p,
            vocab,
            BLOCK=2048,
            num_warps=8,
        )
    return best, log_p
