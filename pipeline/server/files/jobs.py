"""Recordings that wait, those that are heard, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ...audio.container import AudioChoice, probe_duration_ms
from ...audio.upload import Upload
from ...config import BatchConfig, FilesConfig
from ...errors import MediaError, RefusedError, SurtitleError
from ...events import SourceSegment
from ...listening import guess_language
from ...recognizers import LanguageGuess, Recognizer
from ...recording import Transcript, transcribe
from ...text.written_form import written_form
from ...translators.queue import TranslationQueue
from .ear import Ear

MAX_WARNINGS = 20
SHOWN_CHARS = 300  # of what was heard last

State = Literal["waiting", "running", "done", "failed"]
Segments = list[SourceSegment]

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """What is asked about one recording, and how far that is.

    `hear` is told the segments as they are recognized. `heard_ms` is how much was heard; in the
    end, all there is. Of `transcript` and `guess` there is what was asked for when it is done;
    `message` says in a sentence why it has failed.
    """

    id: str
    name: str
    config: BatchConfig
    created_at: str
    guesses: bool = False
    hear: Callable[[Segments], None] = lambda segments: None
    state: State = "waiting"
    duration_ms: int | None = None
    heard_ms: int = 0
    latest: str = ""
    warnings: list[str] = field(default_factory=list[str])
    message: str = ""
    is_our_fault: bool = False
    transcript: Transcript | None = None
    guess: LanguageGuess | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Jobs:
    """The jobs of a server: one runs, the others wait, the first first.

    Each counts from the first byte of its recording to its end; where there are `max_jobs`, who
    comes is refused. Who no longer wants a job cancels it, which frees what it holds at once.
    """

    def __init__(
        self,
        config: FilesConfig,
        ear: Ear,
        translations: TranslationQueue,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._config = config
        self._ear = ear
        self._translations = translations
        self._tasks = tasks
        self._coming = 0
        self._jobs: dict[str, Job] = {}

    @contextmanager
    def coming(self) -> Generator[None, None, None]:
        """A recording is on its way, until its job has started. Raises RefusedError."""
        if self._coming + len(self._jobs) >= self._config.max_jobs:
            raise RefusedError(
                "too_many_jobs",
                f"this server has {self._config.max_jobs} recordings on its hands, as many as it "
                "may; try again later",
            )
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    def start(
        self,
        upload: Upload,
        config: BatchConfig,
        *,
        guesses: bool = False,
        hear: Callable[[Segments], None] = lambda segments: None,
        settle: Callable[[Job], Awaitable[None]] | None = None,
    ) -> Job:
        """Begin a job, which closes the upload. With `guesses` nothing but the language is wanted.

        `settle` hears what has become of it, unless it is cancelled, before it is forgotten here.
        """
        created_at = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(secrets.token_urlsafe(12), upload.name, config, created_at, guesses, hear)
        self._jobs[job.id] = job
        job.task = self._tasks.create_task(self._run(job, upload, settle))
        job.task.add_done_callback(lambda task: self._end(job, upload))
        return job

    async def cancel(self, job: Job) -> None:
        """Nobody wants it any more. When this returns, its place and its file are free."""
        if job.task is not None:
            await asyncio.sleep(0)  # it has begun, and ends as it should
            job.task.cancel()
            await job.ended.wait()

    def find(self, job_id: str) -> Job | None:
        """A job that is not done yet."""
        return self._jobs.get(job_id)

    def all(self) -> list[Job]:
        """Those that are not done yet, the newest first."""
        return list(reversed(self._jobs.values()))

    def ahead(self, job: Job) -> int:
        """How many are before it."""
        earlier = list(self._jobs.values())
        return earlier.index(job) if job in earlier else 0

    async def aclose(self) -> None:
        """Give up all of them."""
        for job in list(self._jobs.values()):
            await self.cancel(job)

    async def _run(
        self, job: Job, upload: Upload, settle: Callable[[Job], Awaitable[None]] | None
    ) -> None:
        try:
            # Before its turn: who sends what cannot be heard learns that at once.
            job.duration_ms = await asyncio.to_thread(probe_duration_ms, upload)
            async with self._ear.lent() as recognizer:
                job.state = "running"
                await self._work(job, upload, recognizer)
            job.state = "done"
        except SurtitleError as error:
            job.state, job.message = "failed", str(error)
        except Exception:
            log.exception("a recording could not be heard")
            job.state, job.message, job.is_our_fault = "failed", "see the server's log", True
        if settle is not None:
            await settle(job)

    def _end(self, job: Job, upload: Upload) -> None:
        del self._jobs[job.id]
        upload.close()
        job.ended.set()

    async def _work(self, job: Job, upload: Upload, recognizer: Recognizer) -> None:
        def warn(line: str) -> None:
            if len(job.warnings) < MAX_WARNINGS:
                job.warnings.append(line)

        def progress(heard_ms: int) -> None:
            job.heard_ms = heard_ms
            if heard_ms > self._config.max_recording_ms:
                hours = self._config.max_recording_ms / 3_600_000
                raise MediaError(f"{upload}: a recording may last {hours:g} hours here; cut it")

        def hear(segments: Segments) -> None:
            if segments:
                job.latest = " ".join(segment.text for segment in segments)[-SHOWN_CHARS:]
                job.hear(segments)

        if job.guesses:
            job.guess = await guess_language(upload, recognizer, warn)
            return
        audio = AudioChoice(job.config.source)
        spoken = job.transcript = await transcribe(
            upload, audio, job.config, recognizer, self._translations, progress, warn, hear
        )
        if not recognizer.is_written:
            spoken.segments = written_form(spoken.segments, spoken.language)
        if not spoken.segments:
            warn(f"{upload}: nobody speaks in it, as far as {recognizer.name} can hear")
