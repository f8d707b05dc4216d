from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.vote import vote

POSITIONS = 5


def operands(tokens: int, vocab: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Scores in halves, so that every sum is exact and there are equals."""
    scores = (torch.randn(tokens, vocab) * 4).round() / 2
    drafts = (torch.randn(POSITIONS, vocab) * 4).round() / 2
    weight = torch.randint(3, (tokens,)) / 4
    rows = torch.randint(POSITIONS, (tokens,))
    return scores.to(dtype), scores.logsumexp(dim=-1), drafts.to(dtype), rows, weight


def naive(
    scores: Tensor, log_total: Tensor, drafts: Tensor, rows: Tensor, weight: Tensor
) -> tuple[list[int], list[float]]:
    best: list[int] = []
    log_p: list[float] = []
    for t in range(len(scores)):
        drafted, share = drafts[rows[t]].tolist(), float(weight[t])
        both = [own + share * its for own, its in zip(scores[t].tolist(), drafted, strict=True)]
        best.append(both.index(max(both)))
        log_p.append(float(scores[t, best[-1]] - log_total[t]))
    return best, log_p


@pytest.mark.parametrize(("tokens", "vocab"), [(0, 7), (1, 1), (7, 13), (13, 300)])
def test_against_the_loop(tokens: int, vocab: int) -> None:
    given = operands(tokens, vocab)
    best, log_p = vote(*given)
    assert (best.tolist(), log_p.tolist()) == naive(*given)


@pytest.mark.parametrize(("tokens", "vocab"), [(0, 7), (1, 1), (13, 300), (3, 2048), (3, 4099)])
def test_kernel(both: Any, close: Any, dtype: torch.dtype, tokens: int, vocab: int) -> None:
    actual, expected = both(vote, *operands(tokens, vocab, dtype))
    assert torch.equal(actual[0], expected[0])
    close(actual[1], expected[1])


def test_without_a_vote_the_verifier_decides(both: Any) -> None:
    scores, log_total, drafts, rows, _ = operands(7, 300)
    alone = torch.zeros(7)
    actual, expected = both(vote, scores, log_total, drafts, rows, alone)
    assert torch.equal(actual[0], scores.argmax(dim=-1))
    assert torch.equal(actual[0], expected[0])


def test_the_canvas_decides_what_is_nearly_even() -> None:
    scores, drafts = torch.tensor([[2.0, 1.9, -9.0]]), torch.tensor([[0.0, 1.0, 9.0]])
    log_total, row = scores.logsumexp(dim=-1), torch.zeros(1, dtype=torch.int64)
    assert vote(scores, log_total, drafts, row, torch.tensor([0.3]))[0].tolist() == [1]
    assert vote(scores, log_total, drafts, row, torch.tensor([0.05]))[0].tolist() == [0]
