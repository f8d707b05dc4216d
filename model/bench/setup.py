"""What is timed, and what a result is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch

from ...kernels.bench.measure import Ceilings
from ..engine.engine import Engine, EngineLimits
from ..engine.layout import BUCKETS
from ..engine.step import StepOptions
from ..network.config import SamplerConfig
from ..network.denoiser import Denoiser
from .floor import step_floor_ms
from .transformers_peer import TransformersPeer

NEVER_SETTLED = 1e-30  # mean entropy in nats: so all steps are taken


@dataclass(frozen=True, slots=True)
class Setup:
    """What is timed. A toy shows that the bench works; its times say nothing."""

    model: Denoiser
    ceilings: Ceilings
    options: StepOptions
    peer: TransformersPeer | None
    is_toy: bool

    @property
    def device(self) -> torch.device:
        return self.model.embed_tokens.weight.device

    @property
    def repeats(self) -> int:
        return 3 if self.is_toy else 10

    def floor_ms(self, tokens: int) -> float:
        size = self.model.embed_tokens.weight.element_size()
        return step_floor_ms(
            self.model.config,
            self.ceilings,
            tokens,
            bytes_per_weight=size,
            expert_bytes=1 if self.options.fp8 else size,
        )

    def engine(self, canvases: int, canvas: int, prompt: int, steps: int) -> Engine:
        """Room for all canvases at once; rows never settle."""
        limits = EngineLimits(
            rows=canvases,
            canvas_tokens=canvas,
            step_tokens=min(BUCKETS[-1], canvases * (canvas + prompt)),
            arena_tokens=canvases * (prompt + 16),
            prompt_tokens=prompt,
        )
        sampler = SamplerConfig(max_denoising_steps=steps, confidence_threshold=NEVER_SETTLED)
        generator = torch.Generator(self.device).manual_seed(0)
        return Engine(self.model, sampler, limits, generator=generator, options=self.options)

    def prompt(self, tokens: int) -> tuple[int, ...]:
        # Not the last ids: transformers would look for the image that they stand for.
        drawn = torch.randint(3, self.model.config.vocab_size - 8, (tokens,))
        return tuple(cast("list[int]", drawn.tolist()))


@dataclass(frozen=True, slots=True)
class Line:
    """One result: n canvases of `canvas` tokens, prompts of `prompt` tokens, `steps` steps.

    ms: the median time of what the case times; floor_percent: of its floor; err: the distance of
    the result from that of the reference, where they are to be equal.
    """

    case: str
    contestant: str
    n: int
    canvas: int
    prompt: int
    steps: int
    ms: float
    p90_ms: float
    floor_percent: float | None = None
    err: float | None = None
    refreshes_per_s: float | None = None
    tokens_per_s: float | None = None

    def __str__(self) -> str:
        floor = f"{self.floor_percent:5.1f} % of floor" if self.floor_percent else " " * 16
        rates = [
            f"{rate:8.1f} {name}/s"
            for rate, name in ((self.refreshes_per_s, "refreshes"), (self.tokens_per_s, "tokens"))
            if rate
        ]
        shape = f"{self.n:>3} x {self.canvas:<3} P {self.prompt:<4} S {self.steps:<2}"
        times = f"{self.ms:9.2f} ms (p90 {self.p90_ms:.2f})"
        return f"{self.case} {floor} {times} {' '.join(rates)}  {shape} {self.contestant}"
