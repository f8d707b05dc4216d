"""Contestants timed in turns in one process, and compared with what is right."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from .contest import Case, Contestant, Host, Outputs, Run

POISONED_BYTES = 1 << 30
FLUSHED_BYTES = 1 << 28  # more than any cache holds


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measured: bytes per second of a copy (read and written), FLOP per second of a product."""

    copy: float
    product: float

    def floor_us(self, case: Case) -> float:
        return 1e6 * sum(max(w.bytes / self.copy, w.flop / self.product) for w in case.work)


@dataclass(frozen=True, slots=True)
class Line:
    """One result. mode: eager (with its launches) or graph (replayed); ratio: time by that of the
    first contestant; err: the largest distance of an output from what is expected, relative to
    the norm of that; peak_bytes: taken on the card meanwhile. Who could not run has `missing`."""

    kernel: str
    shape: str
    T: int
    dtype: str
    contestant: str
    mode: str
    us: float | None = None
    p10_us: float | None = None
    p90_us: float | None = None
    bytes: int | None = None
    flop: int | None = None
    floor_percent: float | None = None
    ratio: float | None = None
    err: float | None = None
    peak_bytes: int | None = None
    launches: int | None = None
    missing: str | None = None


def measure_ceilings(host: Host) -> Ceilings:
    """A large copy and a large square product, in the dtype of the bench."""
    count, side = (1 << 29, 8192) if host.on_card else (1 << 24, 1024)
    source, a, b = host.normal(count), host.normal(side, side), host.normal(side, side)
    target = torch.empty_like(source)
    runs: list[Run] = [lambda _: (target.copy_(source),), lambda _: (a @ b,)]
    for run in runs:
        run(0)
    # As in a graph: the queue hides their launches.
    copy_us, product_us = (statistics.median(t) for t in _time(runs, ["graph"] * 2, 1, host))
    copied = 2 * source.numel() * source.element_size()
    return Ceilings(copy=1e6 * copied / copy_us, product=1e6 * 2 * side**3 / product_us)


def measure(case: Case, host: Host, ceilings: Ceilings) -> list[Line]:
    """A line for each contestant: on a card one eager and one replayed."""
    entered, missing = _enter(case, host)
    lines, runs = [line for line, _ in entered], [run for _, run in entered]
    times = _time(runs, [line.mode for line in lines], case.turns, host)
    first: dict[str, float] = {}  # per mode
    floor_us = ceilings.floor_us(case)
    for i, measured in enumerate(times):
        us = statistics.median(measured)
        tenths = statistics.quantiles(measured, n=10, method="inclusive")
        lines[i] = replace(
            lines[i],
            us=us,
            p10_us=tenths[0],
            p90_us=tenths[-1],
            floor_percent=100 * floor_us / us,
            ratio=us / first.setdefault(lines[i].mode, us),
        )
    return lines + missing


def _enter(case: Case, host: Host) -> tuple[list[tuple[Line, Run]], list[Line]]:
    """Who can run, and a line for each who cannot: a peer is not installed, has no kernel for the
    shape, or cannot be captured. The others go on."""
    entered: list[tuple[Line, Run]] = []
    missing: list[Line] = []
    expected = case.expected()
    for contestant in case.contestants:
        line = Line(
            case.kernel,
            case.shape,
            case.tokens,
            str(host.dtype).removeprefix("torch."),
            contestant.name,
            "eager",
            bytes=sum(work.bytes for work in case.work),
            flop=sum(work.flop for work in case.work),
        )
        try:
            run = contestant.prepare()
            line = _checked(line, contestant, run, expected, case, host)
            entered.append((line, run))
            if host.on_card and contestant.graph:
                line = replace(line, mode="graph")
                entered.append((line, _captured(run, case.turns)))
        except Exception as error:  # of somebody else's code: say it in the result
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            missing.append(replace(line, missing=reason))
    return entered, missing


def _checked(
    line: Line, contestant: Contestant, run: Run, expected: Outputs, case: Case, host: Host
) -> Line:
    """Run every turn once, the first into memory where what is left out would be seen."""
    before = 0
    if host.on_card:
        torch.full(
            (POISONED_BYTES // 4,), torch.nan, device=host.device
        )  # given out again as it is
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
    outputs = run(0)
    if host.on_card:
        torch.cuda.synchronize()
        line = replace(line, peak_bytes=torch.cuda.max_memory_allocated() - before)
    if contestant.finish is not None:
        pairs = zip(contestant.finish(outputs), expected, strict=True)
        line = replace(line, err=max(_distance(actual, wanted) for actual, wanted in pairs))
    for turn in range(1, case.turns):
        run(turn)
    if case.count_launches and host.on_card:
        line = replace(line, launches=_launches(run))
    return line


def _distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape, f"{actual.shape} is not {expected.shape}"
    expected = expected.double()
    error = (actual.double() - expected).square().sum()
    return float((error / expected.square().sum()).sqrt())


def _launches(run: Run) -> int:
    """Kernels, copies and fills on the card."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run(0)
        torch.cuda.synchronize()
    events, cuda = cast("list[Any]", profile.events()), cast(Any, torch.autograd).DeviceType.CUDA
    return sum(event.device_type == cuda for event in events)


def _captured(run: Run, turns: int) -> Run:
    graphs = [torch.cuda.CUDAGraph() for _ in range(turns)]
    outputs: list[Outputs] = []
    for turn, graph in enumerate(graphs):
        with torch.cuda.graph(graph):
            outputs.append(run(turn))

    def replay(turn: int) -> Outputs:
        graphs[turn].replay()
        return outputs[turn]

    return replay


def _time(runs: Sequence[Run], modes: Sequence[str], turns: int, host: Host) -> list[list[float]]:
    """Microseconds of each repetition of each run, in turns: a drift of the clock meets all."""
    repeats = 5 if host.toy else 30
    timed = _time_on_card if host.on_card else _time_on_cpu
    return timed(runs, modes, turns, repeats)


def _time_on_cpu(
    runs: Sequence[Run], modes: Sequence[str], turns: int, repeats: int
) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in runs]
    for repeat in range(repeats):
        for run, measured in zip(runs, times, strict=True):
            start = time.perf_counter()
            run(repeat % turns)
            measured.append(1e6 * (time.perf_counter() - start))
    return times


def _time_on_card(
    runs: Sequence[Run], modes: Sequence[str], turns: int, repeats: int
) -> list[list[float]]:
    flushed = torch.empty(FLUSHED_BYTES, dtype=torch.int8, device="cuda")
    events: list[list[tuple[torch.cuda.Event, torch.cuda.Event]]] = [[] for _ in runs]
    for repeat in range(repeats):
        for run, mode, pairs in zip(runs, modes, events, strict=True):
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            flushed.zero_()
            if mode == "eager":  # what a caller sees: no launch hides behind earlier work
                torch.cuda.synchronize()
            start.record()
            run(repeat % turns)
            end.record()
            pairs.append((start, end))
    torch.cuda.synchronize()
    return [[1e3 * start.elapsed_time(end) for start, end in pairs] for pairs in events]
