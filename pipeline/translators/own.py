"""Our own translator: the block-diffusion models in `model/`, embedded or from a checkpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import torch

from ...model.engine.engine import EngineLimits
from ...model.errors import CheckpointError
from ...model.installed import directions_of_all, find_model, model_folders, models_for
from ...model.network.config import load_sampler_config
from ...model.network.tokenizer import Direction, TranslationTokenizer
from ...model.network.weights import load_model
from ...model.translation import Request, Translations
from ..errors import TranslatorError
from ..events import TranslationRequest
from ..text.pieces import fitting_pieces, joined

# Longer text is cut at sentences and clauses, and translated piece by piece: the embedded model
# was trained on single sentences.
MAX_WORDS = 32
# By arithmetic (docs/engine.md), 2,048 tokens cost an H200 twice as much as a few of them; with
# room for the prompts of 200 streams.
ON_GPU = EngineLimits(rows=128, step_tokens=2048, arena_tokens=40_000)


def models_for_each(directions: Collection[tuple[str | None, str]]) -> list[str]:
    """The first installed model that knows a direction, for each of them, in the order in which
    they are installed; the embedded one where there are no directions yet, or none that a model
    knows."""
    firsts = {name for direction in directions for name in models_for([direction])[:1]}
    return [name for name in model_folders() if name in firsts] or ["embedded"]


class OwnTranslator:
    """All requests share the steps of their model, in one thread; each is answered when it is done.

    Any number of event loops may ask.
    """

    name = "own"

    def __init__(self, *models: str | Path, decoding: str | None = None) -> None:
        """Load models by their names or folders, on the GPU if there is one. A direction is that of
        the first that knows it; all the requests of a model share its batches. `decoding`, if not
        that of each model's folder, is canvas or verified.

        Raises TranslatorError.
        """
        on_gpu = torch.cuda.is_available()
        try:
            self._models = [_Model(find_model(model), on_gpu, decoding) for model in models]
        except CheckpointError as error:
            raise TranslatorError(str(error)) from error
        self.at_once = ON_GPU.rows if on_gpu else 16
        self._installed: Mapping[str, Collection[Direction]] | None = None
        self._is_closed = False
        self._inbox: SimpleQueue[_Text | None] = SimpleQueue()
        # A daemon: a process that was interrupted does not wait for what nobody will read.
        self._thread = Thread(target=self._work, name="translator", daemon=True)
        self._thread.start()

    def check(self, source: str, target: str) -> None:
        self._model_for(source, target)

    async def translate(self, request: TranslationRequest) -> str:
        """Where the caller is cancelled, the text is translated to its end, for nobody."""
        if self._is_closed:
            raise TranslatorError("the translator is closed")
        text = _Text(request, self._model_for(request.source, request.target))
        self._inbox.put(text)
        return await asyncio.wrap_future(text.answer)

    async def aclose(self) -> None:
        self._is_closed = True
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        """In the thread: begin with what comes, between two steps of what is at work, until told
        to stop."""
        try:
            while True:
                is_idle = all(model.is_idle for model in self._models)
                try:
                    text = self._inbox.get(block=is_idle)
                except Empty:
                    for model in self._models:
                        model.step()
                    continue
                if text is None:
                    return
                text.model.add(text)
        finally:  # nobody waits for ever
            closed = TranslatorError("the translator was closed")
            for model in self._models:
                model.give_up(closed)
            while not self._inbox.empty():
                if text := self._inbox.get():
                    text.answer.set_exception(closed)

    def _model_for(self, source: str, target: str) -> _Model:
        for model in self._models:
            if (source, target) in model.directions:
                return model
        directions = dict.fromkeys(each for model in self._models for each in model.directions)
        known = ", ".join("-".join(each) for each in directions)
        others = self._others(source, target)
        remedy = f"; --checkpoint {others[0]} can" if others else ""
        raise TranslatorError(f"cannot translate {source} to {target}, only {known}{remedy}")

    def _others(self, source: str, target: str) -> list[str]:
        """The installed models that know a direction, read once: a server asks for all pairs."""
        if self._installed is None:
            self._installed = directions_of_all()
        return [name for name, known in self._installed.items() if (source, target) in known]


@dataclass(eq=False, slots=True)
class _Text:
    """A request, and its answer to come; when it is at work, the numbers of its pieces and what is
    translated of them."""

    request: TranslationRequest
    model: _Model
    answer: Future[str] = field(default_factory=Future[str])
    pieces: list[int] = field(default_factory=list[int])
    found: dict[int, str] = field(default_factory=dict[int, str])

    def fail(self, error: Exception) -> None:
        """Each has an exception of its own: tracebacks grow where they are raised."""
        failure = TranslatorError(f"a text could not be translated: {error or type(error)}")
        failure.__cause__ = error
        self.answer.set_exception(failure)


class _Model:
    """One that is loaded, and the texts that it is at work on. Nothing raises from here on but
    loading: what goes wrong with a text is its own error, and what goes wrong in a step that texts
    share is that of those at work, after which the model begins anew."""

    def __init__(self, folder: Path, on_gpu: bool, decoding: str | None) -> None:
        """Raises CheckpointError."""
        device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
        self._tokenizer = TranslationTokenizer.load(folder)
        self._model = load_model(folder, dtype, device)
        sampler = load_sampler_config(folder)
        self._sampler = replace(sampler, decoding=decoding or sampler.decoding)
        self._limits = ON_GPU if on_gpu else None
        self.directions = self._tokenizer.directions
        self._translations: Translations | None = self._begin()
        self._texts: dict[int, _Text] = {}  # by the number of each piece

    @property
    def is_idle(self) -> bool:
        return not self._texts

    def add(self, text: _Text) -> None:
        """Begin with a text, unless its caller has been cancelled."""
        if not text.answer.set_running_or_notify_cancel():
            return
        try:
            if self._translations is None:
                self._translations = self._begin()
            pieces = _pieces(text.request, self._translations.fits)
            text.pieces = [self._translations.add(piece) for piece in pieces]
        except Exception as error:
            text.fail(error)
            return
        self._texts |= dict.fromkeys(text.pieces, text)
        if not text.pieces:
            text.answer.set_result("")

    def step(self) -> None:
        """Go on with all texts a little, and answer those that are done."""
        if not self._texts:
            return
        assert self._translations is not None, "texts are at work in it"
        try:
            ended = self._translations.step()
        except Exception as error:  # of no one's in particular
            self.give_up(error)
            return
        for piece, answer in ended:
            text = self._texts.pop(piece, None)
            if text is None:
                continue  # another piece of its text has failed
            if isinstance(answer, Exception):
                self._texts = {n: each for n, each in self._texts.items() if each is not text}
                text.fail(answer)
                continue
            text.found[piece] = answer.text
            if len(text.found) == len(text.pieces):
                found = [text.found[n] for n in text.pieces]
                text.answer.set_result(joined(found, text.request.target))

    def give_up(self, error: Exception) -> None:
        """All that is at work ends with this error."""
        texts, self._texts, self._translations = set(self._texts.values()), {}, None
        for text in texts:
            text.fail(error)

    def _begin(self) -> Translations:
        """Without any text. Seeded: the same text gets the same translation on the next run."""
        return Translations(self._model, self._tokenizer, self._sampler, limits=self._limits)


def _pieces(request: TranslationRequest, fits: Callable[[Request], bool]) -> list[Request]:
    """The sentences of a text, long ones cut; a live segment is one already, and what is pinned,
    drafted or must hold an expression is not cut where it fits: nobody knows which part of it that
    concerns.

    Of a text that fits no canvas nothing is lost: it is cut until its pieces do.
    """
    source, target = request.source, request.target
    whole = Request(
        request.text,
        source,
        target,
        request.draft,
        request.pinned,
        request.required,
        request.key,
    )
    is_bound = request.pinned or request.draft or request.required
    if (request.key is not None or is_bound) and fits(whole):
        return [whole] if request.text.strip() else []

    def piece_fits(text: str) -> bool:
        return fits(Request(text, source, target))

    texts = fitting_pieces(request.text, source, piece_fits, MAX_WORDS)
    # There is a draft of the whole only. What must be said is said in the first piece.
    parts = [Request(text.strip(), source, target) for text in texts if text.strip()]
    return [part._replace(required=request.required) for part in parts[:1]] + parts[1:]
