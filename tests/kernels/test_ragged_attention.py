from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.ragged_attention import Sequences, ragged_attention

NEW, PREFIX = [1, 0, 7, 13, 40], [0, 3, 13, 1, 150]


def sequences(causal: list[bool]) -> Sequences:
    def int32(values: list[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int32)

    starts = int32([0, *NEW]).cumsum(0).to(torch.int32)
    # The first has no prefix; the fourth's lies inside the fifth's.
    return Sequences(starts, int32([9, 2, 5, 40, 20]), int32(PREFIX), torch.tensor(causal), 41)


def operands(heads: int, groups: int, size: int) -> tuple[Any, ...]:
    tokens = sum(NEW)
    q = torch.randn(tokens, heads, size) * 0.5
    k, v = torch.randn(2, tokens, groups, size).unbind()
    return q, k, v, tuple(torch.randn(2, 175, groups, size).unbind())


def naive(q: Any, k: Any, v: Any, arena: Any, given: Sequences, window: int | None) -> Any:
    out, shared = torch.zeros_like(q), q.shape[1] // k.shape[1]
    for b, (start, prefix) in enumerate(zip(given.starts.tolist(), PREFIX, strict=False)):
        first = int(given.prefix_starts[b])
        for i in range(NEW[b]):
            here, causal = prefix + i, bool(given.causal[b])
            seen = [
                p
                for p in range(prefix + NEW[b])
                if not (causal and p > here)
                and (window is None or p > (here if causal else prefix) - window)
            ]
            for h in range(q.shape[1]):
                pairs = [
                    (arena[0][first + p, h // shared], arena[1][first + p, h // shared])
                    if p < prefix
                    else (k[start + p - prefix, h // shared], v[start + p - prefix, h // shared])
                    for p in seen
                ]
                keys, values = (torch.stack(x) for x in zip(*pairs, strict=True))
                out[start + i, h] = torch.softmax(keys @ q[start + i, h], dim=0) @ values
    return out


@pytest.mark.parametrize("window", [None, 1, 5, 90])
def test_against_the_loop(window: int | None) -> None:
    given = (*operands(4, 2, 8), sequences([True, False, False, True, True]), window)
    torch.testing.assert_close(ragged_attention(*given), naive(*given), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("causal", [[True, False] * 2 + [True], [False, True] * 2 + [False]])
@pytest.mark.parametrize("window", [None, 1, 5, 90])
@pytest.mark.parametrize(("heads", "groups", "size"), [(4, 2, 16), (8, 1, 24)])
def test_kernel(
    both: Any,
    close: Any,
    dtype: torch.dtype,
    heads: int,
    groups: int,
    size: int,
    window: int | None,
    causal: list[bool],
) -> None:
    q, k, v, arena = operands(heads, groups, size)
    arena = tuple(x.to(dtype) for x in arena)
    given = q.to(dtype), k.to(dtype), v.to(dtype), arena, sequences(causal), window
    close(*both(ragged_attention, *given))


def test_keys_behind_the_prefix_are_not_seen(both: Any) -> None:
    """Where a draft that was rejected has left its own, and another prompt has its place."""
    q, k, v, arena = operands(4, 2, 16)
    given = sequences([True, False, True, True, True])
    read = torch.zeros(len(arena[0]), dtype=torch.bool)
    for start, count in zip(given.prefix_starts.tolist(), PREFIX, strict=True):
        read[start : start + count] = True
    assert not bool(read.all())
    cleared = tuple(x.masked_fill(~read[:, None, None], 1e6) for x in arena)
    actual, expected = both(ragged_attention, q, k, v, cleared, given, None)
    assert torch.equal(expected, ragged_attention(q, k, v, arena, given, None))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_no_tokens_at_all(both: Any) -> None:
    none = torch.zeros(0, 2, 8)
    starts, causal = torch.zeros(1, dtype=torch.int32), torch.zeros(0, dtype=torch.bool)
    given = Sequences(starts, starts[1:], starts[1:], causal, 0)
    actual, expected = both(ragged_attention, none, none, none, (none, none), given, None)
    assert actual.shape == expected.shape == (0, 2, 8)


def test_kernel_with_heads_in_two_parts(both: Any, close: Any, dtype: torch.dtype) -> None:
    """As in full layers, where a head is too large for one program."""
    q, k, v, arena = operands(4, 2, 300)
    arena = tuple(x.to(dtype) for x in arena)
    given = (q * 0.2).to(dtype), k.to(dtype), v.to(dtype), arena
    close(*both(ragged_attention, *given, sequences([True, False] * 2 + [True]), None))
