"""Our own translator: the block-diffusion model in `model/`, embedded or from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import torch

from ...model.config import load_sampler_config
from ...model.errors import CheckpointError
from ...model.sampler import EntropyBoundSampler
from ...model.tokenizer import TranslationTokenizer
from ...model.translation import Request, translate
from ...model.weights import load_model
from ..config import SegmenterConfig
from ..errors import TranslatorError
from ..events import TranslationRequest, Word
from ..segmenter import Segmenter

EMBEDDED = Path(__file__).parents[2] / "model" / "embedded"
# Longer text is cut at sentences and clauses, and translated piece by piece: the embedded model
# was trained on single sentences.
MAX_WORDS = 32


class DiffusionTranslator:
    def __init__(self, folder: Path = EMBEDDED) -> None:
        """Load a checkpoint folder, on the GPU if there is one. Raises TranslatorError."""
        on_gpu = torch.cuda.is_available()
        device, dtype = ("cuda", torch.bfloat16) if on_gpu else ("cpu", torch.float32)
        try:
            self._tokenizer = TranslationTokenizer.load(folder)
            self._model = load_model(folder, dtype, device)
            config = load_sampler_config(folder)
        except CheckpointError as error:
            raise TranslatorError(str(error)) from error
        # Seeded: the same text gets the same translation on the next run.
        generator = torch.Generator(device).manual_seed(0)
        self._sampler = EntropyBoundSampler(config, self._model.config.vocab_size, generator)

    def check(self, source: str, target: str) -> None:
        if (source, target) in self._tokenizer.directions:
            return
        known = ", ".join(f"{a}-{b}" for a, b in self._tokenizer.directions)
        raise TranslatorError(f"this model cannot translate {source} to {target}, only {known}")

    def translate(self, requests: Sequence[TranslationRequest]) -> list[str]:
        for request in requests:
            self.check(request.source, request.target)
        pieces = [_pieces(request) for request in requests]
        flat = [piece for of_one in pieces for piece in of_one]
        try:
            found = translate(self._model, self._tokenizer, self._sampler, flat)
        except RuntimeError as error:  # a GPU without memory, or one that has failed
            raise TranslatorError(f"the translator's device failed: {error}") from error
        answers = iter(found)
        return [" ".join(next(answers).text for _ in of_one) for of_one in pieces]


def _pieces(request: TranslationRequest) -> list[Request]:
    """The sentences of a text, long ones cut as long speech is; a live segment is one already."""
    if request.draft or request.pinned or request.required:
        return [Request(*astuple(request))]
    words = [Word(text, 0, 0, 1.0) for text in request.text.split()]
    limits = SegmenterConfig(max_words=MAX_WORDS)
    segmenter = Segmenter(limits, request.source, is_written=True)
    segments = [*segmenter.push(words), *segmenter.flush()]
    return [
        Request(segment.text, request.source, request.target, candidates=request.candidates)
        for segment in segments
    ]
