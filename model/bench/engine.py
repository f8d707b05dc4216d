"""Steps, refreshes and throughput of the engine: cases B6, E1, E2 and E4."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch

from ...kernels.bench.measure import Ceilings
from ..config import SamplerConfig
from ..denoiser import Denoiser
from ..denoising_step import StepOptions
from ..engine import CanvasRequest, Engine, EngineLimits
from ..step_layout import BUCKETS
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

    ms: the median time of what the case times; floor_percent: of a step's floor.
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


def steps(setup: Setup) -> Iterator[Line]:
    """B6: one denoising step, without prompts."""
    for tokens in (48, 256, 1024):
        canvas = 256 if tokens == 256 else 48 if tokens == 48 else 64
        yield _step_line(setup, tokens // canvas, canvas)


def refresh(setup: Setup) -> Iterator[Line]:
    """E1: from a prompt to its translation, alone."""
    for canvas, count in ((48, 6), (256, 16)):
        yield from _throughput(setup, "E1", 1, canvas, 150, count)


def sweep(setup: Setup) -> Iterator[Line]:
    """E2: as many canvases at once, all begin together."""
    for n in (1, 4, 8, 16, 32, 64):
        yield from _throughput(setup, "E2", n, 48, 150, 6)


def files(setup: Setup) -> Iterator[Line]:
    """E4: the largest canvas, as for subtitles of a file."""
    for n in (4, 8, 16):
        yield from _throughput(setup, "E4", n, 256, 150, 16)


CASES: dict[str, Callable[[Setup], Iterator[Line]]] = {
    "B6": steps,
    "E1": refresh,
    "E2": sweep,
    "E4": files,
}


def _step_line(setup: Setup, n: int, canvas: int) -> Line:
    count = 30 if not setup.is_toy else 6
    engine = setup.engine(n, canvas, 150, count + 4)
    for _ in range(n):
        engine.add(CanvasRequest(setup.prompt(150), canvas))
    for _ in range(3):  # prompts, then what is compiled and recorded
        engine.step()
    times = [_timed(setup, engine.step) for _ in range(count)]
    ms = statistics.median(times)
    line = Line("B6", "engine", n, canvas, 150, 1, ms, _p90(times))
    return replace(line, floor_percent=100 * setup.floor_ms(n * canvas) / ms)


def _throughput(
    setup: Setup, case: str, n: int, canvas: int, prompt: int, count: int
) -> Iterator[Line]:
    engine = setup.engine(n, canvas, prompt, count)

    def run() -> None:
        for _ in range(n):
            engine.add(CanvasRequest(setup.prompt(prompt), canvas))
        while not engine.is_idle:
            engine.step()

    contestants: dict[str, Callable[[], object]] = {"engine": run}
    if setup.peer is not None:
        peer, prompts = setup.peer, torch.tensor([setup.prompt(prompt) for _ in range(n)])
        contestants["transformers"] = lambda: peer.run(prompts, canvas, count)
    for of in contestants.values():  # compiles and records
        of()
        of()
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(setup.repeats):  # in turns: a drift of the clock meets all
        for name, of in contestants.items():
            times[name].append(_timed(setup, of))
    floor_ms = setup.floor_ms(n * (canvas + prompt)) + (count - 1) * setup.floor_ms(n * canvas)
    for name, measured in times.items():
        ms = statistics.median(measured)
        yield Line(
            case,
            name,
            n,
            canvas,
            prompt,
            count,
            ms,
            _p90(measured),
            floor_percent=100 * floor_ms / ms,
            refreshes_per_s=1000 * n / ms,
            tokens_per_s=1000 * n * canvas / ms,
        )


def _timed(setup: Setup, run: Callable[[], object]) -> float:
    """Milliseconds; the engine itself waits for the device after each step."""
    if setup.device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    if setup.device.type == "cuda":
        torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - start)


def _p90(times: list[float]) -> float:
    return statistics.quantiles(times, n=10, method="inclusive")[-1]
