"""Canvases behind committed beginnings, at toy size."""

import copy
import dataclasses

import torch

from surtitle.model.network.batches import Example
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.training.canvases import Canvases
from surtitle.model.training.losses import _causal_pass


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_a_canvas_reads_nothing_behind_what_is_committed(tiny: Denoiser) -> None:
    """Another end of the answer changes the keys there, and no canvas before it."""
    tiny.eval()
    prompt, answer = (2, 5, 6, 3), (20, 21, 22, 23, 1)
    found: list[torch.Tensor] = []
    for last in 24, 25:
        row = Example(prompt, (*answer[:3], last, 1), answer)
        _, cache, _, _ = _causal_pass(tiny, [row])
        canvases = Canvases(tiny, [row], cache, [0], False, generator())
        canvases._commits, canvases._size = [2], 8
        found.append(canvases.scored(torch.full((1, 8), 30), None).hidden)
    torch.testing.assert_close(found[0], found[1])


def test_drafts_are_learned_from_nothing_but_noise(tiny: Denoiser) -> None:
    """With a mask token that says nothing, and behind several beginnings of one answer."""
    masked = copy.copy(tiny)
    masked.config = dataclasses.replace(tiny.config, mask_token_id=0)
    row = Example((2, 5, 3), tuple(range(20, 40)), tuple(range(20, 40)))
    _, cache, _, _ = _causal_pass(masked, [row])
    canvases = Canvases(masked, [row], cache, [0] * 8, False, generator())
    assert len(set(canvases._commits)) > 1
    canvas = canvases.noised()
    assert not canvas.any() and len(canvas) == 8
    whole = Canvases(masked, [row], cache, [0] * 8, True, generator())
    assert whole._commits == [0] * 8 and whole.noised().any()


def test_each_token_of_a_canvas_is_told_its_place_among_those_of_all_answers(
    tiny: Denoiser,
) -> None:
    answers = (20, 21, 1), (30, 31, 32, 33, 1), (40, 41, 42, 1)
    batch = [Example((2, 5, 3), answer, answer) for answer in answers]
    _, cache, targets, _ = _causal_pass(tiny, batch)
    canvases = Canvases(tiny, batch, cache, [1, 2], False, generator())
    canvases._commits, canvases._size = [2, 3], 8
    scored = canvases.scored(torch.full((2, 8), 30), None)
    assert targets[scored.places].tolist() == [32, 33, 1, 1]
    assert not scored.tail_targets.any()
