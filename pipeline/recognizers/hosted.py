"""The recognizers of whoever listens live: each in a process of its own."""

from __future__ import annotations

import os
from functools import partial

from ..config import AUTO, RecognizerConfig
from . import LiveRecognizer
from .by_language import PoolsByLanguage
from .child_process import ChildProcessRecognizer, Say
from .choice import for_other_languages, open_recognizer
from .pool import RecognizerPool

MOST_PROCESSES = 4  # if nobody says how many: each holds the weights


def open_live(config: RecognizerConfig, source: str | None, say: Say) -> LiveRecognizer:
    """Open what hears the language `source`; where that is None, any language that speakers may
    come with; with AUTO, so many languages that it has to be found out. Raises RecognizerError."""
    if source not in (None, AUTO):
        return open_pool(config, source, say)
    pool = open_pool(config, None, say)
    others = for_other_languages(config, may_fetch=source == AUTO)
    if others is None:
        return pool
    return PoolsByLanguage({"en": pool}, open_pool(others, None, say))


def open_pool(config: RecognizerConfig, source: str | None, say: Say) -> RecognizerPool:
    """Open the recognizer of `config` as open_recognizer does, in its `processes`.

    Processes, since a native library may crash, hang, or hold Python's lock while it computes, and
    a GPU's driver too. Raises RecognizerError.
    """
    make = partial(open_recognizer, config, source)
    workers = [ChildProcessRecognizer(make, say)]
    count = config.processes or process_count(workers[0].cpu_threads, _core_count())
    try:
        while len(workers) < count:
            workers.append(ChildProcessRecognizer(make, lambda line: None))
    except BaseException:
        for worker in workers:
            worker.close()
        raise
    say(f"It runs in {f'{count} processes' if count > 1 else 'a process'} of its own")
    return RecognizerPool(workers)


def process_count(cpu_threads: int, cores: int) -> int:
    """How many recognizers fit: on a GPU one, on a processor half of it, for translations."""
    if not cpu_threads:
        return 1
    return max(1, min(MOST_PROCESSES, cores // (2 * cpu_threads)))


def _core_count() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
