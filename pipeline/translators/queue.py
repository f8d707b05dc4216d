"""The one translator of a process at work: all sessions and languages in shared steps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..errors import TranslatorError
from ..events import TranslationRequest
from . import Translator
from .scheduler import Job, Scheduler

log = logging.getLogger(__name__)


class TranslationLoop:
    """Runs the translator in a thread of its own; `run` is a task of the process.

    A job begins as soon as there is room, between two steps of those that are at work. A revision
    waits while an older one of its segment is at work: it starts from what that one finds.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._scheduler = Scheduler()
        self._work = asyncio.Event()
        self._running: dict[int, Job] = {}  # by the translator's number

    def check(self, source: str, target: str) -> None:
        """Raise TranslatorError for a language pair that the translator does not know."""
        self._translator.check(source, target)

    def submit(self, job: Job) -> Job | None:
        """Queue a job; return the draft that it supersedes, if one waits."""
        superseded = self._scheduler.add(job)
        self._work.set()
        return superseded

    def drop(self, session_id: str) -> None:
        """Forget what waits for a session that has ended."""
        self._scheduler.drop(session_id)

    def queued(self, session_id: str) -> int:
        return self._scheduler.count(session_id)

    def oldest_heard_ms(self, session_id: str) -> int | None:
        """From which moment of a session the oldest job is that waits or runs."""
        running = (j.heard_ms for j in self._running.values() if j.session_id == session_id)
        waiting = self._scheduler.oldest_heard_ms(session_id)
        return min((*running, *([] if waiting is None else [waiting])), default=None)

    async def run(self) -> None:
        """Translate until cancelled."""
        with ThreadPoolExecutor(1, "translator") as thread:
            while True:
                await self._work.wait()
                self._work.clear()
                while await self._advance(thread):
                    pass

    async def _advance(self, thread: ThreadPoolExecutor) -> bool:
        """One step, with as many new jobs as there is room for; False if there is nothing to do."""
        busy = {job.key for job in self._running.values()}
        new = self._scheduler.take(self._translator.most_at_once - len(busy), busy)
        if not new and not busy:
            return False
        requests = [replace(job.track.request(job.segment), key=job.key) for job in new]
        loop = asyncio.get_running_loop()
        try:
            numbers, ended = await loop.run_in_executor(thread, self._step, requests)
        except TranslatorError:
            failed = [*self._running.values(), *new]
            self._running.clear()
            log.exception("%d translations failed", len(failed))
            for job in failed:
                job.done(job, job.track.give_up(job.segment))
            return True
        self._running |= zip(numbers, new, strict=True)
        for number, text in ended:
            job = self._running.pop(number)
            job.done(job, job.track.apply(job.segment, text))
        return True

    def _step(
        self, requests: Sequence[TranslationRequest]
    ) -> tuple[list[int], list[tuple[int, str]]]:
        numbers = [self._translator.add(request) for request in requests]
        return numbers, self._translator.step()
