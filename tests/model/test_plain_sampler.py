"""The sampler alone, on logits made by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from surtitle.kernels.canvas_step import FREE
from surtitle.model.network.config import SamplerConfig

from .plain_sampler import CanvasState, EntropyBoundSampler, finalize

VOCABULARY = 8
SURE = 200.0  # a score that leaves no entropy at any temperature


def sampler(**settings: Any) -> EntropyBoundSampler:
    generator = torch.Generator().manual_seed(0)
    return EntropyBoundSampler(SamplerConfig(**settings), VOCABULARY, generator)


def certain(*rows: list[int]) -> Tensor:
    """Logits [B, C, V] that leave no doubt about these tokens."""
    return torch.nn.functional.one_hot(torch.tensor(rows), VOCABULARY).float() * SURE


def doubtful(logits: Tensor, *positions: int) -> Tensor:
    """The same logits, with every token equally likely at some positions."""
    logits = logits.clone()
    logits[:, list(positions)] = 0.0
    return logits


def temperatures(steps: int, **settings: Any) -> list[float]:
    """The temperature of each step, read back from two tokens' odds."""
    chosen = sampler(max_denoising_steps=steps, confidence_threshold=0.0, **settings)
    state = chosen.initialize(1, 1)
    logits = torch.zeros(1, 1, VOCABULARY)
    logits[..., 0] = 1.0
    found: list[float] = []
    while not state.finished:
        state = chosen.step(state, logits)
        assert state.probabilities is not None
        odds = state.probabilities[0, 0, 0] / state.probabilities[0, 0, 1]
        found.append(1 / math.log(odds))
    return found


def test_temperature_falls_linearly_with_the_steps_that_remain() -> None:
    assert temperatures(4, t_min=0.4, t_max=0.8) == pytest.approx([0.8, 0.7, 0.6, 0.5], rel=1e-5)


def test_released_schedule_runs_from_0_8_to_just_above_0_4() -> None:
    found = temperatures(48)
    assert (found[0], found[-1]) == pytest.approx((0.8, 0.4 + 0.4 / 48), rel=1e-5)


def test_initial_canvas_covers_the_vocabulary() -> None:
    canvas = sampler().initialize(4, 256).canvas
    assert canvas.unique().tolist() == list(range(VOCABULARY))


def test_certain_positions_are_accepted_and_doubtful_ones_are_noise() -> None:
    chosen = sampler()
    tokens = [3] * 200
    logits = doubtful(certain(tokens), *range(100, 200))
    state = chosen.step(chosen.initialize(1, 200), logits)
    assert state.canvas[0, :100].tolist() == [3] * 100
    assert state.canvas[0, 100:].unique().tolist() == list(range(VOCABULARY))


def test_nothing_is_sticky() -> None:
    chosen = sampler()
    sure = certain([3] * 200)
    state = chosen.step(chosen.initialize(1, 200), sure)
    state = chosen.step(state, doubtful(sure, *range(200)))
    assert (state.canvas == 3).sum() < 100


def test_the_draft_is_the_arg_max_not_the_noise() -> None:
    chosen = sampler()
    logits = torch.zeros(1, 64, VOCABULARY)
    logits[..., 5] = 0.1
    state = chosen.step(chosen.initialize(1, 64), logits)
    assert state.best.unique().tolist() == [5]
    assert (state.canvas != 5).any()


def test_the_same_seed_gives_the_same_canvas() -> None:
    logits = torch.randn(2, 16, VOCABULARY)
    states: list[CanvasState] = []
    for _ in range(2):
        chosen = sampler(entropy_bound=3.0)
        states.append(chosen.step(chosen.initialize(2, 16), logits))
    assert torch.equal(states[0].canvas, states[1].canvas)


# Stopping


def test_a_row_stops_when_its_arg_max_repeats() -> None:
    chosen = sampler()
    state = chosen.step(chosen.initialize(1, 4), certain([1, 2, 3, 4]))
    assert not state.finished
    state = chosen.step(state, certain([1, 2, 3, 4]))
    assert state.finished and state.steps.tolist() == [2]


def test_a_changed_arg_max_starts_the_count_again() -> None:
    chosen = sampler(stability_threshold=2)
    state = chosen.initialize(1, 2)
    for tokens in ([1, 2], [1, 2], [1, 3], [1, 3]):
        state = chosen.step(state, certain(tokens))
    assert not state.finished
    assert chosen.step(state, certain([1, 3])).finished


def test_stability_0_stops_at_the_first_certain_step() -> None:
    chosen = sampler(stability_threshold=0)
    assert chosen.step(chosen.initialize(1, 2), certain([1, 2])).finished


def test_a_doubtful_row_does_not_stop() -> None:
    chosen = sampler(stability_threshold=0)
    assert not chosen.step(chosen.initialize(1, 2), doubtful(certain([1, 2]), 1)).finished


def test_confidence_0_runs_every_step() -> None:
    chosen = sampler(confidence_threshold=0.0, max_denoising_steps=5)
    state = chosen.initialize(1, 2)
    while not state.finished:
        state = chosen.step(state, certain([1, 2]))
    assert state.steps.tolist() == [5]


def test_a_row_that_has_settled_changes_no_more() -> None:
    chosen = sampler()
    state = chosen.initialize(2, 2)
    state = chosen.step(state, certain([1, 2], [3, 4]))
    state = chosen.step(state, certain([1, 2], [5, 6]))
    assert state.done.tolist() == [True, False]
    later = chosen.step(state, certain([7, 7], [5, 6]))
    assert later.best.tolist() == [[1, 2], [5, 6]]
    assert torch.equal(later.canvas[0], state.canvas[0])
    assert state.probabilities is not None and later.probabilities is not None
    assert torch.equal(later.probabilities[0], state.probabilities[0])
    assert later.steps.tolist() == [2, 3]


# Warm start


def test_warm_start_is_the_first_input() -> None:
    start = torch.tensor([[1, 2, 3]])
    assert torch.equal(sampler().initialize(1, 3, start=start).canvas, start)


def test_warm_start_draws_the_noise_it_replaces() -> None:
    plain, warm = sampler(), sampler()
    plain.initialize(1, 3)
    warm.initialize(1, 3, start=torch.tensor([[1, 2, 3]]))
    logits = torch.randn(1, 3, VOCABULARY)
    start = torch.zeros(1, 3, dtype=torch.int64)
    ours = [s.step(s.initialize(1, 3, start=start), logits).canvas for s in (plain, warm)]
    assert torch.equal(*ours)


@pytest.mark.parametrize("name", ["start", "pinned"])
def test_a_canvas_of_another_shape_is_refused(name: str) -> None:
    given: Any = {name: torch.zeros(1, 4, dtype=torch.int64)}
    with pytest.raises(ValueError, match=rf"{name} must have shape \(1, 3\), got \(1, 4\)"):
        sampler().initialize(1, 3, **given)


# Pinned positions


def test_pinned_positions_are_forced_in_the_input_and_the_output() -> None:
    chosen = sampler()
    pinned = torch.tensor([[7, FREE, 6]])
    start = torch.tensor([[1, 2, 3]])
    state = chosen.initialize(1, 3, start=start, pinned=pinned)
    assert state.canvas.tolist() == [[7, 2, 6]]
    state = chosen.step(state, certain([1, 2, 3]))
    assert state.canvas.tolist() == [[7, 2, 6]]
    assert state.best.tolist() == [[7, 2, 6]]


@pytest.mark.parametrize(("pin", "accepted"), [(FREE, False), (5, True)])
def test_pinned_positions_do_not_use_up_the_acceptance_budget(pin: int, accepted: bool) -> None:
    """Three coin tosses of rising doubt, and a bound that two of them leave room for.

    64 equal rows: a position is accepted when none of them holds noise there.
    """
    odds = torch.tensor([2.5, 2.2, 2.0])  # 0.27, 0.33 and 0.37 nats
    logits = torch.full((64, 3, VOCABULARY), -SURE)
    logits[..., 0] = 0.8 * odds  # undoes the first temperature
    logits[..., 1] = 0.0
    pinned = torch.tensor([[pin, FREE, FREE]]).expand(64, -1)
    chosen = sampler(entropy_bound=0.5)
    state = chosen.step(chosen.initialize(64, 3, pinned=pinned), logits)
    assert bool((state.canvas[:, 1] < 2).all())
    assert bool((state.canvas[:, 2] < 2).all()) == accepted


def test_pinned_positions_do_not_delay_the_stop() -> None:
    chosen = sampler()
    pinned = torch.tensor([[7, FREE]])
    state = chosen.initialize(1, 2, pinned=pinned)
    state = chosen.step(state, doubtful(certain([1, 2]), 0))
    state = chosen.step(state, doubtful(certain([5, 2]), 0))
    assert state.finished


def test_doubt_at_a_free_position_is_not_averaged_away_by_pins() -> None:
    chosen = sampler(stability_threshold=0, confidence_threshold=0.1)
    logits = certain([1] * 200)
    logits[0, 0, :2] = SURE  # 0.69 nats at one position: 0.003 over all, 0.69 over the free one
    pinned = torch.full((1, 200), 1)
    pinned[0, 0] = FREE
    assert not chosen.step(chosen.initialize(1, 200, pinned=pinned), logits).finished
    assert chosen.step(chosen.initialize(1, 200), logits).finished


def test_a_canvas_of_pins_settles_at_once() -> None:
    chosen = sampler()
    pinned = torch.tensor([[1, 2]])
    state = chosen.step(chosen.initialize(1, 2, pinned=pinned), torch.zeros(1, 2, VOCABULARY))
    assert state.finished and state.best.tolist() == [[1, 2]]


# Forbidden tokens


def test_a_forbidden_token_cannot_stand_at_position_0() -> None:
    chosen = sampler(stability_threshold=0)
    logits = certain([1, 1, 1])
    logits[..., 2] = SURE / 2
    state = chosen.step(chosen.initialize(1, 3, forbidden=(1,)), logits)
    assert state.best.tolist() == [[2, 1, 1]]
    assert state.canvas.tolist() == [[2, 1, 1]]


def test_a_forbidden_token_is_not_believed() -> None:
    """What reaches self-conditioning must not bring the token back in the next step."""
    chosen = sampler()
    state = chosen.step(chosen.initialize(1, 2, forbidden=(1, 0)), certain([1, 1]))
    assert state.probabilities is not None
    assert state.probabilities[0, 0, :2].tolist() == [0.0, 0.0]
    assert state.probabilities[0, 1, 1] == 1.0
    torch.testing.assert_close(state.probabilities.sum(dim=-1), torch.ones(1, 2))


def test_a_forbidden_token_does_not_count_in_the_entropy() -> None:
    """Without the end mark only one token is left: certain, although the logits are not."""
    chosen = sampler(stability_threshold=0)
    logits = torch.full((1, 1, VOCABULARY), -SURE)
    logits[0, 0, 1:3] = SURE  # a coin toss between the tokens 1 and 2
    assert chosen.step(chosen.initialize(1, 1, forbidden=(1,)), logits).finished
    assert not chosen.step(chosen.initialize(1, 1), logits).finished


def test_the_callers_logits_stay_as_they_are() -> None:
    chosen = sampler()
    logits = certain([1, 2])
    before = logits.clone()
    chosen.step(chosen.initialize(1, 2, forbidden=(1,)), logits)
    assert torch.equal(logits, before)


# Finalizing


def test_finalize_pads_behind_the_first_end_mark() -> None:
    best = torch.tensor([[5, 2, 6, 1], [5, 6, 7, 5], [1, 5, 5, 2]])
    tokens, has_end = finalize(best, (1, 2), 0)
    assert tokens.tolist() == [[5, 2, 0, 0], [5, 6, 7, 5], [1, 0, 0, 0]]
    assert has_end.tolist() == [True, False, True]


def test_finalize_without_end_marks_keeps_everything() -> None:
    best = torch.tensor([[5, 2]])
    tokens, has_end = finalize(best, (), 0)
    assert torch.equal(tokens, best) and has_end.tolist() == [False]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_denoising_steps": 0}, "max_denoising_steps must be 1 or more: 0"),
        ({"t_min": 0.0}, "0 < t_min <= t_max must hold, got 0.0 and 0.8"),
        ({"t_min": 0.9}, "0 < t_min <= t_max must hold, got 0.9 and 0.8"),
        ({"stability_threshold": -1}, "stability_threshold must be 0 or more: -1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SamplerConfig(**settings)
