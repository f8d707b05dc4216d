"""B3: what happens to canvases between two steps, once entropies and draws are there."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..canvas_step import FREE, Canvases, CanvasRules, canvas_step
from ..canvas_step import reference as reference_step
from .contest import Case, Contestant, Host, Outputs, Run, Work, compiled, ours

SHAPES = tuple((rows, size) for rows in (1, 16, 64) for size in (48, 256))
TOY_SHAPES = ((1, 16), (3, 48))
COMPILED = (SHAPES[2], TOY_SHAPES[0])
NOISE_BELOW = 1000  # tokens of the noise; those drawn from the model are above, to tell them apart
RULES = CanvasRules(entropy_bound=0.1, stability_threshold=1, confidence_threshold=0.005)


def cases(host: Host) -> Iterator[Case]:
    for rows, size in TOY_SHAPES if host.toy else SHAPES:
        yield _case(host, rows, size)


def _case(host: Host, rows: int, size: int) -> Case:
    """Scores over a vocabulary of two, so that theirs, which starts from scores, has no more to
    read than ours, which starts from entropies. Of every second row the arg-max repeats."""
    device = host.device
    scores = torch.zeros(rows, size, 2, device=device)
    scores[..., 0] = torch.rand(rows, size, device=device) * 20
    scores[0, :, 0] = 30.0  # a row without any doubt
    log = torch.log_softmax(scores, dim=-1)
    entropy = -(log.exp() * log).sum(dim=-1)
    best, sample = (NOISE_BELOW + torch.randint(99, (rows, size), device=device) for _ in range(2))
    before = torch.where(torch.arange(rows, device=device)[:, None] % 2 == 0, best, -1)
    count = torch.zeros(rows, dtype=torch.int32, device=device)
    state = Canvases(best, before, count, count, torch.zeros_like(count, dtype=torch.bool))
    pinned = torch.full_like(best, FREE)

    def step(turn: int) -> Outputs:
        noise = torch.randint(NOISE_BELOW, (rows, size), device=device)
        new = canvas_step(state, entropy, best, sample, noise, pinned, RULES)
        return new.canvas, new.done

    def expected() -> Outputs:
        doubt = entropy.double()
        new = reference_step(state, doubt, best, sample, torch.zeros_like(best), pinned, RULES)
        return _accepted((new.canvas, new.done))

    theirs = partial(_transformers, scores, best, before, sample)
    contestants = [
        *(replace(contestant, finish=_accepted) for contestant in ours(step, host)),
        Contestant("transformers", partial(theirs, lambda step: step), _accepted, graph=False),
    ]
    if (rows, size) in COMPILED:
        prepare = partial(theirs, partial(compiled, host=host))
        contestants.append(Contestant("transformers, compiled", prepare, _accepted))
    moved = rows * size * (entropy.element_size() + 7 * best.element_size())
    return Case(
        "B3 acceptance",
        f"{rows} x {size}",
        rows * size,
        (Work(bytes=moved, flop=rows * size),),
        expected,
        contestants,
        count_launches=True,
    )


def _accepted(outputs: Outputs) -> Outputs:
    """Where the canvas has what was drawn from the model, and which rows have settled."""
    canvas, done = outputs
    return (canvas >= NOISE_BELOW).float(), done.float()


def _transformers(
    scores: Tensor,
    best: Tensor,
    before: Tensor,
    sample: Tensor,
    wrap: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Run:
    module: Any = importlib.import_module(
        "transformers.models.diffusion_gemma.generation_diffusion_gemma"
    )
    config = module.EntropyBoundSamplerConfig(entropy_bound=RULES.entropy_bound)
    sampler = module.EntropyBoundSampler(config, best.shape[1], NOISE_BELOW, 48)
    stopping = module.StableAndConfidentStoppingCriteria(
        RULES.stability_threshold, RULES.confidence_threshold
    )

    def step(scores: Tensor, best: Tensor, history: Tensor, sample: Tensor) -> Outputs:
        accepted = sampler.accept_canvas(best, sample, scores, 0)
        renoised = sampler.renoise_canvas(accepted, 0)
        stopping.argmax_canvas_history = history
        return renoised, stopping(best, scores)

    wrapped = wrap(step)
    return lambda turn: wrapped(scores, best, before[None], sample)
