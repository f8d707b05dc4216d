"""The part of a server that takes recordings and texts: what it is made of, and its addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import BaseRoute, Route

from ...config import FilesConfig
from ...recognizers import Recognizer
from ...translators.queue import TranslationQueue
from ..gate.access import Access
from ..rooms import Rooms
from ..storage.expiry import delete_old
from ..storage.store import Store
from ..supervision import carry_on
from .ear import Ear
from .jobs import Jobs
from .results import Results
from .texts import TextApi
from .vendors import VendorApi
from .web import FilesApi


@dataclass(frozen=True, slots=True)
class FilesService:
    """`folder` holds what is heard, and without a name what comes; `make_ear` opens what hears
    recordings, in a thread, when the first one comes."""

    folder: Path
    config: FilesConfig
    make_ear: Callable[[], Recognizer]


@asynccontextmanager
async def open_files(
    service: FilesService,
    access: Access,
    languages: Collection[str],
    translations: TranslationQueue,
    store: Store,
    rooms: Rooms,
    tasks: asyncio.TaskGroup,
) -> AsyncGenerator[list[BaseRoute], None]:
    """The routes, which are served until the end; then all jobs are given up.

    `languages` are those that can be heard. Raises OutputError.
    """
    config, results = service.config, Results(service.folder)
    ear = Ear(service.make_ear)
    jobs = Jobs(config, ear, translations, tasks)
    vendors = VendorApi(jobs, service.folder, config, access, languages)
    api = FilesApi(jobs, results, service.folder, config, access, languages, translations)
    deleting: asyncio.Task[None] | None = None
    if (days := config.keep_days) is not None:
        deleting = tasks.create_task(
            carry_on(
                "deleting what is old",
                lambda: delete_old(store, rooms.is_live, days, results.delete_older),
            )
        )
    try:
        yield _routes(vendors, TextApi(translations, access), api)
    finally:
        if deleting is not None:
            deleting.cancel()
        await jobs.aclose()
        await ear.aclose()


def _routes(vendors: VendorApi, texts: TextApi, api: FilesApi) -> list[BaseRoute]:
    guarded = api.for_publishers
    return [
        Route("/v1/audio/transcriptions", vendors.transcriptions, methods=["POST"]),
        Route("/v1/audio/translations", vendors.translations, methods=["POST"]),
        Route("/asr", vendors.asr, methods=["POST"]),
        Route("/detect-language", vendors.detect_language, methods=["POST"]),
        Route("/translate", texts.translate, methods=["POST"]),
        Route("/languages", texts.languages),
        Route("/v1/jobs", guarded(api.create), methods=["POST"]),
        Route("/v1/jobs", guarded(api.all)),
        Route("/v1/jobs/{job_id}", guarded(api.delete), methods=["DELETE"]),
        Route("/v1/jobs/{job_id}", guarded(api.one)),
        Route("/v1/jobs/{job_id}/cues", guarded(api.correct), methods=["PATCH"]),
        Route("/v1/jobs/{job_id}/subtitles", guarded(api.subtitles)),
    ]
