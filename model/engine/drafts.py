"""What becomes of a draft between two passes: tokens in, tokens out."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from ...kernels.canvas_step import FREE

SLIP = 5  # tokens that a draft may be ahead of what was written


def until(tokens: Sequence[int], ends: Container[int]) -> list[int]:
    """The tokens before the first of these."""
    return list(takewhile(lambda token: token not in ends, tokens))


def drafted(best: Sequence[int], last: int, ends: Container[int]) -> list[int]:
    """The tokens that a canvas behind the token `last` proposes: up to its first end, and one for a
    run of equal ones, as a canvas stutters where it is not sure how far a word has come.

    An end needs no proposal: it is what the verifier may write behind all that it accepts.
    """
    found: list[int] = []
    for token in until(best, ends):
        if token != last:
            found.append(token)
        last = token
    return found


def behind(draft: Sequence[int], written: Sequence[int]) -> list[int]:
    """The rest of a draft behind what was written in its place.

    Where the last token that was written is not the draft's, the draft is out of step. It goes on
    behind that token, if it has it a little further on; else all of it waits: a draft lacks words
    more often than it has others (docs/engine.md).
    """
    agreed = 0
    while agreed < min(len(draft), len(written)) and draft[agreed] == written[agreed]:
        agreed += 1
    if agreed == len(written):
        return list(draft[agreed:])
    rest = list(draft[len(written) - 1 :])
    near = rest[: SLIP + 1]
    return rest[near.index(written[-1]) + 1 :] if written[-1] in near else rest


def opened(best: NDArray[np.int64], entropy: NDArray[np.float32], bound: float) -> list[int]:
    """A canvas for its next step: the tokens that `entropy_bound` accepts, else FREE, for noise."""
    order = np.argsort(entropy, kind="stable")
    before = np.cumsum(entropy[order]) - entropy[order]
    kept = np.full(len(best), FREE)
    kept[order[before <= bound]] = best[order[before <= bound]]
    return kept.tolist()
