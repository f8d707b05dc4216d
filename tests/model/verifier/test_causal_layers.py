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
from surtitle.model.verifier.causal_layers import CausalLayers, joined

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
def test_rows_take_the_places_of_others(calm_model: Denoiser) -> None:
    layers = CausalLayers(calm_model)
    tokens = torch.randint(3, 400, (3, 9))
    tokens[:, :4] = tokens[0, :4]
    place = torch.arange(9).expand_as(tokens)
    taken = torch.tensor([2, 0, 2])

    def states(shared: int) -> Tensor:
        cache = layers.cache(3, 10)
        layers.forward(tokens[:, :8], place[:, :8], cache)
        cache.select(torch.tensor([0, 1]), taken[:2], shared)
        return layers.forward(tokens[taken, 8:], place[:, 8:], cache)

    whole, _ = calm_model.encode(tokens[taken])
    for shared in (0, 4):
        torch.testing.assert_close(states(shared)[:, 0], whole[:, 8], atol=2e-5, rtol=2e-5)


@torch.inference_mode()
def test_rows_of_several_caches_go_on_as_those_of_one(calm_model: Denoiser) -> None:
    """Of other lengths, with gaps between their tokens; one is taken twice, one is left out."""
    layers = CausalLayers(calm_model)
    tokens, lengths = torch.randint(3, 400, (5, 12)), [4, 9, 6, 11, 7]
    place = torch.arange(11).expand(5, 11)
    gapped = place.where(place < torch.tensor(lengths)[:, None], PADDING)
    gapped[2:] = gapped[2:].roll(3, dims=1)  # of the second cache
    shifted = tokens[:, :11].clone()
    shifted[2:] = shifted[2:].roll(3, dims=1)
    caches = [layers.cache(2, 11), layers.cache(3, 14)]
    layers.forward(shifted[:2], gapped[:2], caches[0])
    layers.forward(shifted[2:], gapped[2:], caches[1])
    both = joined([(caches[0], torch.tensor([1, 0])), (caches[1], torch.tensor([2, 2, 0]))], 1)
    assert both.used == 9
    rows = [1, 0, 4, 4, 2]
    ends = torch.tensor([lengths[row] for row in rows])[:, None]
    found = layers.forward(tokens[rows].gather(1, ends), ends, both)
    for row, state in zip(rows, found[:, 0], strict=True):
        whole, _ = calm_model.encode(tokens[row : row + 1, : lengths[row] + 1])
        torch.testing.assert_close(state, whole[0, -1], atol=2e-5, rtol=2e-5)


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
