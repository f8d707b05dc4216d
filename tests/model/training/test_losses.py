"""The joint loss at toy size."""

import pytest
import torch

from surtitle.model.network.batches import Example
from surtitle.model.network.denoiser import Denoiser
from surtitle.model.training import losses
from surtitle.model.training.canvases import Canvases, Scored
from surtitle.model.training.losses import autoregressive_loss, joint_loss

BATCH = [
    Example((2, *range(4, 4 + n), 3), (*range(20, 20 + n), 1), (*range(20, 20 + n), 1))
    for n in range(1, 12)
]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("rows", [1, 2, 11])
def test_a_batch_of_any_size_has_a_loss_and_gradients(tiny: Denoiser, rows: int) -> None:
    tiny.train().zero_grad()
    seeded = generator()
    for _ in range(20):  # with and without self-conditioning, and whole canvases
        joint_loss(tiny, BATCH[:rows], seeded).backward()
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
    hidden, tokens, weights = torch.zeros(0, 32), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    nothing = Scored(hidden, tokens, weights, hidden, tokens, weights)
    monkeypatch.setattr(Canvases, "scored", lambda *_: nothing)
    assert joint_loss(tiny, BATCH, generator()).item() == pytest.approx(writing, abs=1e-5)
