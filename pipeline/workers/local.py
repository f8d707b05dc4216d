"""A cluster of this computer alone, which ends with who started it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path

from ..cluster import ClusterAway, ClusterError
from .access import AUTO, CURRENT_CLUSTER, INSTALL, found_address, probe, set_up_environment

STARTS = 5  # a machine that is busy is too slow for Ray's own patience, now and then
STOP_S = 30.0
FEWEST_PLACES = 4  # for workers, each of which takes one: none of them computes all the time
LOOK_EVERY_S = 0.2

log = logging.getLogger(__name__)


@contextmanager
def local_cluster(
    say: Callable[[str], None], is_wanted: Callable[[], bool]
) -> Generator[None, None, None]:
    """A cluster that "auto" means: the one that is there, else one that is started here, and ended
    at the end. Raises ClusterError, also when `is_wanted` tells that it should not start any more.
    """
    if _is_there():
        yield
        return
    if find_spec("ray") is None:
        raise ClusterError(INSTALL)
    for number in range(STARTS):
        say("Starting a Ray cluster on this computer, for it alone; that takes a while")
        with _started(is_wanted) as found:
            if found is not None:
                CURRENT_CLUSTER.parent.mkdir(parents=True, exist_ok=True)
                CURRENT_CLUSTER.write_text(found, encoding="utf-8")
                try:
                    yield
                finally:
                    _forget(CURRENT_CLUSTER, found)
                return
        if is_wanted():
            raise ClusterError("stopped before the cluster was there")
        if number + 1 < STARTS:
            say("Ray did not come up in time; it is tried again")
    raise ClusterError("Ray does not start here; its own messages are in /tmp/ray/session_latest")


def _forget(path: Path, address: str) -> None:
    with suppress(OSError):
        if path.read_text(encoding="utf-8") == address:
            path.unlink()


def _is_there() -> bool:
    """Raises ClusterError for one that asks for no token."""
    address = found_address(AUTO)
    if address is None:
        return False
    try:
        probe(address)
    except ClusterAway:
        return False  # of one that was not ended in order
    return True


@contextmanager
def _started(is_wanted: Callable[[], bool]) -> Generator[str | None, None, None]:
    """The address of a cluster that lives meanwhile; None where there is none."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_hold, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    try:
        while not ours.poll(LOOK_EVERY_S) and not is_wanted():
            pass
        found: str | None = None
        with suppress(EOFError, OSError):
            found = None if is_wanted() else ours.recv()
        yield found
    finally:
        ours.close()
        process.join(STOP_S)
        process.kill()  # Ray's processes end with it
        process.join()


def _hold(pipe: Connection) -> None:
    """The process: start a cluster, and keep it until the parent closes the pipe or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    set_up_environment(None)
    ray = import_module("ray")
    try:
        started = ray.init(
            num_cpus=max(FEWEST_PLACES, os.cpu_count() or 1),
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
        )
    except Exception:  # what it says is in its log
        pipe.send(None)
        return
    for number in (signal.SIGINT, signal.SIGTERM):  # Ray has taken them
        signal.signal(number, signal.SIG_IGN)
    pipe.send(started.address_info["gcs_address"])
    with suppress(EOFError, OSError):
        pipe.recv()
    ray.shutdown()
