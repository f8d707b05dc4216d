from __future__ import annotations

import torch
from torch import Tensor

from surtitle.model.network.config import FULL, SLIDING
from surtitle.model.network.kv_cache import PADDING, KVCache, canvas_mask, causal_mask, extend


def cache_of(positions: list[list[int]]) -> KVCache:
    at = torch.tensor(positions)
    keys = at[:, :, None, None].float()  # [B, S, 1, 1]: a key knows its own position
    return KVCache(at, ((keys, -keys),))


def visible(mask: Tensor) -> list[list[int]]:
    """For each query of the first row, the keys it sees."""
    return [row.nonzero().flatten().tolist() for row in mask[0]]


def test_lengths_do_not_count_padding() -> None:
    assert cache_of([[0, 1, 2], [0, PADDING, PADDING]]).lengths.tolist() == [3, 1]


def test_new_positions_follow_the_cached_ones() -> None:
    new = torch.tensor([[2, 3], [1, 2]])
    assert extend(None, new).tolist() == new.tolist()
    cache = cache_of([[0, 1], [0, PADDING]])
    assert extend(cache, new).tolist() == [[0, 1, 2, 3], [0, PADDING, 1, 2]]


def test_a_causal_query_sees_itself_and_what_came_before() -> None:
    at = torch.arange(3)[None]
    assert visible(causal_mask(at, at, None)) == [[0], [0, 1], [0, 1, 2]]


def test_the_window_counts_the_query_itself() -> None:
    at = torch.arange(4)[None]
    assert visible(causal_mask(at, at, 2)) == [[0], [0, 1], [1, 2], [2, 3]]


def test_padding_between_two_encoded_parts_is_not_seen() -> None:
    keys = torch.tensor([[0, PADDING, 1, 2]])
    assert visible(causal_mask(torch.tensor([[1, 2]]), keys, None)) == [[0, 2], [0, 2, 3]]


def test_a_padded_query_sees_something() -> None:
    """Else its softmax would be nan, and nan times 0 stays nan in the keys it writes."""
    at = torch.tensor([[0, PADDING]])
    assert visible(causal_mask(at, at, None))[1] == [1]


def test_prompt_tokens_can_see_each_other() -> None:
    at = torch.arange(4)[None]
    mask = causal_mask(at, at, None, mutual_end=torch.tensor([2]))
    assert visible(mask) == [[0, 1], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_the_canvas_sees_the_whole_prefix_and_itself_in_full_layers() -> None:
    mask = canvas_mask(cache_of([[0, 1, 2, PADDING]]), 2, FULL, window=2)
    assert visible(mask) == [[0, 1, 2, 4, 5]]


def test_the_canvas_sees_the_last_tokens_of_the_prefix_in_sliding_layers() -> None:
    """One less than the window, the same for every canvas position."""
    mask = canvas_mask(cache_of([[0, 1, 2, 3, PADDING]]), 2, SLIDING, window=3)
    assert visible(mask) == [[2, 3, 5, 6]]
