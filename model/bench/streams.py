"""How many live streams at which latency: case E3, a simulation with measured steps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from ..engine.engine import CanvasRequest, Engine, EngineLimits
from ..network.config import SamplerConfig
from .setup import NEVER_SETTLED, Setup

LIMITS_MS = (300, 500, 1000)
MOST_STREAMS = 1024
CANVASES = (16, 32, 48, 64, 96)  # tokens
PROMPT, GROWTH = 150, 16  # tokens: the longest, and what is new in each revision
LEAST_STEPS, MOST_STEPS = 4, 10
REVISIONS = 4  # of a segment, before a new one begins


@dataclass(frozen=True, slots=True)
class StreamsLine:
    """The most streams with a 95th percentile of the latency under `limit_ms`, and that latency.
    0 streams: not even one."""

    policy: str
    limit_ms: int
    streams: int
    p50_ms: float | None
    p95_ms: float | None

    def __str__(self) -> str:
        times = "" if self.p95_ms is None else f"(p50 {self.p50_ms:.0f}, p95 {self.p95_ms:.0f} ms)"
        return f"E3 p95 < {self.limit_ms:>4} ms: {self.streams:>4} streams {times} {self.policy}"


@dataclass(frozen=True, slots=True)
class _Refresh:
    at_s: float
    request: CanvasRequest


def search(setup: Setup, seconds: float) -> Iterator[StreamsLine]:
    """Every stream asks once a second, somewhat irregularly, for 16 to 96 canvas tokens in 4 to 10
    steps; its prompt grows to 150 tokens. Three ways to serve them:

    continuous   the engine: who comes joins at the next step
    static       who waits is taken together, the next when all of these are done
    one by one   each alone, in the order of their coming
    """
    for policy in POLICIES:
        trials = _Trials(setup, seconds, policy)
        for limit_ms in LIMITS_MS:
            most = trials.most(limit_ms)
            times = trials.p50_p95_ms(most) if most else (None, None)
            yield StreamsLine(policy, limit_ms, most, *times)


@dataclass(slots=True)
class _Trials:
    """Simulations of one policy; each number of streams is tried once."""

    setup: Setup
    seconds: float
    policy: str
    found: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])

    def p50_p95_ms(self, streams: int) -> tuple[float, float]:
        if streams not in self.found:
            latencies = _simulate(self.setup, streams, self.seconds, POLICIES[self.policy])
            p50, p95 = np.percentile(latencies, [50, 95])
            self.found[streams] = 1000 * float(p50), 1000 * float(p95)
        return self.found[streams]

    def most(self, limit_ms: int) -> int:
        """The most streams under a limit, to 5 %: by doubling, then by halving the gap."""
        low, high = 0, 1
        while high <= MOST_STREAMS and self.p50_p95_ms(high)[1] < limit_ms:
            low, high = high, 2 * high
        while high - low > max(1, low // 20):
            middle = (low + high) // 2
            if self.p50_p95_ms(middle)[1] < limit_ms:
                low = middle
            else:
                high = middle
        return low


POLICIES: dict[str, Callable[[Engine, int], int]] = {
    "continuous": lambda engine, waiting: waiting,
    "static": lambda engine, waiting: waiting if engine.is_idle else 0,
    "one by one": lambda engine, waiting: min(1, waiting) if engine.is_idle else 0,
}


def _simulate(
    setup: Setup, streams: int, seconds: float, take: Callable[[Engine, int], int]
) -> list[float]:
    """Seconds from the asking to the answer of each refresh.

    The clock is that of the requests; each step moves it on by the time that it really takes. Once
    no one can catch up any more, those that wait count with what they have waited.
    """
    refreshes = _refreshes(streams, seconds, setup.model.config.vocab_size)
    limits = EngineLimits(
        rows=64,
        canvas_tokens=max(CANVASES),
        step_tokens=4096,
        arena_tokens=max(64, streams) * (PROMPT + 32),
        prompt_tokens=PROMPT,
    )
    sampler = SamplerConfig(max_denoising_steps=MOST_STEPS, confidence_threshold=NEVER_SETTLED)
    engine = Engine(setup.model, sampler, limits, options=setup.options)
    asked_s: dict[int, float] = {}
    latencies: list[float] = []
    now_s, coming, waiting = 0.0, 0, list[_Refresh]()
    while len(latencies) < len(refreshes):
        while coming < len(refreshes) and refreshes[coming].at_s <= now_s:
            waiting.append(refreshes[coming])
            coming += 1
        for refresh in waiting[: (taken := take(engine, len(waiting)))]:
            asked_s[engine.add(refresh.request)] = refresh.at_s
        del waiting[:taken]
        if engine.is_idle:
            now_s = refreshes[coming].at_s
            continue
        started = time.perf_counter()
        results = engine.step()
        now_s += time.perf_counter() - started
        latencies += [now_s - asked_s.pop(result.ticket) for result in results]
        if now_s > seconds + 2 * max(LIMITS_MS) / 1000:  # hopelessly late
            late = [*asked_s.values(), *(r.at_s for r in waiting)]
            return latencies + [now_s - at_s for at_s in late]
    return latencies


def _refreshes(streams: int, seconds: float, vocabulary: int) -> list[_Refresh]:
    """The same for every trial of so many streams, by the time of their coming."""
    rng = random.Random(streams)
    found: list[_Refresh] = []
    for stream in range(streams):
        at_s = rng.uniform(0, min(1, seconds))  # each asks at least once
        revision, tokens = rng.randrange(REVISIONS), list[int]()
        while at_s < seconds:
            if revision % REVISIONS == 0 or not tokens:
                least = PROMPT - REVISIONS * GROWTH
                tokens = [rng.randrange(3, vocabulary) for _ in range(least)]
            tokens = tokens + [rng.randrange(3, vocabulary) for _ in range(GROWTH)]
            request = CanvasRequest(
                tuple(tokens[:PROMPT]),
                rng.choice(CANVASES),
                steps=rng.randint(LEAST_STEPS, MOST_STEPS),
                key=(stream, revision // REVISIONS),
            )
            found.append(_Refresh(at_s, request))
            revision += 1
            at_s += rng.uniform(0.8, 1.2)
    return sorted(found, key=lambda refresh: refresh.at_s)


def warm_up(setup: Setup) -> None:
    """Compile kernels and record graphs, so that no trial pays for it."""
    for streams in (1, 8, 64) if setup.device.type == "cuda" else (1,):
        _simulate(setup, streams, 1.0, POLICIES["continuous"])
    if setup.device.type == "cuda":
        torch.cuda.synchronize()
