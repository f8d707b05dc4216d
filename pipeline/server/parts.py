"""What each part of a server costs: processor time of its threads and processes, and memory."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

EXECUTOR = "executor"  # the beginning of its threads' names
_PARTS = {  # by the beginning of a thread's name
    "MainThread": "event loop",
    EXECUTOR: "executor",
    "translator": "translator",
    "ctranslate2": "translator",
    "recognizer": "recognizer's pipe",
    "store": "store",
}
LIBRARIES = "libraries"  # what their threads take, which Python does not know: PyTorch's, ONNX's


class PartsCollector(Collector):
    """Reads /proc; where there is none, it tells nothing.

    The event loop is sockets, captions and sentences; the executor voice activity detection, most
    of all. Child processes are a part by their name. One that has ended counts on with what it had
    taken when it was last looked at, so that the part never takes less than before.
    """

    def __init__(self) -> None:
        self._children: dict[BaseProcess, tuple[str, float]] = {}  # name and processor seconds
        self._ended = defaultdict[str, float](float)

    def collect(self) -> Iterator[Metric]:
        if not Path("/proc/self/task").is_dir():
            return
        cpu = CounterMetricFamily(
            "surtitle_part_cpu_seconds", "Processor time of a part.", labels=["part"]
        )
        memory = GaugeMetricFamily(
            "surtitle_part_memory_bytes", "Resident memory of a process.", labels=["part"]
        )
        running = multiprocessing.active_children()
        children = [(child.name, child.pid) for child in running]
        for part, seconds in (_of_threads() | self._of_children(running)).items():
            cpu.add_metric([part], seconds)
        for part, size in _memory([("server", os.getpid()), *children]).items():
            memory.add_metric([part], size)
        yield cpu
        yield memory

    def _of_children(self, running: list[BaseProcess]) -> dict[str, float]:
        for child in running:
            _, before_s = self._children.get(child, ("", 0.0))
            now_s = _cpu_s(Path(f"/proc/{child.pid}/stat"))
            self._children[child] = child.name, max(before_s, now_s)
        for child in self._children.keys() - set(running):
            name, seconds = self._children.pop(child)
            self._ended[name] += seconds
        parts = self._ended.copy()
        for name, seconds in self._children.values():
            parts[name] += seconds
        return parts


def _of_threads() -> dict[str, float]:
    whole_s = time.process_time()
    parts = defaultdict[str, float](float)
    for thread in threading.enumerate():
        name = next((p for start, p in _PARTS.items() if thread.name.startswith(start)), None)
        if name is not None and thread.native_id is not None:
            parts[name] += _cpu_s(Path(f"/proc/self/task/{thread.native_id}/stat"))
    parts[LIBRARIES] = max(0.0, whole_s - sum(parts.values()))
    return parts


def _memory(processes: list[tuple[str, int | None]]) -> dict[str, int]:
    parts = defaultdict[str, int](int)
    for name, pid in processes:
        try:
            pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        except OSError:  # it has just ended
            continue
        parts[name] += int(pages) * os.sysconf("SC_PAGESIZE")
    return parts


def _cpu_s(stat: Path) -> float:
    """User and system time of a thread or a process; 0 where it has just ended."""
    try:
        # What follows the name, which may hold anything, in parentheses.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
