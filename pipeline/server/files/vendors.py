"""Recordings as OpenAI's clients and Bazarr send them: answered in the same request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ...config import BatchConfig, FilesConfig
from ...errors import RefusedError
from ...protocols import bazarr, openai_audio
from ...protocols.openai_audio import TRANSLATES_INTO, Heard
from ..gate.access import Access
from .jobs import Job, Jobs, Segments
from .receiving import receive_form, take_time
from .refusals import CLOSED_REQUEST, check_language, check_publisher, status_of

Endpoint = Callable[["VendorApi", Request], Awaitable[Response]]


def _answering(
    make_error: Callable[[RefusedError], Response],
) -> Callable[[Endpoint], Endpoint]:
    """Endpoints for who may publish; what they refuse is told in a vendor's format."""

    def decorate(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        async def guarded(api: VendorApi, request: Request) -> Response:
            try:
                check_publisher(api.access, request.headers)
                return await endpoint(api, request)
            except RefusedError as error:
                return make_error(error)
            except ClientDisconnect:
                return Response(status_code=CLOSED_REQUEST)

        return guarded

    return decorate


def _as_openai(error: RefusedError) -> Response:
    status = status_of(error)
    is_ours = status >= 500
    body = openai_audio.error(str(error), error.code, is_ours=is_ours)
    return JSONResponse(body, status, _headers(error))


def _as_text(error: RefusedError) -> Response:
    return PlainTextResponse(f"{error}\n", status_of(error), _headers(error))


def _headers(error: RefusedError) -> Mapping[str, str]:
    match error.code:
        case "unauthorized":
            return {"www-authenticate": "Bearer, Basic"}
        case "too_many_jobs":
            return {"retry-after": "60"}
        case _:
            return {}


class VendorApi:
    """The endpoints, each a method. Who goes away before the answer is there frees its job."""

    def __init__(
        self,
        jobs: Jobs,
        folder: Path,
        config: FilesConfig,
        access: Access,
        languages: Collection[str],
    ) -> None:
        """Recordings are received into `folder`; `languages` are those that can be heard."""
        self.access = access
        self._jobs = jobs
        self._folder = folder
        self._config = config
        self._languages = languages

    @_answering(_as_openai)
    async def transcriptions(self, request: Request) -> Response:
        return await self._openai(request, translates=False)

    @_answering(_as_openai)
    async def translations(self, request: Request) -> Response:
        return await self._openai(request, translates=True)

    @_answering(_as_text)
    async def asr(self, request: Request) -> Response:
        asked = bazarr.parse_asr(request.query_params)
        config = self._batch(asked.language, translates=asked.translates)
        job = await self._received(request, config, is_raw=asked.is_raw)
        await self._ended(request, job)
        body = bazarr.answer(asked, _heard(job, translates=asked.translates))
        return Response(body, media_type=bazarr.MEDIA_TYPES[asked.output])

    @_answering(_as_text)
    async def detect_language(self, request: Request) -> Response:
        is_raw = bazarr.is_raw(request.query_params)
        job = await self._received(request, BatchConfig(), is_raw=is_raw, guesses=True)
        await self._ended(request, job)
        assert job.guess is not None, "that is what was asked for"
        return JSONResponse(bazarr.detected(*job.guess))

    async def _openai(self, request: Request, *, translates: bool) -> Response:
        stream = _Deltas()
        with self._jobs.coming():
            take_time(request)
            form = await receive_form(request, self._folder, self._config, "file")
            try:
                asked = openai_audio.parse_form(form.fields)
                config = self._batch(asked.language, asked.expected, translates=translates)
                config = replace(config, cuts_as_live=asked.streams)
                if asked.streams and translates:
                    raise RefusedError("bad_request", "translations are not streamed; leave it out")
            except BaseException:
                form.upload.close()
                raise
            job = self._jobs.start(form.upload, config, hear=stream.push)
        headers = {"x-request-id": job.id}
        if asked.streams:
            events = self._events(job, stream)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        await self._ended(request, job)
        body = openai_audio.answer(asked, _heard(job, translates=translates))
        return Response(body, media_type=openai_audio.MEDIA_TYPES[asked.format], headers=headers)

    def _batch(
        self, language: str | None, expected: tuple[str, ...] = (), *, translates: bool
    ) -> BatchConfig:
        """Raises RefusedError."""
        source = check_language(language, self._languages)
        targets = (TRANSLATES_INTO,) if translates and source != TRANSLATES_INTO else ()
        return BatchConfig(source, targets, expected=expected)

    async def _received(
        self, request: Request, config: BatchConfig, *, is_raw: bool, guesses: bool = False
    ) -> Job:
        with self._jobs.coming():
            take_time(request)
            form = await receive_form(
                request, self._folder, self._config, "audio_file", is_raw=is_raw
            )
            return self._jobs.start(form.upload, config, guesses=guesses)

    async def _ended(self, request: Request, job: Job) -> None:
        """Wait for a job. Raises ClientDisconnect, and RefusedError where the job has failed."""
        going = asyncio.create_task(_gone(request))
        ending = asyncio.create_task(job.ended.wait())
        try:
            await asyncio.wait((going, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            going.cancel()
            ending.cancel()
            await asyncio.shield(self._jobs.cancel(job))
        if going.done() and not going.cancelled() and job.state != "done":
            raise ClientDisconnect
        if job.state != "done":
            raise RefusedError("internal" if job.is_our_fault else "bad_request", job.message)

    async def _events(self, job: Job, stream: _Deltas) -> AsyncGenerator[str, None]:
        """What is heard, as it is heard; who reads no more frees the job."""
        ending = asyncio.create_task(job.ended.wait())
        ending.add_done_callback(lambda task: stream.end())
        is_first = True
        try:
            while text := await stream.taken():
                yield openai_audio.delta(text, stream.language, is_first=is_first)
                is_first = False
            if job.state == "done":
                yield openai_audio.done(openai_audio.whole_text(_heard(job, translates=False)))
            else:
                yield openai_audio.error_event(job.message)
        finally:
            ending.cancel()
            await asyncio.shield(self._jobs.cancel(job))


class _Deltas:
    """What was heard and is not sent yet: one text, which grows, at most that of the recording."""

    def __init__(self) -> None:
        self.language = ""
        self._waiting: list[str] = []
        self._is_over = False
        self._changed = asyncio.Event()

    def push(self, segments: Segments) -> None:
        self.language = segments[0].language
        self._waiting += [segment.text for segment in segments]
        self._changed.set()

    def end(self) -> None:
        self._is_over = True
        self._changed.set()

    async def taken(self) -> str:
        """What has come since this was asked last, "" when nothing more does."""
        while not self._waiting and not self._is_over:
            self._changed.clear()
            await self._changed.wait()
        waiting, self._waiting = self._waiting, []
        return openai_audio.joined(waiting, self.language)


def _heard(job: Job, *, translates: bool) -> Heard:
    spoken = job.transcript
    assert spoken is not None, "the job is done"
    texts = spoken.translations.get(TRANSLATES_INTO) if translates else None
    own = [segment.text for segment in spoken.segments]
    text_language = spoken.language if texts is None else TRANSLATES_INTO
    return Heard(spoken.language, job.heard_ms, spoken.segments, texts or own, text_language)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
