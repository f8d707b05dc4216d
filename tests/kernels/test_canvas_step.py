from __future__ import annotations

from typing import Any

import pytest
import torch

from surtitle.kernels.canvas_step import FREE, Canvases, CanvasRules, canvas_step

RULES = CanvasRules(entropy_bound=1.0, stability_threshold=1, confidence_threshold=0.3)
ROWS = 6


def operands(size: int) -> dict[str, Any]:
    """Rows that change and rows that repeat, certain and not, done and not, pinned and not."""
    draw = [torch.randint(0, 9, (ROWS, size)) for _ in range(4)]
    best = draw[0].clone()
    best[::2, :1] += 1
    count = torch.arange(ROWS, dtype=torch.int32)
    done = count == 3
    entropy = ((torch.rand(ROWS, size) * 8).round() + torch.arange(size) / 2**10) / 8  # exact sums
    entropy[1] /= 64
    pinned = torch.where(torch.rand(ROWS, size) < 0.3, draw[0], FREE)
    return {
        "state": Canvases(draw[1], draw[0], count % 3, count, done),
        "entropy": entropy,
        "best": best,
        "sample": draw[2],
        "noise": draw[3],
        "pinned": pinned,
        "rules": RULES,
    }


@pytest.mark.parametrize("threshold", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 7, 13, 256])
def test_kernel(both: Any, size: int, threshold: int) -> None:
    given = operands(size) | {"rules": CanvasRules(1.0, threshold, 0.3)}
    actual, expected = both(canvas_step, *given.values())
    for name in Canvases.__slots__:
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name


def test_a_row_settles_when_it_repeats_and_is_certain() -> None:
    given = operands(13)
    after = canvas_step(**given)
    repeats = (after.best == given["state"].best).all(dim=1)
    certain = given["entropy"].where(given["pinned"] == FREE, 0.0).sum(dim=1) < 0.3 * 5
    assert bool(after.done[1]) and bool(repeats[1]) and bool(certain[1])
    assert not bool(after.done[0])


def test_done_rows_keep_everything_and_count_no_step() -> None:
    given = operands(13)
    before, after = given["state"], canvas_step(**given)
    assert bool(after.done[3])
    for name in ("canvas", "best", "repeats", "steps"):
        assert torch.equal(getattr(after, name)[3], getattr(before, name)[3])
    assert (after.steps - before.steps).tolist() == [1, 1, 1, 0, 1, 1]


def test_pinned_positions_are_forced_and_do_not_count() -> None:
    given = operands(13)
    pinned = given["pinned"] != FREE
    after = canvas_step(**given)
    forced = pinned & ~given["state"].done[:, None]
    assert torch.equal(after.canvas[forced], given["pinned"][forced])
    assert torch.equal(after.best[forced], given["pinned"][forced])
    given["entropy"] = given["entropy"].masked_fill(pinned, 1e6)
    assert torch.equal(canvas_step(**given).canvas, after.canvas)
    assert torch.equal(canvas_step(**given).done, after.done)


def test_it_agrees_with_the_sampler() -> None:
    """The sampler has the same rules with a history instead of a count."""
    from surtitle.model.network.config import SamplerConfig

    from ..model.plain_sampler import EntropyBoundSampler

    config = SamplerConfig(
        max_denoising_steps=12, t_min=1.0, t_max=1.0, entropy_bound=2.0,
        stability_threshold=2, confidence_threshold=1.2,
    )  # fmt: skip
    rules = CanvasRules(2.0, 2, 1.2)
    theirs = EntropyBoundSampler(config, 9).initialize(ROWS, 7)
    ours = Canvases(
        theirs.canvas,
        torch.full_like(theirs.canvas, -1),
        torch.zeros(ROWS, dtype=torch.int32),
        torch.zeros(ROWS, dtype=torch.int32),
        theirs.done,
    )
    logits = torch.randn(ROWS, 7, 9) * torch.tensor([0.1, 1, 2, 3, 4, 8])[:, None, None]
    for step in range(8):
        logits = torch.where(torch.rand(ROWS, 1, 1) < 0.7, logits, torch.randn_like(logits) * 4)
        torch.manual_seed(step)
        theirs = EntropyBoundSampler(config, 9).step(theirs, logits)
        torch.manual_seed(step)
        log = torch.log_softmax(logits, dim=-1)
        sample = torch.multinomial(log.exp().flatten(0, 1), 1).view(ROWS, 7)
        noise = torch.randint(9, (ROWS, 7))
        entropy, free = -(log.exp() * log).sum(dim=-1), torch.full((ROWS, 7), FREE)
        ours = canvas_step(ours, entropy, logits.argmax(-1), sample, noise, free, rules)
        assert torch.equal(ours.canvas, theirs.canvas)
        assert torch.equal(ours.best, theirs.best)
        assert torch.equal(ours.done, theirs.done)
        assert ours.steps.tolist() == theirs.steps.tolist()
    assert set(ours.done.tolist()) == {False, True}
