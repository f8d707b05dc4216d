"""Steps, refreshes and throughput of the engine: cases B5, B6, V2, E1, E2 and E4."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from ..engine.engine import CanvasRequest
from .layer import SHAPES, layer
from .rounds import RoundLine, rounds
from .setup import Line, Setup


def steps(setup: Setup) -> Iterator[Line]:
    """B6: one denoising step, without prompts."""
    for n, canvas in SHAPES:
        yield _step_line(setup, n, canvas)


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


CASES: dict[str, Callable[[Setup], Iterator[Line | RoundLine]]] = {
    "B5": layer,
    "B6": steps,
    "V2": rounds,
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
