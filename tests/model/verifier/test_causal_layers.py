"""Reading and writing from left to right, against `Denoiser.encode`."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from torch import Tensor

from surtitle.kernels import int8
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.network.kv_cache import PADDING
from surtitle.model.verifier.causal_layers import CausalLayers

LENGTHS = 5, 21, 13  # of the prompts; the window of conftest.py is 16
NEW = 7


def prefix_lm(model: Denoiser) -> Denoiser:
    changed = copy.copy(model)
    changed.config = dataclasses.replace(model.config, bidirectional_prompt=True)
    return changed


def by_steps(layers: CausalLayers, prompts: Tensor, new: Tensor, mutual: Tensor) -> list[Tensor]:
    """The states of the prompts' tokens [L, D] and of the new ones [NEW, D], row by row."""
    lengths = torch.tensor(LENGTHS)
    place = torch.arange(prompts.shape[1]).expand_as(prompts)
    cache = layers.cache(len(prompts), prompts.shape[1] + NEW)
    first = layers.forward(
        prompts, place.masked_fill(place >= lengths[:, None], PADDING), cache, mutual
    )
    steps = [
        layers.forward(new[:, i : i + 1], lengths[:, None] + i, cache)[:, 0] for i in range(NEW)
    ]
    after = torch.stack(steps, dim=1)
    return [torch.cat([first[i, :n], after[i]]) for i, n in enumerate(LENGTHS)]


@pytest.mark.parametrize("bidirectional", [False, True])
@torch.inference_mode()
def test_a_padded_batch_step_by_step_is_as_each_row_at_once(
    calm_model: Denoiser, bidirectional: bool
) -> None:
    model = prefix_lm(calm_model) if bidirectional else calm_model
    prompts, new = torch.randint(3, 400, (3, max(LENGTHS))), torch.randint(3, 400, (3, NEW))
    mutual = torch.tensor(LENGTHS)
    found = by_steps(CausalLayers(model), prompts, new, mutual)
    for i, length in enumerate(LENGTHS):
        row = torch.cat([prompts[i, :length], new[i]])[None]
        expected, _ = model.encode(row, prompt_tokens=mutual[i : i + 1])
        torch.testing.assert_close(found[i], expected[0], atol=2e-5, rtol=2e-5)


@torch.inference_mode()
def test_rows_are_taken_again_and_left_out(calm_model: Denoiser) -> None:
    layers = CausalLayers(calm_model)
    tokens = torch.randint(3, 400, (3, 9))
    place = torch.arange(9).expand_as(tokens)
    taken = torch.tensor([2, 0, 2])

    def states(shared: int) -> Tensor:
        cache = layers.cache(3, 10)
        layers.forward(tokens[:, :8], place[:, :8], cache)
        cache.select(taken, shared)
        return layers.forward(tokens[taken, 8:], place[:, 8:], cache)

    whole, _ = calm_model.encode(tokens[taken])
    torch.testing.assert_close(states(0)[:, 0], whole[:, 8], atol=2e-5, rtol=2e-5)
    tokens[:, :4] = tokens[0, :4]
    torch.testing.assert_close(states(4), states(0), atol=2e-5, rtol=2e-5)


@torch.inference_mode()
def test_scores_are_those_of_the_model(calm_model: Denoiser) -> None:
    hidden = torch.randn(2, 3, calm_model.config.hidden_size)
    found = CausalLayers(calm_model).logits(hidden)
    torch.testing.assert_close(found, calm_model.logits(hidden))


@pytest.mark.skipif(not int8.is_supported(), reason="no products of 8 bits here")
@torch.inference_mode()
def test_8_bits_change_little(calm_model: Denoiser) -> None:
    prompts, new = torch.randint(3, 400, (3, max(LENGTHS))), torch.randint(3, 400, (3, NEW))
    mutual = torch.tensor(LENGTHS)
    exact, rounded = (
        torch.cat(by_steps(CausalLayers(calm_model, int8=bits), prompts, new, mutual))
        for bits in (False, True)
    )
    assert 0 < (rounded - exact).norm() / exact.norm() < 0.1
