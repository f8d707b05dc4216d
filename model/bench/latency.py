"""How long one sentence by itself takes, and on what machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

LEAST_WORDS, MOST_WORDS = 15, 18  # of a timed sentence, where there are enough such
TIMED_SENTENCES = 30


class Latency(NamedTuple):
    """Of one sentence; 90 % stay below `p90_ms`."""

    median_ms: float
    p90_ms: float


def timed_sentences(texts: Sequence[str]) -> list[str]:
    """Different ones of 15 to 18 words, else the nearest to that."""

    def distance(text: str) -> int:
        count = len(text.split())
        return max(LEAST_WORDS - count, count - MOST_WORDS, 0)

    return sorted(dict.fromkeys(texts), key=distance)[:TIMED_SENTENCES]


def measure_latency(translate: Callable[[str], object], texts: Sequence[str]) -> Latency:
    """One sentence after the other, as somebody types them; the first is done twice, to warm up."""
    times: list[float] = []
    for text in (texts[0], *texts):
        started = time.perf_counter()
        translate(text)
        times.append(1000 * (time.perf_counter() - started))
    times = sorted(times[1:])
    return Latency(statistics.median(times), times[int(0.9 * (len(times) - 1))])


def processor() -> str:
    """The name of this machine's processor, as far as it is known."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        name = text.partition("model name\t: ")[2].partition("\n")[0]
    except OSError:
        name = ""
    return name or platform.processor() or platform.machine()
