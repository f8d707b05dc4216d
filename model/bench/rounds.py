"""V2: what a round of draft and verify costs, and the tokens that it means."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import torch

from ..engine.engine import EngineLimits
from ..engine.layout import BUCKETS
from ..engine.verified import DRAFTING_ON_GPU, AnswerRequest, Drafting, VerifiedEngine
from ..network.config import SamplerConfig
from .setup import Setup

ROWS = (1, 4, 16, 64)
# Canvases of a row: behind none and all of a draft, or behind each token of it.
DRAFTING = (DRAFTING_ON_GPU._replace(canvases=2), DRAFTING_ON_GPU)
COMMITTED = (1.5, 3.0, 6.0, 12.0)  # tokens a round
PROMPT = 150
WARM_UP = 3  # rounds


@dataclass(frozen=True, slots=True)
class RoundLine:
    """Rounds of n rows behind prompts of `prompt` tokens: of each, `canvases` of `canvas` tokens
    and a draft of the last round, in one pass. tokens_per_s of all rows, if each round commits so
    many tokens of each; floor_percent: of the floor of a step with that many tokens."""

    case: str
    n: int
    canvases: int
    canvas: int
    prompt: int
    rounds: int
    ms: float
    p90_ms: float
    floor_percent: float
    tokens_per_s: Mapping[str, float]

    def __str__(self) -> str:
        rates = ", ".join(f"{rate:.0f} at {count}" for count, rate in self.tokens_per_s.items())
        return (
            f"{self.case} {self.floor_percent:5.1f} % of floor {self.ms:9.2f} ms (p90 "
            f"{self.p90_ms:.2f}) a round of {self.n} x {self.canvases} x {self.canvas}, "
            f"P {self.prompt}: tokens/s "
            f"{rates} committed a round"
        )


def rounds(setup: Setup) -> Iterator[RoundLine]:
    """Random weights agree with no draft: each round commits one token, and costs what one costs
    that commits more, since all tokens of a draft are verified in any case."""
    for n, drafting in product(ROWS, DRAFTING):
        count = 6 if setup.is_toy else 30
        times = _times(setup, n, drafting, count)
        ms = statistics.median(times)
        floor_ms = setup.floor_ms(n * (1 + drafting.canvases) * drafting.tokens)
        yield RoundLine(
            "V2",
            n,
            *drafting,
            PROMPT,
            count,
            ms,
            statistics.quantiles(times, n=10, method="inclusive")[-1],
            100 * floor_ms / ms,
            {f"{committed:g}": 1000 * n * committed / ms for committed in COMMITTED},
        )


def _times(setup: Setup, n: int, drafting: Drafting, count: int) -> list[float]:
    """Milliseconds of so many rounds in which no row begins or ends."""
    size = 2 * drafting.tokens + count
    limits = EngineLimits(
        rows=n,
        canvas_tokens=size,
        step_tokens=max(BUCKETS[-1], n * (PROMPT + size + math.prod(drafting))),
        arena_tokens=n * (PROMPT + size + 16),
        prompt_tokens=PROMPT,
    )
    generator = torch.Generator(setup.device).manual_seed(0)
    engine = VerifiedEngine(
        setup.model,
        SamplerConfig(),
        limits,
        generator=generator,
        options=setup.options,
        drafting=drafting,
    )
    times: list[float] = []
    missing, uncounted = n, 0
    while len(times) < count:
        for _ in range(missing):
            engine.add(AnswerRequest(setup.prompt(PROMPT), size))
        if missing:  # prompts, then what is compiled and recorded
            uncounted = WARM_UP
        started = time.perf_counter()
        missing = len(engine.step())  # which waits for the device
        if uncounted:
            uncounted -= 1
        else:
            times.append(1000 * (time.perf_counter() - started))
    return times
