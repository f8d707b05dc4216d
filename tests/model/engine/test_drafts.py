from __future__ import annotations

import numpy as np
import pytest
import torch

from surtitle.kernels.canvas_step import FREE
from surtitle.kernels.entropy_bound import entropy_bound
from surtitle.model.engine.drafts import behind, drafted, opened, until


def test_a_draft_ends_before_its_end_mark() -> None:
    assert until([5, 6, 1, 7], {1}) == [5, 6]
    assert drafted([5, 6, 0, 7], 4, {0, 1}) == [5, 6]
    assert drafted([1], 4, {0, 1}) == []


def test_equal_neighbors_become_one_with_the_committed_token_before_them() -> None:
    assert drafted([4, 4, 5, 5, 6, 5, 5], 4, {1}) == [5, 6, 5]


@pytest.mark.parametrize(
    ("draft", "written", "rest"),
    [
        ([5, 6, 7, 8], [5, 6], [7, 8]),  # all of it was right
        ([5, 6, 7, 8], [5, 9], [6, 7, 8]),  # it lacks a word
        ([5, 6, 7, 8], [5, 7], [8]),  # it had one too many
        ([5, 6, 7, 8, 9], [8], [9]),
        ([5, 6, 7, 8, 9, 4, 2, 3], [2], [5, 6, 7, 8, 9, 4, 2, 3]),  # too far: chance
        ([5, 6, 7, 8], [9, 3, 7], [8]),  # a newer draft of what was committed meanwhile
        ([5], [5, 6], []),
        ([], [4], []),
    ],
)
def test_what_is_left_of_a_draft(draft: list[int], written: list[int], rest: list[int]) -> None:
    assert behind(draft, written) == rest


@pytest.mark.parametrize("size", [1, 2, 13])
def test_a_canvas_keeps_what_the_bound_accepts(size: int) -> None:
    rng = np.random.default_rng(size)
    best = rng.integers(2, 9, size)
    entropy = rng.random(size, dtype=np.float32)
    accepted = entropy_bound(torch.from_numpy(entropy)[None], 0.7)[0].tolist()
    expected = [token if ok else FREE for token, ok in zip(best.tolist(), accepted, strict=True)]
    assert opened(best, entropy, 0.7) == expected
