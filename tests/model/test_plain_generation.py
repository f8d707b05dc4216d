"""The generation loop on the tiny model: canvases, end marks, ragged batches."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.canvas_step import FREE
from surtitle.model.network.config import SamplerConfig
from surtitle.model.network.denoiser import Denoiser

from .plain_generation import Generation, generate
from .plain_sampler import EntropyBoundSampler

VOCABULARY, CANVAS, PAD = 512, 32, 0
NEVER = (511,)  # an end mark that these weights do not write

# Everything is accepted and almost no chance is left in the draws, so that the same canvases come
# out whatever the other rows of the batch draw.
NO_CHANCE = SamplerConfig(
    max_denoising_steps=6,
    t_min=1e-5,
    t_max=2e-5,
    entropy_bound=1e6,
    confidence_threshold=0.5,
)


def prompts(rows: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randint(3, 400, (rows, length), generator=generator)


def run(model: Denoiser, prompt: Tensor, mask: Tensor | None = None, **settings: Any) -> Generation:
    config = settings.pop("config", SamplerConfig(max_denoising_steps=4))
    ends = settings.pop("eos", NEVER)
    variant = copy.copy(model)  # shares the weights
    variant.config = dataclasses.replace(model.config, eos_token_ids=ends)
    sampler = EntropyBoundSampler(config, VOCABULARY, torch.Generator().manual_seed(3))
    return generate(variant, sampler, prompt, mask, **{"max_new_tokens": CANVAS, **settings})


# Lengths


def test_new_tokens_are_rounded_up_to_whole_canvases(model: Denoiser) -> None:
    assert run(model, prompts(1, 5), max_new_tokens=CANVAS + 1).tokens.shape == (1, 2 * CANVAS)


@pytest.mark.parametrize("size", [16, 40, 256])
def test_canvas_length_is_a_parameter(model: Denoiser, size: int) -> None:
    tokens = run(model, prompts(1, 5), max_new_tokens=size, canvas_tokens=size).tokens
    assert tokens.shape == (1, size)


@pytest.mark.parametrize("size", [0, 15, 257])
def test_other_canvas_lengths_are_refused(model: Denoiser, size: int) -> None:
    with pytest.raises(ValueError, match=f"canvas_tokens must be 16 to 256, got {size}"):
        run(model, prompts(1, 5), canvas_tokens=size)


def test_no_new_tokens_is_refused(model: Denoiser) -> None:
    with pytest.raises(ValueError, match="max_new_tokens must be 1 or more, got 0"):
        run(model, prompts(1, 5), max_new_tokens=0)


# Several canvases, end marks


def test_cache_covers_the_prompt_and_all_canvases_but_the_last(model: Denoiser) -> None:
    done = run(model, prompts(2, 5), max_new_tokens=2 * CANVAS)
    assert done.cache.lengths.tolist() == [5 + CANVAS] * 2


def test_a_row_that_ended_is_padding_from_then_on(model: Denoiser) -> None:
    first = run(model, prompts(2, 5)).tokens
    mark = int(first[0, 3])  # this draw becomes the end mark of the next run
    assert mark not in first[0, :3] and mark not in first[1]
    tokens = run(model, prompts(2, 5), eos=(mark,), max_new_tokens=2 * CANVAS).tokens
    assert tokens[0, :4].tolist() == first[0, :4].tolist()
    assert tokens[0, 4:].unique().tolist() == [PAD]
    assert torch.equal(tokens[1, :CANVAS], first[1])


def test_generation_stops_when_all_rows_have_ended(model: Denoiser) -> None:
    first = run(model, prompts(1, 5)).tokens
    ended = run(model, prompts(1, 5), eos=(int(first[0, 3]),), max_new_tokens=4 * CANVAS)
    assert ended.tokens.shape == (1, CANVAS)
    assert ended.steps.tolist() == [4]


# Our additions, through the loop


def test_start_and_pins_apply_to_the_first_canvas_only(model: Denoiser) -> None:
    pinned = torch.full((1, CANVAS), FREE)
    pinned[0, :3] = torch.tensor([401, 402, 403])
    tokens = run(model, prompts(1, 5), pinned=pinned, max_new_tokens=2 * CANVAS).tokens
    assert tokens[0, :3].tolist() == [401, 402, 403]
    assert tokens[0, CANVAS : CANVAS + 3].tolist() != [401, 402, 403]


def test_a_pinned_end_mark_ends_the_row(model: Denoiser) -> None:
    pinned = torch.full((1, CANVAS), FREE)
    pinned[0, 5] = NEVER[0]
    tokens = run(model, prompts(1, 5), pinned=pinned).tokens
    assert int(tokens[0, 5]) == NEVER[0]
    assert tokens[0, 6:].unique().tolist() == [PAD]


def test_forbidding_the_end_mark_at_position_0_gives_an_answer(model: Denoiser) -> None:
    """In the second canvas an end mark may come first: the answer filled the first one exactly."""
    prompt = prompts(1, 5)
    mark = int(run(model, prompt).tokens[0, 0])
    assert run(model, prompt, eos=(mark,)).tokens[0, 1:].unique().tolist() == [PAD]
    tokens = run(model, prompt, eos=(mark,), forbidden=(mark,)).tokens
    assert int(tokens[0, 0]) not in (mark, PAD)


# Ragged batches


def test_a_ragged_batch_gives_the_tokens_of_its_rows(model: Denoiser) -> None:
    whole = prompts(3, 40)
    lengths = [5, 17, 40]
    mask = torch.arange(40) < torch.tensor(lengths)[:, None]
    start = torch.randint(0, VOCABULARY, (3, CANVAS))
    together = run(model, whole, mask, config=NO_CHANCE, start=start).tokens
    for row, length in enumerate(lengths):
        alone = run(
            model, whole[row : row + 1, :length], config=NO_CHANCE, start=start[row : row + 1]
        ).tokens
        assert torch.equal(together[row], alone[0]), f"row {row}"


def test_padding_is_never_seen(model: Denoiser) -> None:
    prompt = prompts(2, 20)
    mask = torch.arange(20) < torch.tensor([[9], [20]])
    other = prompt.clone()
    other[0, 9:] = 77
    assert torch.equal(run(model, prompt, mask).tokens, run(model, other, mask).tokens)
