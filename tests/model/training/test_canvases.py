"""Canvases behind committed beginnings, at toy size."""

import pytest
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
        canvases = Canvases(tiny, [row], cache, slice(0, 1), False, generator())
        canvases._commits, canvases._size = [2], 8
        found.append(canvases.scored(torch.full((1, 8), 30), None).hidden)
    torch.testing.assert_close(found[0], found[1])


def test_own_drafts_move_the_commit_behind_what_is_right(
    tiny: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Example((2, 5, 3), (20, 21, 22, 23, 24, 25, 1), (20, 21, 22, 23, 24, 25, 1))
    draft = torch.tensor([[20, 21, 99, 23, 24, 25, 1, 0]])
    _, cache, _, _ = _causal_pass(tiny, [row])
    canvases = Canvases(tiny, [row], cache, slice(0, 1), True, generator())
    canvases._size, canvases._share = 8, torch.zeros(1, 1)
    monkeypatch.setattr(canvases, "_belief", lambda *_: (torch.zeros(1, 8, 32), draft))
    canvas, _ = canvases.redrafted()
    assert canvases._commits == [3]  # two that are right, and the causal pass's own
    assert canvas[0, :5].tolist() == [23, 24, 25, 1, 0]


def test_own_drafts_that_are_right_to_their_end_leave_noise(
    tiny: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = tuple(range(20, 32))
    row = Example((2, 5, 3), answer, answer)
    _, cache, _, _ = _causal_pass(tiny, [row])
    canvases = Canvases(tiny, [row], cache, slice(0, 1), False, generator())
    canvases._commits, canvases._size = [1], 8
    draft = torch.tensor([answer[1:9]])
    monkeypatch.setattr(canvases, "_belief", lambda *_: (torch.zeros(1, 8, 32), draft))
    canvas, _ = canvases.redrafted()
    assert canvases._commits == [9]
    assert canvas.shape == (1, 8)


def test_each_token_of_a_canvas_is_told_its_place_among_those_of_all_answers(
    tiny: Denoiser,
) -> None:
    answers = (20, 21, 1), (30, 31, 32, 33, 1), (40, 41, 42, 1)
    batch = [Example((2, 5, 3), answer, answer) for answer in answers]
    _, cache, targets, _ = _causal_pass(tiny, batch)
    canvases = Canvases(tiny, batch, cache, slice(1, 3), False, generator())
    canvases._commits, canvases._size = [2, 3], 8
    scored = canvases.scored(torch.full((2, 8), 30), None)
    assert targets[scored.places].tolist() == [32, 33, 1, 1]
    assert not scored.tail_targets.any()
