from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Callable

import pytest

from surtitle.pipeline.server.parts import LIBRARIES, PartsCollector

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")


def told(collector: PartsCollector | None = None) -> tuple[dict[str, float], dict[str, float]]:
    """Processor seconds and memory by part."""
    cpu, memory = (collector or PartsCollector()).collect()
    found = [{s.labels["part"]: s.value for s in family.samples} for family in (cpu, memory)]
    return found[0], found[1]


def work(until: Callable[[], bool]) -> None:
    while not until():
        sum(range(1000))


def test_a_thread_is_a_part_by_its_name() -> None:
    before = told()[0].get("translator", 0.0)
    is_enough = threading.Event()
    thread = threading.Thread(target=work, args=(is_enough.is_set,), name="translator")
    thread.start()
    late_s = time.monotonic() + 60
    while (took := told()[0]["translator"] - before) < 0.1 and time.monotonic() < late_s:
        time.sleep(0.05)
    is_enough.set()
    thread.join()
    assert took >= 0.1


def test_the_whole_is_its_parts() -> None:
    work(lambda: time.process_time() > 0.2)
    cpu, memory = told()
    assert cpu["event loop"] > 0 and cpu[LIBRARIES] >= 0
    assert memory["server"] > 1e6


def test_child_processes_of_a_name_are_a_part_which_never_shrinks() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    children = [
        context.Process(target=wait, args=(theirs,), name="recognizer", daemon=True)
        for _ in range(2)
    ]
    collector = PartsCollector()
    try:
        for number, child in enumerate(children, start=1):
            child.start()
            assert ours.recv() == "here"
            cpu, memory = told(collector)
            assert cpu["recognizer"] > 0.1 * number and memory["recognizer"] > 1e6 * number
        both_s = cpu["recognizer"]
        for child in children:
            child.kill()
            child.join()
            cpu, memory = told(collector)
            assert cpu["recognizer"] >= both_s
        assert "recognizer" not in memory
    finally:
        ours.close()
        theirs.close()
        for child in children:
            if child.is_alive():
                child.kill()
                child.join()


def wait(pipe: object) -> None:
    work(lambda: time.process_time() > 0.2)  # the system counts in steps of 10 ms
    pipe.send("here")  # type: ignore[attr-defined]
    time.sleep(600)
