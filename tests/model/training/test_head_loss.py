import pytest
import torch
import torch.nn.functional as F

from surtitle.model.training.head_loss import (
    CHUNK_ROWS,
    head_belief,
    head_likeness,
    head_loss,
)

CAP = 30.0


@pytest.mark.parametrize("rows", [1, CHUNK_ROWS, CHUNK_ROWS + 7])
def test_equals_the_plain_computation(rows: int) -> None:
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    targets, weights = torch.randint(0, 50, (rows,)), torch.rand(rows)
    logits = CAP * torch.tanh(hidden @ weight.T / CAP)
    plain = (F.cross_entropy(logits, targets, reduction="none") * weights).sum()
    expected = torch.autograd.grad(2 * plain, (hidden, weight))
    fused = head_loss(hidden, weight, targets, weights, CAP)
    found = torch.autograd.grad(2 * fused, (hidden, weight))
    torch.testing.assert_close(fused, plain)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rows", [1, CHUNK_ROWS + 7])
def test_likeness_equals_the_plain_computation(rows: int) -> None:
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 16, requires_grad=True)
    weight = torch.randn(50, 16, requires_grad=True)
    teacher, weights = torch.randn(rows, 16), torch.rand(rows)
    taught = torch.softmax(CAP * torch.tanh(teacher @ weight.detach().T / CAP), dim=-1)
    logits = CAP * torch.tanh(hidden @ weight.T / CAP)
    plain = (F.cross_entropy(logits, taught, reduction="none") * weights).sum()
    expected = torch.autograd.grad(2 * plain, (hidden, weight))
    fused = head_likeness(hidden, weight, teacher, weights, CAP)
    found = torch.autograd.grad(2 * fused, (hidden, weight))
    torch.testing.assert_close(fused, plain)
    torch.testing.assert_close(found, expected)


def test_belief_is_the_mean_embedding() -> None:
    torch.manual_seed(0)
    hidden, weight = torch.randn(9, 16), torch.randn(50, 16)
    logits = CAP * torch.tanh(hidden @ weight.T / CAP)
    mean, best = head_belief(hidden, weight, CAP, temperature=0.5)
    torch.testing.assert_close(mean, torch.softmax(logits / 0.5, dim=-1) @ weight)
    assert torch.equal(best, logits.argmax(dim=-1))
