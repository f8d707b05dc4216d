"""A cluster of two machines that are simulated in one, and where its replicas run. Ray's processes
are found by their titles, so that nothing here connects to it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 600.0  # machines that run tests may be slow
STARTS = 6  # Ray gives up after 20 s what such a machine does not finish
CORES = 4  # of each simulated machine


@dataclass
class Nodes:
    """The simulated machines: one that coordinates, and works as well, and one that only works."""

    cluster: Any
    other: Any

    @property
    def address(self) -> str:
        return self.cluster.address

    def remove_other(self) -> None:
        """As if it had lost its power: its processes are killed."""
        self.cluster.remove_node(self.other, allow_graceful=False)

    def on_other(self, service: str) -> list[int]:
        """The processes of a service that run there."""
        raylet: int = self.other.all_processes["raylet"][0].process.pid
        return [process for process in replicas(service) if _parent(process) == raylet]


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    from ray.cluster_utils import Cluster

    def head() -> Any:
        # Without what costs a slow machine time, and is not used.
        lean = {"include_dashboard": False, "no_monitor": True}
        return Cluster(initialize_head=True, head_node_args={"num_cpus": CORES, **lean})

    cluster = _patiently(head)
    try:
        yield Nodes(cluster, _patiently(lambda: cluster.add_node(num_cpus=CORES)))
    finally:
        cluster.shutdown()


def _patiently(start: Callable[[], Any]) -> Any:
    for _ in range(STARTS - 1):
        before = _children()
        try:
            return start()
        except Exception as error:
            print(f"Ray has not started: {error}")
            for process in _children() - before:  # Ray leaves them
                os.kill(process, signal.SIGKILL)
    return start()


def _children() -> set[int]:
    """The processes of Ray that this one has started."""
    found = (process for process, text in _titles() if "/ray/" in text)
    return {process for process in found if _parent(process) == os.getpid()}


def replicas(service: str) -> list[int]:
    """The processes of a service."""
    title = f"ray::ServeReplica:surtitle-{service}:"
    return [process for process, text in _titles() if text.startswith(title)]


def _titles() -> Generator[tuple[int, str], None, None]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(path.parent.name), path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended
            continue


def _parent(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:  # it has ended
        return 0
    found = re.search(r"^PPid:\t(\d+)$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def until(condition: Callable[[], bool], timeout_s: float) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it takes too long"
        time.sleep(0.2)
