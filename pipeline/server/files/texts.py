"""Texts to translate, as LibreTranslate's clients send them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...errors import RefusedError, TranslatorError
from ...events import TranslationRequest
from ...protocols import libretranslate
from ...text.codes import known_languages
from ...translators.queue import TranslationQueue
from ..gate.access import Access
from .receiving import receive_short
from .refusals import check_publisher, status_of


class TextApi:
    """The endpoints, each a method. What is asked here waits behind all that is live."""

    def __init__(self, translations: TranslationQueue, access: Access) -> None:
        self._translations = translations
        self._access = access
        self._targets: Mapping[str, Collection[str]] | None = None

    async def translate(self, request: Request) -> Response:
        try:
            return await self._translate(request)
        except RefusedError as error:
            return JSONResponse(libretranslate.error(str(error)), status_of(error))

    async def languages(self, request: Request) -> Response:
        """For everybody, as clients ask for it before they know of a key."""
        if self._targets is None:  # each pair of them is looked at: not on the event loop
            self._targets = await asyncio.to_thread(_targets, self._translations)
        return JSONResponse(libretranslate.languages(self._targets))

    async def _translate(self, request: Request) -> Response:
        """Raises RefusedError."""
        has_header = "authorization" in request.headers
        if has_header:
            check_publisher(self._access, request.headers)
        body = await receive_short(request, libretranslate.MAX_BYTES)
        asked = libretranslate.parse_request(body, request.headers.get("content-type", ""))
        if not has_header:
            check_publisher(self._access, {"authorization": f"Bearer {asked.api_key}"})
        try:
            if asked.source != asked.target:
                self._translations.check(asked.source, asked.target)
            translated = await self._translated(asked.texts, asked.source, asked.target)
        except TranslatorError as error:
            raise RefusedError("bad_request", str(error)) from error
        return JSONResponse(libretranslate.answer(asked, translated))

    async def _translated(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        """Line by line, so that paragraphs stay. Raises TranslatorError."""
        if source == target:
            return list(texts)
        lines = [text.split("\n") for text in texts]
        asked = list(dict.fromkeys(line.strip() for each in lines for line in each if line.strip()))
        requests = [TranslationRequest(line, source, target) for line in asked]
        answers = await self._translations.translate_all(requests, "texts")
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        known = dict(zip(asked, map(str, answers), strict=True))
        return ["\n".join(known.get(line.strip(), line) for line in each) for each in lines]


def _targets(translations: TranslationQueue) -> Mapping[str, Collection[str]]:
    """What each language can be translated into."""
    codes = known_languages()
    found = {
        source: [target for target in codes if _knows(translations, source, target)]
        for source in codes
    }
    return {source: [source, *targets] for source, targets in found.items() if targets}


def _knows(translations: TranslationQueue, source: str, target: str) -> bool:
    if source == target:
        return False
    try:
        translations.check(source, target)
    except TranslatorError:
        return False
    return True
