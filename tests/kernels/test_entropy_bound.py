from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.entropy_bound import entropy_bound


def naive(entropy: Tensor, bound: float) -> list[list[bool]]:
    """Accept in rising order of doubt while what was accepted before stays within the bound."""
    rows: list[list[bool]] = []
    for row in entropy.tolist():
        accepted, spent = [False] * len(row), 0.0
        for i in sorted(range(len(row)), key=row.__getitem__):
            if spent > bound or row[i] == float("inf"):
                break
            accepted[i] = True
            spent += row[i]
        rows.append(accepted)
    return rows


@pytest.mark.parametrize("bound", [0.1, 1.0, 8.0, 1e6])
@pytest.mark.parametrize("size", [0, 1, 7, 13, 300])
def test_against_the_loop(size: int, bound: float) -> None:
    torch.manual_seed(size)
    entropy = torch.rand(5, size).pow(4) * 3
    # In eighths, so that sums are exact and no rounding decides.
    entropy = (entropy * 8).round() / 8 + torch.arange(size) / 2**16
    assert entropy_bound(entropy, bound).tolist() == naive(entropy, bound)


def test_the_most_certain_position_is_always_accepted() -> None:
    assert entropy_bound(torch.tensor([[5.0, 4.0, 6.0]]), 0.1).tolist() == [[False, True, False]]


def test_infinite_doubt_is_never_accepted() -> None:
    entropy = torch.tensor([[torch.inf, 0.0, torch.inf], [torch.inf] * 3])
    assert entropy_bound(entropy, 1e6).tolist() == [[False, True, False], [False] * 3]


def test_rows_are_independent() -> None:
    entropy = torch.rand(6, 13)
    together = entropy_bound(entropy, 0.5)
    alone = torch.cat([entropy_bound(row[None], 0.5) for row in entropy])
    assert torch.equal(together, alone)


@pytest.mark.parametrize("bound", [0.1, 8.0, 1e6])
@pytest.mark.parametrize("size", [0, 1, 7, 13, 300])
def test_kernel(both: Any, size: int, bound: float) -> None:
    entropy = ((torch.rand(5, size).pow(4) * 24).round() + torch.arange(size) / 2**13) / 8
    entropy[torch.rand(5, size) < 0.1] = torch.inf
    actual, expected = both(entropy_bound, entropy, bound)
    assert torch.equal(actual, expected)


def test_kernel_among_equals(both: Any) -> None:
    actual, _ = both(entropy_bound, torch.full((1, 13), 0.25), 1.0)
    assert actual.tolist() == [[True] * 5 + [False] * 8]
