"""Translators of other people through CTranslate2: OPUS-MT, M2M-100, NLLB, MADLAD, T5."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from ...errors import TranslatorError
from ...events import TranslationRequest
from ...text.pieces import fitting_pieces, joined
from .installed import find_folder
from .layouts import directions_text
from .model import BEAM, Ct2Model, Sentence

COLLECT_S = 0.004  # what comes within this time is translated together
MAX_WORDS = 48  # longer text is cut at sentences and clauses: the models are trained on sentences


class CTranslate2Translator:
    """What waits is translated in one batch for each model, in one thread. A direction is that of
    the first model that knows it. Any number of event loops may ask."""

    name = "ct2"

    def __init__(self, *models: str | Path) -> None:
        """Load models by their names or folders. Raises TranslatorError."""
        self._models = [Ct2Model(find_folder(model)) for model in models]
        on_gpu = any(model.device == "cuda" for model in self._models)
        self.at_once = 128 if on_gpu else 32
        self._is_closed = False
        self._inbox: SimpleQueue[_Text | None] = SimpleQueue()
        # A daemon: a process that was interrupted does not wait for what nobody will read.
        self._thread = Thread(target=self._work, name="ctranslate2", daemon=True)
        self._thread.start()

    def check(self, source: str, target: str) -> None:
        self._model_for(source, target)

    async def translate(self, request: TranslationRequest) -> str:
        """Where the caller is cancelled before its batch begins, the text is left out of it."""
        if self._is_closed:
            raise TranslatorError("the translator is closed")
        text = _Text(request, self._model_for(request.source, request.target))
        self._inbox.put(text)
        return await asyncio.wrap_future(text.answer)

    async def aclose(self) -> None:
        self._is_closed = True
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _model_for(self, source: str, target: str) -> Ct2Model:
        for model in self._models:
            if model.layout.knows(source, target):
                return model
        known = ", ".join(directions_text(model.layout) for model in self._models)
        raise TranslatorError(f"cannot translate {source} to {target}, only {known}")

    def _work(self) -> None:
        """In the thread: answer what waits, until told to stop."""
        batch: list[_Text] = []
        try:
            while True:
                batch, is_last = self._next_batch()
                by_model: dict[Ct2Model, list[_Text]] = defaultdict(list)
                for text in batch:
                    if text.answer.set_running_or_notify_cancel():
                        by_model[text.model].append(text)
                for model, texts in by_model.items():
                    _answer(model, texts)
                if is_last:
                    return
        finally:  # nobody waits for ever, nor begins to
            self._is_closed = True
            while not self._inbox.empty():
                if left := self._inbox.get():
                    batch.append(left)
            for text in batch:
                if not text.answer.done():
                    text.answer.set_exception(TranslatorError("the translator was closed"))

    def _next_batch(self) -> tuple[list[_Text], bool]:
        """Wait for a text, and for those that come with it; whether they are the last."""
        batch: list[_Text] = []
        until_s = None
        while len(batch) < self.at_once:
            try:
                wait_s = None if until_s is None else max(0.0, until_s - time.monotonic())
                text = self._inbox.get(timeout=wait_s)
            except Empty:
                break
            if text is None:
                return batch, True
            batch.append(text)
            until_s = until_s or time.monotonic() + COLLECT_S
        return batch, False


@dataclass(eq=False, slots=True)
class _Text:
    """A request, and its answer to come."""

    request: TranslationRequest
    model: Ct2Model
    answer: Future[str] = field(default_factory=Future[str])


def _answer(model: Ct2Model, texts: Sequence[_Text]) -> None:
    """Together; where that fails, one by one, so that a text that fails is the only one."""
    try:
        found = _translations(model, [text.request for text in texts])
    except Exception as error:
        if len(texts) > 1:
            for text in texts:
                _answer(model, [text])
            return
        failure = TranslatorError(f"a text could not be translated: {error or type(error)}")
        failure.__cause__ = error
        texts[0].answer.set_exception(failure)
        return
    for text, translation in zip(texts, found, strict=True):
        text.answer.set_result(translation)


def _translations(model: Ct2Model, requests: Sequence[TranslationRequest]) -> list[str]:
    sentences = [_sentences(model, request) for request in requests]
    answers = iter(model.translate([one for each in sentences for one in each]))
    return [
        joined([next(answers) for _ in each], request.target)
        for request, each in zip(requests, sentences, strict=True)
    ]


def _sentences(model: Ct2Model, request: TranslationRequest) -> list[Sentence]:
    """Of a text; a live segment is one already, and what must begin with, or contain something is
    not cut where it fits: nobody knows which part of it should."""
    text, source, target = request.text.strip(), request.source, request.target
    if not text:
        return []
    beam = 1 if request.is_draft else BEAM

    def fits(part: str) -> bool:
        return model.fits(part, source, target)

    is_whole = request.key is not None or request.pinned or request.required
    if is_whole and fits(text):
        return [Sentence(text, source, target, request.pinned, request.required, beam)]
    parts = [part.strip() for part in fitting_pieces(text, source, fits, MAX_WORDS)]
    found = [Sentence(part, source, target, beam=beam) for part in parts if part]
    first = Sentence(found[0].text, source, target, request.pinned, request.required, beam)
    return [first, *found[1:]]
