"""Our own translator: the block-diffusion models in `model/`, embedded or from a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import torch

from ...model.engine.engine import EngineLimits
from ...model.errors import CheckpointError
from ...model.installed import SHIPPED, find_model, model_folders, models_for
from ...model.network.config import load_sampler_config
from ...model.network.tokenizer import TranslationTokenizer
from ...model.network.weights import load_model
from ...model.translation import Request, Translations
from ...model.verifier.loading import load_reader, load_verifier
from ..config import SegmenterConfig
from ..errors import TranslatorError
from ..events import TranslationRequest, Word
from ..text.segmenter import Segmenter

# Longer text is cut at sentences and clauses, and translated piece by piece: the embedded model
# was trained on single sentences.
MAX_WORDS = 32
# By arithmetic (docs/engine.md), 2,048 tokens cost an H200 twice as much as a few of them; with
# room for the prompts of 200 streams.
ON_GPU = EngineLimits(rows=128, step_tokens=2048, arena_tokens=40_000)


def models_for_each(directions: Collection[tuple[str | None, str]]) -> list[str]:
    """The first installed model that knows a direction, for each of them, in the order in which
    they are installed; those of the package where there are no directions yet, or none that a
    model knows."""
    firsts = {name for direction in directions for name in models_for([direction])[:1]}
    return [name for name in model_folders() if name in firsts] or list(SHIPPED)


class DiffusionTranslator:
    def __init__(self, *models: str | Path) -> None:
        """Load models by their names or folders, on the GPU if there is one. A direction is that of
        the first that knows it; all the requests of a model share its batches.

        Raises TranslatorError.
        """
        on_gpu = torch.cuda.is_available()
        try:
            self._models = [_Model(find_model(model), on_gpu) for model in models]
        except CheckpointError as error:
            raise TranslatorError(str(error)) from error
        self.most_at_once = ON_GPU.rows if on_gpu else 16
        self._numbers = count()
        self._empty: list[int] = []

    def check(self, source: str, target: str) -> None:
        self._model_for(source, target)

    def add(self, request: TranslationRequest) -> int:
        model = self._model_for(request.source, request.target)
        number = next(self._numbers)
        if pieces := _pieces(request):
            model.add(number, pieces)
        else:
            self._empty.append(number)
        return number

    def step(self) -> list[tuple[int, str]]:
        found = [(number, "") for number in self._empty]
        self._empty.clear()
        try:
            for model in self._models:
                found += model.step()
        except RuntimeError as error:  # a GPU without memory, or one that has failed
            for model in self._models:
                model.begin()
            raise TranslatorError(f"the translator's device failed: {error}") from error
        return found

    def _model_for(self, source: str, target: str) -> _Model:
        for model in self._models:
            if (source, target) in model.directions:
                return model
        directions = dict.fromkeys(each for model in self._models for each in model.directions)
        known = ", ".join("-".join(each) for each in directions)
        others = models_for([(source, target)])
        remedy = f"; --checkpoint {others[0]} can" if others else ""
        raise TranslatorError(f"cannot translate {source} to {target}, only {known}{remedy}")


class _Model:
    """One that is loaded, and the texts that it is at work on."""

    def __init__(self, folder: Path, on_gpu: bool) -> None:
        """Raises CheckpointError."""
        device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
        self._tokenizer = TranslationTokenizer.load(folder)
        self._model = load_model(folder, dtype, device)
        self._config = load_sampler_config(folder)
        self._verifier = load_verifier(folder, dtype, device)
        self._reader = load_reader(folder, dtype, device)
        self._limits = ON_GPU if on_gpu else None
        self.directions = self._tokenizer.directions
        self.begin()

    def begin(self) -> None:
        """Without any text."""
        # Seeded: the same text gets the same translation on the next run.
        self._translations = Translations(
            self._model,
            self._tokenizer,
            self._config,
            verifier=self._verifier,
            reader=self._reader,
            limits=self._limits,
        )
        self._wholes: dict[int, _Whole] = {}  # by the number of each piece

    def add(self, number: int, pieces: Sequence[Request]) -> None:
        whole = _Whole(number, [self._translations.add(piece) for piece in pieces])
        self._wholes |= dict.fromkeys(whole.pieces, whole)

    def step(self) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for piece, answer in self._translations.step():
            whole = self._wholes.pop(piece)
            whole.texts[piece] = answer.text
            if len(whole.texts) == len(whole.pieces):
                found.append((whole.number, " ".join(whole.texts[n] for n in whole.pieces)))
        return found


@dataclass(frozen=True, slots=True)
class _Whole:
    """A text at work: its number, and those of its pieces with what is translated of them."""

    number: int
    pieces: list[int]
    texts: dict[int, str] = field(default_factory=dict[int, str])


def _pieces(request: TranslationRequest) -> list[Request]:
    """The sentences of a text, long ones cut as long speech is; a live segment is one already, and
    so is what must hold an expression."""
    if request.key is not None or request.required:
        return [_plain(request)]
    words = [Word(text, 0, 0, 1.0) for text in request.text.split()]
    limits = SegmenterConfig(max_words=MAX_WORDS)
    segmenter = Segmenter(limits, request.source, is_written=True)
    segments = [*segmenter.push(words), *segmenter.flush()]
    parts = [replace(request, text=segment.text) for segment in segments]
    return [_plain(part) for part in parts]


def _plain(request: TranslationRequest) -> Request:
    return Request(
        request.text,
        request.source,
        request.target,
        request.draft,
        request.pinned,
        request.required,
        request.key,
    )
