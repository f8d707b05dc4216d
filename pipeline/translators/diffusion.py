"""Our own translator: the block-diffusion model in `model/`, embedded or from a checkpoint."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import astuple, dataclass, field, replace
from itertools import count
from pathlib import Path

import torch

from ...model.config import load_sampler_config
from ...model.engine import EngineLimits
from ...model.errors import CheckpointError
from ...model.installed import find_model, models_for
from ...model.tokenizer import TranslationTokenizer
from ...model.translation import Request, Translations
from ...model.verifier import load_reader, load_verifier
from ...model.weights import load_model
from ..config import SegmenterConfig
from ..errors import TranslatorError
from ..events import TranslationRequest, Word
from ..segmenter import Segmenter

# Longer text is cut at sentences and clauses, and translated piece by piece: the embedded model
# was trained on single sentences.
MAX_WORDS = 32
# By arithmetic (docs/engine.md), 2,048 tokens cost an H200 twice as much as a few of them; with
# room for the prompts of 200 streams.
ON_GPU = EngineLimits(rows=128, step_tokens=2048, arena_tokens=40_000)


def model_for(directions: Collection[tuple[str | None, str]]) -> str:
    """The first installed model that knows them, or one that can say what it knows instead."""
    return next(iter(models_for(directions)), "embedded")


class DiffusionTranslator:
    def __init__(self, model: str | Path = "embedded") -> None:
        """Load a model by its name or its folder, on the GPU if there is one.

        Raises TranslatorError.
        """
        on_gpu = torch.cuda.is_available()
        device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
        try:
            folder = find_model(model)
            self._tokenizer = TranslationTokenizer.load(folder)
            self._model = load_model(folder, dtype, device)
            self._config = load_sampler_config(folder)
            self._verifier = load_verifier(folder, dtype, device)
            self._reader = load_reader(folder, dtype, device)
        except CheckpointError as error:
            raise TranslatorError(str(error)) from error
        self.most_at_once = ON_GPU.rows if on_gpu else 16
        self._limits = ON_GPU if on_gpu else None
        self._numbers = count()
        self._begin()

    def _begin(self) -> None:
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
        self._empty: list[int] = []

    def check(self, source: str, target: str) -> None:
        if (source, target) in self._tokenizer.directions:
            return
        known = ", ".join(f"{a}-{b}" for a, b in self._tokenizer.directions)
        others = models_for([(source, target)])
        remedy = f"; --checkpoint {others[0]} can" if others else ""
        raise TranslatorError(
            f"this model cannot translate {source} to {target}, only {known}{remedy}"
        )

    def add(self, request: TranslationRequest) -> int:
        self.check(request.source, request.target)
        number = next(self._numbers)
        pieces = [self._translations.add(piece) for piece in _pieces(request)]
        self._wholes |= dict.fromkeys(pieces, _Whole(number, pieces))
        if not pieces:
            self._empty.append(number)
        return number

    def step(self) -> list[tuple[int, str]]:
        try:
            ended = self._translations.step()
        except RuntimeError as error:  # a GPU without memory, or one that has failed
            self._begin()
            raise TranslatorError(f"the translator's device failed: {error}") from error
        found = [(number, "") for number in self._empty]
        self._empty.clear()
        for piece, answer in ended:
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
        return [Request(*astuple(request))]
    words = [Word(text, 0, 0, 1.0) for text in request.text.split()]
    limits = SegmenterConfig(max_words=MAX_WORDS)
    segmenter = Segmenter(limits, request.source, is_written=True)
    segments = [*segmenter.push(words), *segmenter.flush()]
    parts = [replace(request, text=segment.text) for segment in segments]
    return [Request(*astuple(part)) for part in parts]
