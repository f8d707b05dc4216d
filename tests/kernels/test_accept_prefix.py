from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.accept_prefix import Verdict, accept_prefix

SIZES = [[], [0], [1], [0, 7, 0, 1, 13, 0], [300, 2, 64, 65], [1] * 70]


def operands(sizes: list[int], agreement: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of every token, the next one is what the verifier writes, as often as `agreement` says."""
    starts = torch.tensor([0, *accumulate(sizes)], dtype=torch.int32)
    count = sum(sizes)
    tokens = torch.randint(9, (count,))
    differs = torch.rand(count) >= agreement
    best = torch.where(differs, torch.randint(9, (count,)), tokens.roll(-1))
    return tokens, best, -torch.randint(64, (count,)) / 8, starts  # sums are exact


def naive(
    tokens: Tensor, best: Tensor, log_p: Tensor, starts: Tensor
) -> tuple[list[int], list[int], list[float]]:
    """Write on as long as the draft says the same."""
    accepted: list[int] = []
    own: list[int] = []
    total: list[float] = []
    bounds = starts.tolist()
    for start, end in zip(bounds, bounds[1:], strict=False):
        draft, written = tokens[start + 1 : end].tolist(), best[start:end].tolist()
        n = 0
        while n < len(draft) and draft[n] == written[n]:
            n += 1
        accepted.append(n)
        own.append(written[n] if written else -1)
        total.append(float(log_p[start:end][: n + 1].sum()))
    return accepted, own, total


def listed(verdict: Verdict) -> tuple[list[int], list[int], list[float]]:
    return verdict.accepted.tolist(), verdict.own.tolist(), verdict.log_p.tolist()


@pytest.mark.parametrize("agreement", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_against_the_loop(sizes: list[int], agreement: float) -> None:
    given = operands(sizes, agreement)
    assert listed(accept_prefix(*given)) == naive(*given)


@pytest.mark.parametrize("agreement", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("sizes", SIZES)
def test_kernel(both: Any, sizes: list[int], agreement: float) -> None:
    actual, expected = both(accept_prefix, *operands(sizes, agreement))
    for name in Verdict.__slots__:
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


def test_the_next_sequence_is_not_taken_for_a_draft() -> None:
    """All agree, also the last token of each with the first of the next."""
    starts = torch.tensor([0, 1, 3, 6], dtype=torch.int32)
    tokens = torch.full((6,), 5)
    verdict = accept_prefix(tokens, tokens, torch.zeros(6), starts)
    assert verdict.accepted.tolist() == [0, 1, 2]


def test_what_is_rejected_says_nothing_of_the_likelihood(both: Any) -> None:
    """What the verifier thinks behind its own token it thinks of a text that is not written."""
    tokens, best = torch.tensor([1, 2, 3, 4, 1]), torch.tensor([2, 9, 4, 5, 6])
    log_p = torch.tensor([-1.0, -2.0, torch.nan, -torch.inf, -4.0])
    starts = torch.tensor([0, 4, 5], dtype=torch.int32)
    for verdict in both(accept_prefix, tokens, best, log_p, starts):
        assert listed(verdict) == ([1, 0], [9, 6], [-3.0, -4.0])
