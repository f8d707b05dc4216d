"""The joint loss at toy size."""

import pytest
import torch

from surtitle.model.network.batches import Example
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.training import losses
from surtitle.model.training.losses import autoregressive_loss, joint_loss

BATCH = [
    Example((2, *range(4, 4 + n), 3), (*range(20, 20 + n), 1), (*range(20, 20 + n), 1))
    for n in range(1, 12)
]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("own_drafts", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 11])
def test_a_batch_of_any_size_has_a_loss_and_gradients(
    tiny: Denoiser, rows: int, own_drafts: bool
) -> None:
    tiny.train().zero_grad()
    seeded = generator()
    for _ in range(6):  # with and without self-conditioning, and own drafts
        joint_loss(tiny, BATCH[:rows], seeded, own_drafts).backward()
    gradients = [p.grad for p in tiny.parameters() if p.grad is not None]
    assert all(bool(gradient.isfinite().all()) for gradient in gradients)
    assert tiny.self_conditioning.gate_proj.weight.grad is not None


def test_writing_is_half_of_it(tiny: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where canvases count nothing the rest is the next-token loss."""
    tiny.train()
    monkeypatch.setattr(losses, "BALANCE_WEIGHT", 0.0)
    writing = autoregressive_loss(tiny, BATCH).item()
    both = joint_loss(tiny, BATCH, generator()).item()
    assert both > writing + 1  # nats: canvases are guesses yet
    nothing = torch.zeros(0, 32), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    monkeypatch.setattr(losses._Canvases, "scored", lambda *_: nothing)
    assert joint_loss(tiny, BATCH, generator()).item() == pytest.approx(writing, abs=1e-5)


def test_a_canvas_reads_nothing_behind_what_is_committed(tiny: Denoiser) -> None:
    """Another end of the answer changes the keys there, and no canvas before it."""
    tiny.eval()
    prompt, answer = (2, 5, 6, 3), (20, 21, 22, 23, 1)
    found: list[torch.Tensor] = []
    for last in 24, 25:
        row = Example(prompt, (*answer[:3], last, 1), answer)
        _, cache, _, _ = losses._causal_pass(tiny, [row])
        canvases = losses._Canvases(tiny, [row], cache, slice(0, 1), False, generator())
        canvases._commits, canvases._size = [2], 8
        hidden, _, _ = canvases.scored(torch.full((1, 8), 30), None)
        found.append(hidden[:3])
    torch.testing.assert_close(found[0], found[1])


def test_own_drafts_move_the_commit_behind_what_is_right(
    tiny: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = Example((2, 5, 3), (20, 21, 22, 23, 24, 25, 1), (20, 21, 22, 23, 24, 25, 1))
    draft = torch.tensor([[20, 21, 99, 23, 24, 25, 1, 0]])
    _, cache, _, _ = losses._causal_pass(tiny, [row])
    canvases = losses._Canvases(tiny, [row], cache, slice(0, 1), True, generator())
    canvases._size, canvases._share = 8, torch.zeros(1, 1)
    monkeypatch.setattr(canvases, "_belief", lambda *_: (torch.zeros(1, 8, 32), draft))
    canvas, _ = canvases.redrafted()
    assert canvases._commits == [3]  # two that are right, and the causal pass's own
    assert canvas[0, :5].tolist() == [23, 24, 25, 1, 0]
