"""A cluster of two machines that are simulated in one, and where its replicas run. Ray's processes
are found by their titles, so that nothing here connects to it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 600.0  # machines that run tests may be slow
STARTS = 6  # Ray gives up after 20 s what such a machine does not finish
CORES = 4  # of each simulated machine, if not said otherwise


@dataclass
class Nodes:
    """The simulated machines: one that coordinates, and works as well, and one that only works."""

    cluster: Any
    other: Any
    resources: dict[str, int]

    @property
    def address(self) -> str:
        return self.cluster.address

    def remove_other(self) -> None:
        """As if it had lost its power: its processes are killed, all at once."""
        self._signal_other(signal.SIGKILL)
        self.cluster.remove_node(self.other, allow_graceful=False)

    def silence_other(self) -> None:
        """As if its network were gone: its connections stay, and nothing comes over them."""
        self._signal_other(signal.SIGSTOP)

    def replace_other(self) -> None:
        """Another machine comes in its place."""
        self.remove_other()
        self.other = _patiently(lambda: self.cluster.add_node(**self.resources))

    def on_other(self, service: str) -> list[int]:
        """The processes of a service that run there."""
        return self.of_other(replicas(service))

    def of_other(self, processes: list[int]) -> list[int]:
        """Those of some processes that run there."""
        raylet = self._raylet()
        return [process for process in processes if _parent(process) == raylet]

    def _raylet(self) -> int:
        return self.other.all_processes["raylet"][0].process.pid

    def _signal_other(self, number: signal.Signals) -> None:
        children = self.of_other([process for process, _ in _titles()])
        for process in (self._raylet(), *children):
            with suppress(ProcessLookupError):
                os.kill(process, number)


@contextmanager
def two_nodes(**resources: int) -> Iterator[Nodes]:
    """Each with `resources`, as Ray names them."""
    from ray.cluster_utils import Cluster

    each = resources or {"num_cpus": CORES}

    def head() -> Any:
        # Without what costs a slow machine time, and is not used.
        lean = {"include_dashboard": False, "no_monitor": True, "include_log_monitor": False}
        return Cluster(initialize_head=True, head_node_args={**each, **lean})

    cluster = _patiently(head)
    try:
        yield Nodes(cluster, _patiently(lambda: cluster.add_node(**each)), each)
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
    return titled(f"ray::ServeReplica:surtitle-{service}:")


def titled(title: str) -> list[int]:
    """The processes whose titles begin with that."""
    return [process for process, text in _titles() if text.startswith(title)]


def cpu_s(process: int) -> float:
    """What a process has computed so far; 0 where it has ended."""
    try:
        found = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK")


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
