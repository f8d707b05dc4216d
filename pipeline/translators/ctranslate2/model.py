"""One CTranslate2 model: texts in, translations out, many of them in one batch."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ...errors import TranslatorError
from ...text.glossary import contains
from ...text.scripts import are_parted
from .layouts import END, Layout, read_layout
from .subwords import continued

BEAM = 4  # of finals; drafts are greedy
BATCH_TOKENS = 4096
MAX_TOKENS = 128  # of a text: trained on sentences, the models lose the end of longer ones
SHORT_TOKENS, SHORT_ANSWER, LONG_ANSWER = 24, 64, 256  # a model that repeats itself ends there
MOST_THREADS = 4
ALTERNATIVES = 8  # of the first piece behind a pinned beginning
PLACES = 12  # for an expression that must be said, tried at once

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sentence:
    """What is translated in one go. As in TranslationRequest; `beam` is 1 for greedy."""

    text: str
    source: str
    target: str
    pinned: str = ""
    required: tuple[str, ...] = ()
    beam: int = BEAM


def device() -> tuple[str, str]:
    """Where models run, and in which arithmetic: float16 on a GPU, 8 bits on a processor."""
    library = _library()
    if library.get_cuda_device_count():
        return "cuda", "float16"
    return "cpu", on_cpu()


def on_cpu() -> str:
    return "int8" if "int8" in _library().get_supported_compute_types("cpu") else "float32"


def _core_count() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _library() -> Any:
    import ctranslate2  # pyright: ignore[reportMissingTypeStubs]  # 0.3 s, and no types

    return ctranslate2


class Ct2Model:
    """A model that is loaded. It blocks while it works; one thread may ask it."""

    def __init__(self, folder: Path) -> None:
        """Raises TranslatorError for a folder that holds none, or a damaged one."""
        self.folder = folder
        self.layout: Layout = read_layout(folder)
        self.device, compute_type = device()
        try:
            if self.device == "cuda":
                try:
                    self._model = self._load("cuda", compute_type)
                    # NOTE: missing CUDA libraries are noticed only when something is computed.
                    self._model.translate_batch([[END]], max_decoding_length=1)
                    return
                except (RuntimeError, ValueError) as error:
                    log.warning("the GPU cannot be used: %s", error)
                    self.device, compute_type = "cpu", on_cpu()
            self._model = self._load("cpu", compute_type)
        except (RuntimeError, ValueError) as error:
            raise TranslatorError(
                f"{folder / 'model.bin'} cannot be loaded ({error}): fetch the model again"
            ) from error

    def _load(self, where: str, compute_type: str) -> Any:
        return _library().Translator(
            str(self.folder),
            device=where,
            compute_type=compute_type,
            intra_threads=min(MOST_THREADS, _core_count()),  # more would wait for each other
        )

    def fits(self, text: str, source: str, target: str) -> bool:
        """Whether a text is short enough to be translated in one go, and well."""
        return len(self.layout.source_tokens(text, source, target)) <= MAX_TOKENS

    def translate(self, sentences: Sequence[Sentence]) -> list[str]:
        """The translation of each, which begins with what is pinned, whole words of it, and
        contains what is required.

        1. All are decoded in batches, each behind the tokens of its pinned beginning.
        2. A pinned word that goes on ("un" as "una") is decoded again with other first pieces.
        3. What lacks an expression is decoded again behind its own beginning and the expression,
           at several places; the one that the model finds most likely is taken.
        """
        found = self._decode(sentences)
        for at, sentence in enumerate(sentences):
            if missing(found[at], sentence):
                found[at] = self._with_required(sentence, found[at])
        return found

    def _decode(self, sentences: Sequence[Sentence]) -> list[str]:
        batches: dict[tuple[int, int], list[int]] = defaultdict(list)
        tokens = [self.layout.source_tokens(one.text, one.source, one.target) for one in sentences]
        for at, sentence in enumerate(sentences):
            limit = SHORT_ANSWER if len(tokens[at]) <= SHORT_TOKENS else LONG_ANSWER
            batches[sentence.beam, limit].append(at)
        found = [""] * len(sentences)
        for (beam, limit), places in batches.items():
            prefixes = [self._prefix(sentences[at]) for at in places]
            answers = self._model.translate_batch(
                [tokens[at] for at in places],
                target_prefix=prefixes,
                beam_size=beam,
                max_batch_size=BATCH_TOKENS,
                batch_type="tokens",
                max_decoding_length=limit,
                disable_unk=True,
            )
            for at, prefix, answer in zip(places, prefixes, answers, strict=True):
                pieces = answer.hypotheses[0][len(prefix) :]
                found[at] = self._continued(sentences[at], pieces)
                if goes_on(sentences[at].pinned, found[at]):
                    found[at] = self._parted(sentences[at], tokens[at], prefix, limit)
        return found

    def _prefix(self, sentence: Sentence) -> list[str]:
        return self.layout.target_prefix(sentence.pinned, sentence.target)

    def _continued(self, sentence: Sentence, pieces: list[str]) -> str:
        return continued(sentence.pinned, pieces, self.layout.target_subwords)

    def _parted(self, sentence: Sentence, tokens: list[str], prefix: list[str], limit: int) -> str:
        """A translation in which the last pinned word is whole: the likeliest one, or where the
        model sees none, what it says behind a space."""
        answer = self._model.translate_batch(
            [tokens],
            target_prefix=[prefix],
            beam_size=1,
            num_hypotheses=ALTERNATIVES,
            return_alternatives=True,
            max_decoding_length=limit,
            disable_unk=True,
        )[0]
        texts = [self._continued(sentence, each[len(prefix) :]) for each in answer.hypotheses]
        for text in texts:
            if not goes_on(sentence.pinned, text):
                return text
        return f"{sentence.pinned} {texts[0][len(sentence.pinned) :]}"

    def _with_required(self, sentence: Sentence, text: str) -> str:
        """A translation that contains the expressions, as many as can be."""
        for _ in sentence.required:
            lacking = missing(text, sentence)
            if not lacking:
                break
            beginnings = _beginnings(text, sentence.pinned)
            forced = [
                replace(sentence, pinned=_followed(before, lacking[0]), required=(), beam=1)
                for before in beginnings
            ]
            candidates = self._decode(forced)
            scores = self._scores(sentence, candidates)
            kept = [-len(missing(each, sentence)) for each in candidates]
            best = max(range(len(candidates)), key=lambda at: (kept[at], scores[at]))
            if kept[best] <= -len(lacking):
                break
            text = candidates[best]
        return text

    def _scores(self, sentence: Sentence, texts: Sequence[str]) -> list[float]:
        """How likely the model finds each of some translations, per token."""
        source = self.layout.source_tokens(sentence.text, sentence.source, sentence.target)
        targets = [self.layout.target_prefix(text, sentence.target) for text in texts]
        answers = self._model.score_batch(
            [source] * len(texts), targets, max_batch_size=BATCH_TOKENS, batch_type="tokens"
        )
        found = (cast("list[float]", answer.log_probs) for answer in answers)
        return [sum(each) / max(1, len(each)) for each in found]


def missing(text: str, sentence: Sentence) -> list[str]:
    """The required expressions that a translation lacks."""
    return [each for each in sentence.required if not contains(text, each)]


def goes_on(pinned: str, text: str) -> bool:
    """Whether the last word of a beginning is another one in the text that begins so."""
    last, following = pinned[-1:], text[len(pinned) : len(pinned) + 1]
    is_word = last.isalnum() and (following.isalnum() or following == "_")
    return is_word and not are_parted(last, following)


def _followed(before: str, expression: str) -> str:
    has_space = before and not before.endswith(" ") and not are_parted(before, expression)
    return f"{before} {expression}" if has_space else f"{before}{expression}"


def _beginnings(text: str, pinned: str) -> list[str]:
    """Where an expression may be put: what stands before it, PLACES of them at most, evenly."""
    ends = [
        at
        for at in range(max(1, len(pinned)), len(text))
        if text[at] == " " or are_parted(text[at - 1], text[at])
    ]
    places = sorted({len(pinned), *ends, len(text.rstrip(" .!?…。！？"))})
    places = [at for at in places if at >= len(pinned)]
    count = min(PLACES, len(places))
    chosen = [places[n * (len(places) - 1) // max(1, count - 1)] for n in range(count)]
    return [text[:at] for at in chosen]
