from __future__ import annotations

import pytest
import torch

from surtitle.kernels.top_tokens import top_tokens


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("vocab", "count"), [(1, 1), (50, 1), (50, 50), (513, 32), (6144, 7)])
@pytest.mark.parametrize("rows", [0, 1, 13])
def test_against_a_search_of_the_whole_row(
    rows: int, vocab: int, count: int, dtype: torch.dtype
) -> None:
    """In bfloat16, thousands of scores have equals."""
    scores = (torch.randn(rows, vocab) * 4).to(dtype)
    log_total = scores.float().logsumexp(dim=-1)
    probabilities, tokens = top_tokens(scores, log_total, count)
    assert probabilities.dtype == torch.float32 and tokens.dtype == torch.int64
    assert torch.equal(scores.gather(1, tokens), scores.topk(count).values)
    assert all(len(row.unique()) == count for row in tokens)
    expected = torch.softmax(scores.float(), dim=-1).gather(1, tokens)
    torch.testing.assert_close(probabilities, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("first", [0, 100, 481])
def test_the_highest_may_stand_together_or_at_the_end(first: int) -> None:
    scores = torch.zeros(2, 513)
    scores[:, first : first + 32] = torch.rand(2, 32) + 1
    _, tokens = top_tokens(scores, torch.zeros(2), 32)
    assert torch.equal(tokens.sort().values, torch.arange(first, first + 32).expand(2, -1))


def test_equal_and_forbidden_scores() -> None:
    scores = torch.full((1, 300), -1e30)
    scores[0, [7, 77, 299]] = 0.0
    probabilities, tokens = top_tokens(scores, torch.tensor([3.0]).log(), 5)
    assert set(tokens[0, :3].tolist()) == {7, 77, 299} and len(tokens.unique()) == 5
    torch.testing.assert_close(probabilities, torch.tensor([[1 / 3, 1 / 3, 1 / 3, 0.0, 0.0]]))


@pytest.mark.parametrize("count", [0, 51])
def test_a_count_that_cannot_be_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count must be 1 to .* 50, got {count}"):
        top_tokens(torch.zeros(1, 50), torch.zeros(1), count)
