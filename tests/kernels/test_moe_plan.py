from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.dispatch import forced
from surtitle.kernels.moe_plan import UNUSED, Plan, moe_plan


def chosen(tokens: int, active: int, count: int) -> torch.Tensor:
    return torch.rand(tokens, count).argsort(dim=-1)[:, :active]


def check(plan: Plan, experts: torch.Tensor) -> None:
    """Every visit once, in a tile of its expert, in order; each tile has work or is unused."""
    flat = experts.flatten()
    assert sorted(plan.order.tolist()) == list(range(flat.numel()))
    covered: list[int] = []
    for expert, start, end in plan.tiles.T.tolist():
        if expert == UNUSED:
            continue
        rows = plan.order[start : min(start + plan.tile_rows, end)]
        assert len(rows) and (flat[rows.long()] == expert).all()
        covered += rows.tolist()
    assert covered == flat.argsort(stable=True).tolist()


@pytest.mark.parametrize("tile_rows", [16, 64])
@pytest.mark.parametrize("count", [3, 12, 128])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 300])
def test_invariants(tokens: int, count: int, tile_rows: int) -> None:
    experts = chosen(tokens, 2, count)
    check(moe_plan(experts, count, tile_rows), experts)


@pytest.mark.parametrize("count", [3, 12])
@pytest.mark.parametrize("tokens", [0, 1, 7, 13, 700])
def test_kernel(both: Any, tokens: int, count: int) -> None:
    experts = chosen(tokens, 2, count)
    actual, expected = both(moe_plan, experts, count, 16)
    check(actual, experts)
    assert torch.equal(actual.order, expected.order)
    assert torch.equal(actual.tiles, expected.tiles)


@pytest.mark.parametrize("expert", [0, 2, 3])
def test_all_tokens_to_one_expert(device: str, expert: int) -> None:
    experts = torch.full((100, 1), expert, device=device)
    with forced(triton=True):
        plan = moe_plan(experts, 4, 16)
    check(Plan(plan.order.cpu(), plan.tiles.cpu(), 16), experts.cpu())
