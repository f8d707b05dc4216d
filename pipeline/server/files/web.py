"""Recordings for the page /files and for scripts: sent once, asked about until they are done."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from ...audio.upload import shown_name
from ...config import BatchConfig, FilesConfig
from ...errors import OutputError, RefusedError, TranslatorError
from ...protocols import decode_json, shown
from ...protocols.openai_audio import parse_language
from ...translators.queue import TranslationQueue
from ..gate.access import Access
from .jobs import Job, Jobs
from .receiving import receive_body, receive_short, take_time
from .refusals import CLOSED_REQUEST, check_language, check_publisher, status_of
from .results import MEDIA_TYPES, Result, Results, subtitle_file

MAX_TARGETS = 8
MAX_CORRECTION_BYTES = 16 << 10
NOT_WRITTEN = "the server's disk does not take this; see its log, and try again later"

log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


class FilesApi:
    """The endpoints, each a method."""

    def __init__(
        self,
        jobs: Jobs,
        results: Results,
        folder: Path,
        config: FilesConfig,
        access: Access,
        languages: Collection[str],
        translations: TranslationQueue,
    ) -> None:
        """Recordings are received into `folder`; `languages` are those that can be heard."""
        self._jobs = jobs
        self._results = results
        self._folder = folder
        self._config = config
        self._access = access
        self._languages = languages
        self._translations = translations

    def for_publishers(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, for who may publish; what it refuses becomes an error in our format."""

        async def guarded(request: Request) -> Response:
            try:
                check_publisher(self._access, request.headers)
                return await endpoint(request)
            except OutputError as error:
                log.error("%s", error)
                body = {"type": "error", "code": "disk_full", "message": NOT_WRITTEN}
                return JSONResponse(body, HTTPStatus.INSUFFICIENT_STORAGE)
            except RefusedError as error:
                headers = {"www-authenticate": "Bearer"} if error.code == "unauthorized" else None
                body = {"type": "error", "code": error.code, "message": str(error)}
                return JSONResponse(body, status_of(error), headers)
            except ClientDisconnect:
                return Response(status_code=CLOSED_REQUEST)

        return guarded

    async def create(self, request: Request) -> Response:
        """The body is the recording; the query says what it is called, and what to make of it."""
        query = request.query_params
        config = self._batch(query.get("from"), query.get("to", ""), query.get("speakers", "0"))
        with self._jobs.coming():
            take_time(request)
            name = shown_name(query.get("name"))
            upload = await receive_body(request, self._folder, self._config, name)
            job = self._jobs.start(upload, config, settle=self._results.save)
        location = {"location": f"/v1/jobs/{job.id}"}
        return JSONResponse(self._progress(job), 202, location)

    async def all(self, request: Request) -> Response:
        going = [self._progress(job) for job in self._jobs.all()]
        known = {job["id"] for job in going}
        kept = [each for each in await self._results.newest() if each["id"] not in known]
        return JSONResponse({"jobs": [*going, *kept]})

    async def one(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        job = self._jobs.find(job_id)
        return JSONResponse(self._progress(job) if job else await self._results.find(job_id))

    async def delete(self, request: Request) -> Response:
        job_id = request.path_params["job_id"]
        job = self._jobs.find(job_id)
        if job is not None:
            await self._jobs.cancel(job)
        await self._results.delete(job_id)
        return Response(status_code=204)

    async def correct(self, request: Request) -> Response:
        body = await receive_short(request, MAX_CORRECTION_BYTES)
        try:
            fields: object = decode_json(body.decode())
        except ValueError as error:  # UnicodeDecodeError is one
            raise RefusedError("bad_request", "the body must be JSON") from error
        match fields:
            case {"language": str(language), "cue": int(number), "text": str(text)}:
                job_id = request.path_params["job_id"]
                return JSONResponse(await self._results.correct(job_id, language, number, text))
            case _:
                raise RefusedError(
                    "bad_request",
                    f'the body must be {{"language", "cue", "text"}}, got {shown(fields)}',
                )

    async def subtitles(self, request: Request) -> Response:
        query = request.query_params
        result = await self._results.find(request.path_params["job_id"])
        language = query.get("lang") or str(result["language"])
        text, subtitle_format = subtitle_file(result, language, query.get("format", "srt"))
        name = f"{Path(result['name']).stem}.{language}.{subtitle_format}"
        return Response(
            text,
            media_type=MEDIA_TYPES[subtitle_format],
            headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
        )

    def _progress(self, job: Job) -> Result:
        """In the form of a result, with how far it is."""
        return {
            "id": job.id,
            "name": job.name,
            "created_at": job.created_at,
            "state": "waiting" if job.state == "waiting" else "running",  # till its result is kept
            "message": job.message,
            "warnings": job.warnings,
            "duration_ms": job.duration_ms,
            "language": job.config.source,
            "heard_ms": job.heard_ms,
            "ahead": self._jobs.ahead(job),
            "latest": job.latest,
            "cues": None,
        }

    def _batch(self, source: str | None, to: str, speakers: str) -> BatchConfig:
        """Raises RefusedError."""
        language = check_language(parse_language(source), self._languages)
        targets = tuple(dict.fromkeys(filter(None, to.split(","))))
        if len(targets) > MAX_TARGETS:
            raise RefusedError("bad_request", f"there may be {MAX_TARGETS} languages in to=")
        try:
            config = BatchConfig(language, targets, speakers=speakers == "1")
            for target in targets:
                if language is not None and language != target:
                    self._translations.check(language, target)
        except ValueError as error:
            raise RefusedError("bad_request", str(error)) from error
        except TranslatorError as error:
            raise RefusedError("unsupported_language", str(error)) from error
        return config
