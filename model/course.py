"""One request's way to its answer: it asks for one thing after the other, and is told what came.

Who runs it (translation.py) has the verifier write, canvases denoised and answers read for many
requests together.
"""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..kernels.canvas_step import FREE
from .engine.canvas import CANVAS_STEP, MAX_CANVAS, canvas_tokens
from .engine.engine import CanvasRequest
from .expressions import contains, place_in, places
from .lexicons.stand_ins import Disguise, stand_ins
from .network.batches import pad
from .network.config import SamplerConfig
from .network.denoiser import Denoiser
from .network.kv_cache import KVCache
from .network.tokenizer import TranslationTokenizer
from .verifier.beam_search import Task
from .verifier.reading import Reading, VerifierLayers, readings_back

WARM_STEPS = 2  # at most, from a draft or the verifier's answer
WARM_NOISE = 0.3  # the share of a draft's tokens that is opened again
BACK_WEIGHT = 0.3  # of how well an answer tells what was said, beside how well it reads
SPARE_TOKENS = 8  # of a warm canvas, behind its draft
# What is read at most to find places for the required expressions, all together: about twice what
# the candidates of a sentence of 16 words have.
PLACE_TOKENS = 1024
_WORD_REST = re.compile(r"^[^\W\u0e00-\U0003ffff]+")  # of scripts that part words by spaces


class Request(NamedTuple):
    """A text to translate; languages are ISO 639-1 codes.

    `draft` is what seems right of the translation of an earlier state of the text: denoising starts
    from it, and finds what follows it anew;
    `pinned` is the beginning that the answer must have, whole words; it will contain each of the
    `required` expressions. Revisions of one text have the same `key`: what they begin with is
    encoded once.

    Where there is a verifier (verifier.py), it writes a few translations first, in which it keeps
    of the draft what it would write itself, and denoising starts from the best. Of all these the
    one is taken that is the likeliest, both ways where the way back is known too.
    """

    text: str
    source: str
    target: str
    draft: str = ""
    pinned: str = ""
    required: tuple[str, ...] = ()
    key: Hashable | None = None


class Answer(NamedTuple):
    """A translation, and the denoising steps that it took."""

    text: str
    steps: int


class Candidate(NamedTuple):
    """An answer's tokens and, where the verifier wrote it, the mean log-probability of those behind
    the pinned ones."""

    tokens: list[int]
    likelihood: float | None = None


class Found(NamedTuple):
    """What came of what was asked: of writing, the candidates, the likeliest first (none where the
    verifier came to no end), and a canvas's steps; of reading, the log-probabilities of the tokens
    of each answer."""

    candidates: Sequence[Candidate] = ()
    steps: int = 0
    logs: Sequence[Sequence[float]] = ()


# What a request still asks of the verifier or of the engine, what it is told, and its answer.
Asked = Task | CanvasRequest | list[Reading]
Course = Generator[Asked, Found, Answer]


@dataclass(frozen=True, slots=True, eq=False)
class Courses:
    """What all requests of a model begin with. `readers` are the verifiers; where there is one that
    `writes`, it is the first. Draws with `rng`."""

    model: Denoiser
    tokenizer: TranslationTokenizer
    sampler: SamplerConfig
    most_prompt_tokens: int
    readers: Sequence[VerifierLayers]
    writes: bool
    rng: random.Random

    def fits(self, request: Request) -> bool:
        """Whether the text of a request is short enough to be added."""
        return len(self._prompt_of(request)) <= self.most_prompt_tokens

    def begin(self, request: Request) -> Course:
        """The best candidate, and what is required put into it.

        Rare terms are disguised. Where they cannot be put back, the text is translated as it is.
        The first thing that is asked for raises ValueError where the text does not fit.
        """
        self._prompt(request)
        disguise = self._disguise(request)
        hidden = request._replace(
            text=disguise.text,
            draft=disguise.hide(request.draft),
            pinned=disguise.hide(request.pinned),
        )
        found, steps = yield from self._candidates(hidden)
        restored = {text: disguise.restore(text) for text in found}
        kept = {
            text: full
            for text, full in restored.items()
            if full is not None and full.startswith(request.pinned)
        }
        if not kept:
            hidden = request
            found, more = yield from self._candidates(request)
            kept, steps = {text: text for text in found}, steps + more
        best = yield from self._best(hidden, {text: found[text] for text in kept})
        answer = Answer(kept[best], steps)
        return (yield from self._holding(request, answer))

    def _candidates(
        self, request: Request
    ) -> Generator[Asked, Found, tuple[dict[str, Candidate], int]]:
        """What the verifier and a canvas make of a request, by their texts, and the steps that it
        took."""
        found: list[Candidate] = []
        if self.writes:
            found += (yield self._task(request)).candidates
        start = found[0].tokens if found else self._tokens(request.draft)
        result = yield self._canvas(request, start)
        texts: dict[str, Candidate] = {}
        for candidate in (*found, *result.candidates):
            texts.setdefault(self._text(request, candidate.tokens), candidate)
        return texts, result.steps

    def _task(self, request: Request) -> Task:
        prompt, pinned = self._prompt(request), self._tokens(request.pinned)
        draft = self._tokens(request.draft)
        guess = draft[len(pinned) :] if draft[: len(pinned)] == pinned else []
        return Task(prompt, canvas_tokens(len(prompt)), pinned, guess)

    def _disguise(self, request: Request) -> Disguise:
        found = stand_ins((request.source, request.target)) if self.sampler.stand_ins else None
        disguise = found.disguise(request.text) if found else Disguise(request.text)
        fits = self.fits(request._replace(text=disguise.text))
        return disguise if fits else Disguise(request.text)

    def _best(
        self, request: Request, candidates: Mapping[str, Candidate]
    ) -> Generator[Asked, Found, str]:
        """The text that the verifier finds likeliest as the translation and, where it or the reader
        knows this direction too, as what the request is the translation of: one that leaves
        something out, or adds something, reads well and does not tell what was said (noisy channel
        reranking, arXiv 1908.05731)."""
        texts = list(candidates)
        if len(texts) == 1:
            return texts[0]
        source, target = request.source, request.target
        forth = [
            self.readers[0].reading(request.text, source, target, answer)
            for answer, candidate in candidates.items()
            if candidate.likelihood is None
        ]
        back = readings_back(self.readers, request.text, source, target, texts)
        logs = iter((yield [*forth, *back]).logs)
        pins = len(self._tokens(request.pinned))
        scores = [
            fmean(next(logs)[pins:]) if candidate.likelihood is None else candidate.likelihood
            for candidate in candidates.values()
        ]
        if back:
            scores = [score + BACK_WEIGHT * fmean(next(logs)) for score in scores]
        return texts[scores.index(max(scores))]

    def _canvas(self, request: Request, start: Sequence[int]) -> CanvasRequest:
        """A warm canvas holds a start, `WARM_NOISE` of it replaced by noise."""
        prompt, pinned = self._prompt(request), self._tokens(request.pinned)
        size = canvas_tokens(len(prompt))
        if start or pinned:
            held = max(len(start), len(pinned)) + SPARE_TOKENS
            size = max(size, min(MAX_CANVAS, -(-held // CANVAS_STEP) * CANVAS_STEP))
        return CanvasRequest(
            prompt=tuple(prompt),
            size=size,
            start=self._opened(start),
            pinned=pinned,
            steps=min(WARM_STEPS, self.sampler.max_denoising_steps) if start else None,
            key=request.key,
        )

    def _prompt(self, request: Request) -> list[int]:
        prompt, most = self._prompt_of(request), self.most_prompt_tokens
        if len(prompt) > most:
            raise ValueError(f"a text may have {most} tokens, as a prompt, got {len(prompt)}")
        return prompt

    def _prompt_of(self, request: Request) -> list[int]:
        return self.tokenizer.prompt(request.text, request.source, request.target)

    def _tokens(self, text: str) -> list[int]:
        """Of a text that goes on: without the end mark."""
        return self.tokenizer.answer(text)[:-1] if text else []

    def _opened(self, draft: Sequence[int]) -> list[int]:
        return [FREE if self.rng.random() < WARM_NOISE else token for token in draft]

    def _text(self, request: Request, tokens: list[int]) -> str:
        if self.sampler.merge_repeats:
            pins = len(self._tokens(request.pinned))
            tokens = [*tokens[:pins], *self.tokenizer.merge_repeats(tokens[pins:])]
        return _joined(request.pinned, self.tokenizer.decode(tokens))

    def _holding(self, request: Request, answer: Answer) -> Generator[Asked, Found, Answer]:
        """The answer with each of the required expressions in it.

        1. One after the other is put where the answer is the likeliest with it. All the answers
           that are compared for it have PLACE_TOKENS at most, with their prompts: each expression
           has an equal share of those that are left, and stands at the end where that is too
           little for two places.
        2. Where no verifier has chosen the places, a few steps from there with the expressions
           pinned, so that their neighbors agree with them.
        """
        missing = [each for each in request.required if not contains(answer.text, each)]
        if not missing:
            return answer
        held = [each for each in request.required if each not in missing]
        prompt, text, left = self._prompt(request), answer.text, PLACE_TOKENS
        for nth, expression in enumerate(missing):  # 1
            if contains(text, expression):  # in one that was put before
                continue
            size = len(prompt) + len(self.tokenizer.answer(f"{text} {expression}"))
            most = left // (len(missing) - nth) // size
            texts = places(text, expression, request.pinned, held, most if most > 1 else 0)
            if len(texts) > 1:
                left -= len(texts) * size
                scores = yield from self._scores(request, texts)
                texts = [texts[scores.index(max(scores))]]
            text = texts[0]
            held.append(expression)
        if self.writes:
            return answer._replace(text=text)
        result = yield self._around(request, text)  # 2
        tuned = self._text(request, result.candidates[0].tokens)
        is_held = all(contains(tuned, each) for each in request.required)
        return Answer(tuned if is_held else text, answer.steps + result.steps)

    def _scores(
        self, request: Request, texts: Sequence[str]
    ) -> Generator[Asked, Found, list[float]]:
        """How likely answers to a request are: the mean log-probabilities of their tokens, by the
        verifier if there is one, else of one denoising pass over each."""
        source, target = request.source, request.target
        if self.writes:
            found = yield [
                self.readers[0].reading(request.text, source, target, text) for text in texts
            ]
            return [fmean(logs) for logs in found.logs]
        drafts = [self.tokenizer.answer(text) for text in texts]
        size = canvas_tokens(max(map(len, drafts)))
        return self._likelihoods(self._prompt(request), [draft[:size] for draft in drafts], size)

    @torch.inference_mode()
    def _likelihoods(
        self, prompt: list[int], drafts: Sequence[list[int]], size: int
    ) -> list[float]:
        device, pad_id = self.model.embed_tokens.weight.device, self.model.config.pad_token_id
        _, cache = self.model.encode(torch.tensor([prompt], device=device))
        rows = len(drafts)
        cache = KVCache(
            cache.positions.expand(rows, -1),
            tuple(
                (k.expand(rows, -1, -1, -1), v.expand(rows, -1, -1, -1)) for k, v in cache.layers
            ),
        )
        canvas = pad(drafts, pad_id, size).to(device)
        likelihoods = self.model.denoise(canvas, cache).log_softmax(dim=-1)
        likelihoods = likelihoods.gather(-1, canvas[:, :, None])[:, :, 0]
        is_text: Tensor = canvas != pad_id
        means = (likelihoods * is_text).sum(-1) / is_text.sum(-1)
        return cast("list[float]", means.tolist())

    def _around(self, request: Request, text: str) -> CanvasRequest:
        """A canvas that starts from an answer, and keeps its pinned words and what is required."""
        draft = self.tokenizer.answer(text)
        size = canvas_tokens(len(draft))
        kept = set(range(len(self._tokens(request.pinned))))
        for expression in request.required:
            if place := place_in(text, expression):
                before = len(self._tokens(text[: place[0]].strip()))
                kept.update(range(before, len(self._tokens(text[: place[1]].strip()))))
        return CanvasRequest(
            tuple(self._prompt(request)),
            size,
            start=self._opened(draft[:size]),
            pinned=[token if at in kept else FREE for at, token in enumerate(draft[:size])],
            steps=min(WARM_STEPS, self.sampler.max_denoising_steps),
        )


def _joined(pinned: str, text: str) -> str:
    """The answer, where the model went on inside of the last pinned word without that piece."""
    if not pinned:
        return text
    rest = text[len(pinned) :] if text.startswith(pinned) else ""
    return pinned + _WORD_REST.sub("", rest) if pinned[-1].isalnum() else pinned + rest
