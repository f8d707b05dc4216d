"""The engine against the model row by row, under the same random numbers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import surtitle.model.engine.step as step_module
from surtitle.kernels import int8
from surtitle.kernels import vocab_stats as vocabulary
from surtitle.kernels.canvas_step import FREE, Canvases, CanvasRules, canvas_step
from surtitle.model.engine.arena import KVArena
from surtitle.model.engine.engine import CanvasRequest, CanvasResult, Engine, EngineLimits
from surtitle.model.engine.layers import FlatLayers
from surtitle.model.engine.step import StepOptions
from surtitle.model.network.config import SamplerConfig
from surtitle.model.network.denoiser import Denoiser

EOS, PAD = 1, 0
SAMPLER = SamplerConfig(max_denoising_steps=6, entropy_bound=8.0, confidence_threshold=6.0)
LIMITS = EngineLimits(
    rows=5, canvas_tokens=40, step_tokens=256, arena_tokens=192, prompt_tokens=128
)


def variant(model: Denoiser, **changes: Any) -> Denoiser:
    changed = copy.copy(model)  # shares the weights
    changed.config = dataclasses.replace(model.config, **changes)
    return changed


@pytest.fixture(scope="module")
def mild_model(calm_model: Denoiser) -> Denoiser:
    """Settles after some steps, and forgives differences in the last bits: with wilder weights
    they would grow until a draw differs."""
    mild = copy.deepcopy(calm_model)
    mild.norm.weight.data *= 0.4
    return mild


def engine(model: Denoiser, seed: int = 3, **settings: Any) -> Engine:
    limits, sampler = settings.pop("limits", LIMITS), settings.pop("sampler", SAMPLER)
    generator = torch.Generator().manual_seed(seed)
    return Engine(model, sampler, limits, generator=generator, **settings)


def run(engine: Engine, requests: Sequence[CanvasRequest], every: int = 0) -> list[CanvasResult]:
    """All results; one request more is added after each `every` steps, or all at once."""
    waiting, results, step = list(requests), [], 0
    while waiting or not engine.is_idle:
        if waiting and (not every or step % every == 0):
            for request in waiting if not every else waiting[:1]:
                engine.add(request)
            del waiting[: 1 if every else None]
        results += engine.step()
        step += 1
    return results


def prompt(tokens: int, seed: int = 0) -> tuple[int, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randint(3, 400, (tokens,), generator=generator).tolist())


class Naive:
    """The engine's order of draws, and every row on its own through the model."""

    def __init__(self, model: Denoiser, seed: int, limits: EngineLimits) -> None:
        self.model, self.limits = model, limits
        self.generator = torch.Generator().manual_seed(seed)

    def noise(self, tokens: int) -> Tensor:
        return torch.randint(self.model.config.vocab_size, (tokens,), generator=self.generator)

    @torch.inference_mode()
    def run(self, requests: Sequence[CanvasRequest], every: int = 0) -> list[CanvasResult]:
        waiting, rows, results, step = list(enumerate(requests)), [], [], 0
        while waiting or rows:
            new: list[tuple[int, CanvasRequest]] = []
            if waiting and (not every or step % every == 0):
                new = waiting[: 1 if every else None]
                del waiting[: len(new)]
            if new:
                length = self.limits.canvas_tokens
                noise = self.noise(len(new) * length).view(-1, length)
                rows += [self.row(*entry, noise[i]) for i, entry in enumerate(new)]
            if rows:
                sizes = [row["size"] for row in rows]
                uniform = torch.rand(sum(sizes), 2, generator=self.generator).split(sizes)
                fresh = self.noise(sum(sizes)).split(sizes)
                for row, numbers, tokens in zip(rows, uniform, fresh, strict=True):
                    self.advance(row, numbers, tokens[None])
            ends = [bool(row["state"].done) or not row["left"] for row in rows]
            results += [self.result(row) for row, is_end in zip(rows, ends, strict=True) if is_end]
            rows = [row for row, is_end in zip(rows, ends, strict=True) if not is_end]
            step += 1
        return results

    def row(self, ticket: int, request: CanvasRequest, noise: Tensor) -> dict[str, Any]:
        def positions(tokens: Sequence[int]) -> Tensor:
            return torch.tensor([*tokens, *[FREE] * (request.size - len(tokens))])[None]

        start, pinned = positions(request.start), positions(request.pinned)
        canvas = torch.where(start == FREE, noise[: request.size], start)
        canvas = torch.where(pinned == FREE, canvas, pinned)
        _, cache = self.model.encode(torch.tensor([request.prompt]))
        nothing = torch.zeros(1, dtype=torch.int32)
        state = Canvases(
            canvas, torch.where(pinned == FREE, -1, pinned), nothing, nothing, nothing.bool()
        )
        left = request.steps or SAMPLER.max_denoising_steps
        return {
            "ticket": ticket, "size": request.size, "cache": cache, "state": state,
            "pinned": pinned, "left": left, "expected": None, "steps": left,
        }  # fmt: skip

    def advance(self, row: dict[str, Any], uniform: Tensor, noise: Tensor) -> None:
        logits = self.model.denoise(row["state"].canvas, row["cache"], row["expected"])
        logits[:, 0, [EOS, PAD]] = -1e30
        share = torch.tensor(row["left"]) / SAMPLER.max_denoising_steps
        logits /= SAMPLER.t_min + (SAMPLER.t_max - SAMPLER.t_min) * share
        log = logits.log_softmax(dim=-1)
        row["expected"] = self.model.mean_embedding(log.exp())
        row["state"] = canvas_step(
            row["state"],
            -(log.exp() * log).sum(dim=-1),
            logits.argmax(dim=-1),
            drawn(log[0].exp(), uniform)[None],
            noise,
            row["pinned"],
            CanvasRules(SAMPLER.entropy_bound, 1, SAMPLER.confidence_threshold),
        )
        row["left"] -= 1

    def result(self, row: dict[str, Any]) -> CanvasResult:
        tokens = row["state"].best[0].tolist()
        end = tokens.index(EOS) if EOS in tokens else len(tokens)
        return CanvasResult(row["ticket"], tokens[:end], row["steps"] - row["left"])


def drawn(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """By inversion in two levels, as vocab_stats says."""
    tiles = probabilities.split(vocabulary.TILE, dim=-1)
    masses = torch.stack([tile.sum(dim=-1) for tile in tiles], dim=-1)
    found = []
    for i, (first, second) in enumerate(uniform.tolist()):
        running = masses[i].cumsum(dim=0)
        tile = int((running > first * running[-1]).int().argmax())
        inside = tiles[tile][i].cumsum(dim=0)
        entry = int((inside > second * inside[-1]).int().argmax())
        found.append(tile * vocabulary.TILE + entry)
    return torch.tensor(found)


REQUESTS = [
    CanvasRequest(prompt(5), 16),
    CanvasRequest(prompt(40, 1), 32),  # longer than the window
    CanvasRequest(prompt(9, 2), 40),
    CanvasRequest(prompt(9, 2), 40),
    CanvasRequest(prompt(1, 3), 16, start=prompt(9, 4), steps=3),
    CanvasRequest(prompt(20, 5), 24, pinned=(7, FREE, 300)),
]


@pytest.mark.parametrize("buckets", [False, True])
@pytest.mark.parametrize("every", [0, 1, 2])
@pytest.mark.parametrize("mutual", [False, True])
def test_a_mixed_batch_is_every_row_on_its_own(
    mild_model: Denoiser, every: int, mutual: bool, buckets: bool
) -> None:
    """`every`: how many steps lie between the coming of one row and the next."""
    mild = variant(mild_model, bidirectional_prompt=mutual, eos_token_ids=(EOS,))
    limits = dataclasses.replace(LIMITS, rows=6)
    requests = inside_window(mild) if mutual else REQUESTS
    found = run(engine(mild, limits=limits, buckets=buckets), requests, every)
    assert found == Naive(mild, 3, limits).run(requests, every)
    assert len({result.steps for result in found}) > 1


@pytest.mark.parametrize("mutual", [False, True])
def test_scores_are_those_of_the_model(
    model: Denoiser, mutual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every step, from the canvas and the mean embedding that the step began with."""
    model = variant(model, bidirectional_prompt=mutual)
    never = dataclasses.replace(SAMPLER, confidence_threshold=1e-9)
    asked = engine(model, sampler=never, limits=dataclasses.replace(LIMITS, rows=6))
    compared = 0
    found: list[Tensor] = []
    stats = step_module.vocab_stats

    def keep(*operands: Any, **settings: Any) -> Any:
        read = stats(*operands, **settings)
        found.append(read.scores)
        return read

    monkeypatch.setattr(step_module, "vocab_stats", keep)
    for request in inside_window(model) if mutual else REQUESTS:
        asked.add(request)
        for _ in range(3):
            asked.step()
            state, places = before(asked)
            if not places:
                break
            found.clear()
            asked.step()
            scores = torch.cat(found).split([size for _, _, size, _ in places])
            for (prompt_, place, size, left), ours in zip(places, scores, strict=True):
                _, cache = model.encode(torch.tensor([prompt_]))
                canvas, expected = (x[place : place + 1, :size] for x in state)
                share = torch.tensor(left) / SAMPLER.max_denoising_steps
                wanted = model.denoise(canvas, cache, expected)[0]
                wanted /= SAMPLER.t_min + (SAMPLER.t_max - SAMPLER.t_min) * share
                wanted[0, [0, *model.config.eos_token_ids]] = -1e30
                torch.testing.assert_close(ours, wanted, rtol=1e-3, atol=1e-3)
                compared += 1
    assert compared >= 10


def inside_window(model: Denoiser) -> list[CanvasRequest]:
    return [r for r in REQUESTS if len(r.prompt) <= model.config.sliding_window]


def before(asked: Engine) -> tuple[tuple[Tensor, Tensor], list[tuple[Any, int, int, int]]]:
    state = asked._states
    places = [(r.request.prompt, r.place, r.request.size, r.left) for r in asked._rows]
    return (state.canvas.clone(), state.expected.clone()), places


def test_pins_stay_and_no_end_stands_first(model: Denoiser) -> None:
    everything = tuple(i for i in range(2, 512))  # but padding and 1
    model = variant(model, eos_token_ids=everything)
    (free,) = run(engine(model), [CanvasRequest(prompt(5), 16)])
    assert free.tokens == [1]
    (pinned,) = run(engine(model), [CanvasRequest(prompt(5), 16, pinned=(1, 1, 0, 1))])
    assert pinned.tokens[:4] == [1, 1, 0, 1]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many prompt tokens each step has encoded."""
    counts: list[int] = []
    forward = FlatLayers.forward

    def counted(self: FlatLayers, x: Tensor, batch: Any, arena: Any) -> Tensor:
        counts.append(len(batch.slots))
        return forward(self, x, batch, arena)

    monkeypatch.setattr(FlatLayers, "forward", counted)
    return counts


@pytest.mark.parametrize("grown", [12, 60])  # inside of the old span, and beyond it
def test_a_revision_encodes_only_what_is_new(
    mild_model: Denoiser, encoded: list[int], grown: int
) -> None:
    mild = variant(mild_model, eos_token_ids=(EOS,))
    old, new = prompt(10), (*prompt(8), *prompt(grown - 8, 9))

    def second(key: str | None) -> list[int]:
        asked = engine(mild)
        run(asked, [CanvasRequest(old, 16, key=key)])
        encoded.clear()
        (found,) = run(asked, [CanvasRequest(new, 16, key=key)])
        return found.tokens

    fresh = second(None)
    assert sum(encoded) == grown
    assert second("segment 7") == fresh
    assert sum(encoded) == grown - 8


def test_a_prompt_in_which_tokens_see_each_other_is_reused_only_as_a_whole(
    model: Denoiser, encoded: list[int]
) -> None:
    asked = engine(variant(model, bidirectional_prompt=True))
    for tokens, expected in ((10, 10), (10, 0), (12, 12)):
        encoded.clear()
        run(asked, [CanvasRequest(prompt(tokens), 16, key=1)])
        assert sum(encoded) == expected


def test_canvases_of_one_prompt_differ(model: Denoiser) -> None:
    found = run(engine(model), [CanvasRequest(prompt(10), 16)] * 4)
    assert len(found) == 4 and len({tuple(result.tokens) for result in found}) > 1


def test_what_does_not_fit_waits_in_order_and_kept_prompts_give_way(model: Denoiser) -> None:
    limits = dataclasses.replace(LIMITS, rows=4, arena_tokens=64)
    requests = [CanvasRequest(prompt(n % 30 + 1, n), 16, key=n) for n in range(20)]
    found = run(engine(model, limits=limits), requests)
    assert sorted(result.ticket for result in found) == list(range(20))
    assert [result.ticket for result in found][:1] == [0]


def test_after_a_step_that_raised_there_is_all_room_again(
    model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had begun is lost, what waits goes on."""
    limits = dataclasses.replace(LIMITS, rows=2, arena_tokens=64)
    asked = engine(model, limits=limits)
    requests = [CanvasRequest(prompt(30, seed), 16, key=seed) for seed in range(5)]
    first, second, third = (asked.add(request) for request in requests[:3])
    asked.step()
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(Engine, "_denoise", failing)
        asked.step()
    assert asked.clear() == [first, second] and not asked.is_idle
    more = [asked.add(request) for request in requests[3:]]
    asked.step()
    assert len(asked._rows) == 2
    found = {result.ticket for result in run(asked, [])}
    assert found == {third, *more}


def test_a_request_that_cannot_begin_does_not_stand_in_the_way(
    model: Denoiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine(model)
    ticket = asked.add(REQUESTS[0])
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="no memory"):
        patch.setattr(KVArena, "claim", failing)
        asked.step()
    assert asked.clear() == [ticket] and asked.is_idle
    assert len(run(asked, REQUESTS[:1])) == 1


def failing(*_: object) -> None:
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (CanvasRequest(prompt(129), 16), "a prompt may have 1 to 128 tokens, got 129"),
        (CanvasRequest((), 16), "a prompt may have 1 to 128 tokens, got 0"),
        (CanvasRequest(prompt(5), 41), "a canvas may have 1 to 40 tokens, got 41"),
    ],
)
def test_what_can_never_fit_is_refused(
    model: Denoiser, request_: CanvasRequest, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        engine(model).add(request_)


def test_a_request_has_to_fit_into_a_step(model: Denoiser) -> None:
    limits = dataclasses.replace(LIMITS, step_tokens=64)
    with pytest.raises(ValueError, match="a step may have 1 to 64 tokens, got 65"):
        engine(model, limits=limits).add(CanvasRequest(prompt(49), 16))


def test_prompt_tokens_that_see_each_other_stay_inside_the_window(model: Denoiser) -> None:
    with pytest.raises(ValueError, match="a prompt may have 1 to 16 tokens, got 17"):
        engine(variant(model, bidirectional_prompt=True)).add(CanvasRequest(prompt(17), 16))


# Approximations


def tokens_of(model: Denoiser, **settings: Any) -> list[list[int]]:
    return [result.tokens for result in run(engine(model, **settings), REQUESTS[:2])]


def test_all_tokens_as_the_most_likely_ones_is_exact(mild_model: Denoiser) -> None:
    assert tokens_of(mild_model, options=StepOptions(top_tokens=512)) == tokens_of(mild_model)


@pytest.mark.parametrize("options", [StepOptions(fp8=True), StepOptions(int8=True)])
def test_8_bits_change_little(
    model: Denoiser, options: StepOptions, both_hidden: Callable[..., Any]
) -> None:
    if options.int8 and not int8.is_supported():
        pytest.skip("no products of 8 bits here")
    exact, rounded = both_hidden(model, options)
    error = (rounded - exact).norm() / exact.norm()
    assert 0 < error < 0.5  # mostly tokens that visit another expert


@pytest.fixture
def both_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Denoiser, StepOptions], list[Tensor]]:
    """The canvas states of the first step, with exact weights and with the options."""

    def states(model: Denoiser, options: StepOptions) -> list[Tensor]:
        seen: list[Tensor] = []
        forward = FlatLayers.forward

        def keep(self: FlatLayers, x: Tensor, batch: Any, arena: Any) -> Tensor:
            seen.append(forward(self, x, batch, arena))
            return seen[-1]

        with monkeypatch.context() as patch:
            patch.setattr(FlatLayers, "forward", keep)
            for chosen in (StepOptions(), options):
                asked = engine(model, options=chosen)
                asked.add(REQUESTS[1])
                asked.step()
        return seen

    return states
