"""What a server, those who load it and others cost a machine in a stretch of time."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

from ..client.connection import Server
from ..config import is_loopback
from ..errors import RemoteError

TIMEOUT_S = 20.0
_SHED = {
    "unsent": "surtitle_unsent_drafts_total",
    "untranslated": "surtitle_untranslated_drafts_total",
    "withheld": "surtitle_withheld_drafts_total",
}
_CPU, _MEMORY = "surtitle_part_cpu_seconds_total", "surtitle_part_memory_bytes"
_CAPTIONS, _SENT = "surtitle_captions_total", "surtitle_captions_sent_total"

Sample = tuple[str, str]  # a metric's name, and the part that it is of, or ""


@dataclass(frozen=True, slots=True)
class Counters:
    """What was counted up to a moment; `busy_s` is the processor time of the whole machine, None
    where the server is on another."""

    at_s: float
    server: dict[Sample, float]
    load_s: float  # processor time of this process
    busy_s: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """`cores` by part: processor time by time. "load" is who loads, "others" what else ran on this
    machine, where the server is on it. `shed` counts drafts that were not shown, by why."""

    cores: dict[str, float]
    memory_mb: dict[str, float]
    captions: int
    sent: int
    shed: dict[str, int]


def cpu_s(counters: Counters) -> float:
    """Processor time of the server's own process, without that of its recognizers."""
    return counters.server["process_cpu_seconds_total", ""]


def read_counters(server: Server) -> Counters:
    """Raises RemoteError."""
    request = Request(f"{server.url.rstrip('/')}/metrics")
    if server.token:
        request.add_header("Authorization", f"Bearer {server.token}")
    try:
        with urlopen(request, timeout=TIMEOUT_S) as response:
            text = response.read().decode()
    except (URLError, OSError) as error:
        raise RemoteError(f"{server.url}/metrics cannot be read: {error}") from error
    found = {
        (sample.name, sample.labels.get("part", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    is_here = is_loopback(urlsplit(server.url).hostname or "")
    return Counters(time.monotonic(), found, time.process_time(), _busy_s() if is_here else None)


def cost_between(before: Counters, after: Counters, crowd_s: float) -> Cost:
    """`crowd_s` is the processor time of those who load in other processes."""
    took_s = after.at_s - before.at_s

    def grown(name: str, part: str = "") -> float:
        sample = name, part
        return after.server.get(sample, 0.0) - before.server.get(sample, 0.0)

    parts = [part for name, part in after.server if name == _CPU]
    cores = {part: max(0.0, grown(_CPU, part)) / took_s for part in parts}
    cores["load"] = (after.load_s - before.load_s + crowd_s) / took_s
    if after.busy_s is not None and before.busy_s is not None:
        others = (after.busy_s - before.busy_s) / took_s - sum(cores.values())
        cores["others"] = max(0.0, others)
    return Cost(
        cores={part: round(share, 4) for part, share in cores.items()},
        memory_mb={
            part: round(value / 1e6, 1)
            for (name, part), value in after.server.items()
            if name == _MEMORY
        },
        captions=round(grown(_CAPTIONS)),
        sent=round(grown(_SENT)),
        shed={why: round(grown(name)) for why, name in _SHED.items()},
    )


def _busy_s() -> float | None:
    """All but idle time and waiting for disks, of all cores."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields[:8])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
