"""The one translator of a process at work: all sessions and languages in shared batches."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from .errors import TranslatorError
from .scheduler import Job, Scheduler
from .translators import Translator

BATCH_ROWS = 16  # more make the finals among them wait

log = logging.getLogger(__name__)


class TranslationLoop:
    """Runs the translator in a thread of its own; `run` is a task of the process."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._scheduler = Scheduler()
        self._work = asyncio.Event()
        self._running: list[Job] = []

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
        running = (job.heard_ms for job in self._running if job.session_id == session_id)
        waiting = self._scheduler.oldest_heard_ms(session_id)
        return min((*running, *([] if waiting is None else [waiting])), default=None)

    async def run(self) -> None:
        """Translate until cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "translator") as thread:
            while True:
                await self._work.wait()
                self._work.clear()
                while batch := self._scheduler.next_batch(BATCH_ROWS):
                    self._running = batch
                    requests = [job.track.request(job.segment) for job in batch]
                    try:
                        answers = await loop.run_in_executor(
                            thread, self._translator.translate, requests
                        )
                        for job, answer in zip(batch, answers, strict=True):
                            job.done(job, job.track.apply(job.segment, answer))
                    except TranslatorError:
                        log.exception("a batch of %d translations failed", len(batch))
                        for job in batch:
                            job.done(job, job.track.give_up(job.segment))
                    self._running = []
