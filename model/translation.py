"""Texts in, translations out: requests of many streams and languages become rows of one engine."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from ..kernels import int8
from ..kernels.canvas_step import FREE
from .engine.canvas import CANVAS_STEP, MAX_CANVAS, canvas_tokens, source_tokens
from .engine.engine import CanvasRequest, CanvasResult, Engine, EngineLimits
from .engine.step import StepOptions
from .engine.verified import AnswerRequest, VerifiedAnswer, VerifiedEngine
from .expressions import contains, places
from .network.config import CANVAS, SamplerConfig
from .network.denoiser import Denoiser
from .network.tokenizer import TranslationTokenizer

# Both cost a few tenths of chrF at most (docs/engine.md).
ON_CPU = StepOptions(int8=int8.is_supported(), top_tokens=8)
SPARE_TOKENS = 8  # for what follows a draft or a pinned beginning
WARM_STEPS = 2  # at most, of a canvas that starts from a draft
WARM_NOISE = 0.3  # the share of such a draft's tokens that is opened again
# What is read at most to find places for the required expressions, all together: about twice what
# the candidates of a sentence of 16 words have.
PLACE_TOKENS = 1024
_WORD_REST = re.compile(r"^[^\W\u0e00-\U0003ffff]+")  # of scripts that part words by spaces


class Request(NamedTuple):
    """A text to translate; languages are ISO 639-1 codes.

    `draft` is what seems right of the translation of an earlier state of the text: it is kept as
    far as it would be written again;
    `pinned` is the beginning that the answer must have, whole words; it will contain each of the
    `required` expressions. Revisions of one text have the same `key`: a prompt that comes again
    is not encoded again.
    """

    text: str
    source: str
    target: str
    draft: str = ""
    pinned: str = ""
    required: tuple[str, ...] = ()
    key: Hashable | None = None


class Answer(NamedTuple):
    """A translation, its tokens with the end mark, and the passes that it took: over a prompt and a
    first draft, a draft each, or the places of an expression; or denoising steps."""

    text: str
    tokens: int
    passes: int


@dataclass(eq=False, slots=True)
class _Work:
    """A request on its way to its answer. `reading` are texts, by the tickets of their rows, that
    have an expression in one place or another; `read` is how likely those are that have ended."""

    number: int
    request: Request
    prompt: tuple[int, ...]
    missing: list[str]
    place_tokens: int = PLACE_TOKENS  # that are left
    text: str = ""
    tokens: int = 0
    passes: int = 0
    reading: dict[int, str] = field(default_factory=dict[int, str])
    read: dict[str, float] = field(default_factory=dict[str, float])


class Translations:
    """Requests at work, each at its own pace; not thread-safe.

    Callers cut long text before, into pieces that fit: nothing is cut off here.
    """

    def __init__(
        self,
        model: Denoiser,
        tokenizer: TranslationTokenizer,
        sampler: SamplerConfig,
        *,
        seed: int = 0,
        limits: EngineLimits | None = None,
    ) -> None:
        """The same requests get the same answers from the same `seed`."""
        device = model.embed_tokens.weight.device
        generator = torch.Generator(device).manual_seed(seed)
        options = ON_CPU if device.type == "cpu" else StepOptions()
        self._tokenizer, self._sampler, self._rng = tokenizer, sampler, random.Random(seed)
        self._ends = model.config.eos_token_ids
        # Where canvases write, this one still reads: it knows how likely an answer is.
        self._writer = VerifiedEngine(model, sampler, limits, generator=generator, options=options)
        self._canvases = (
            Engine(model, sampler, limits, generator=generator, options=options)
            if sampler.decoding == CANVAS
            else None
        )
        self._numbers = 0
        self._written: dict[int, _Work] = {}  # by the tickets of what is written and read
        self._denoised: dict[int, _Work] = {}  # by the tickets of canvases

    @property
    def is_idle(self) -> bool:
        return not self._written and not self._denoised

    @property
    def most_prompt_tokens(self) -> int:
        """Of a text and what it is wrapped in, so that there is room for its translation."""
        limits = self._writer.limits
        answer = min(MAX_CANVAS, limits.canvas_tokens, limits.step_tokens // 3)
        longest = min(self._writer.longest_prompt, source_tokens(answer))
        return min(longest, limits.step_tokens - 2 * answer)

    def fits(self, request: Request) -> bool:
        """Whether the text of a request is short enough to be added."""
        return len(self._prompt(request)) <= self.most_prompt_tokens

    def add(self, request: Request) -> int:
        """Begin with a request; its number is that of its answer.

        Raises ValueError for one whose text does not fit, and whatever else that one cannot be
        begun for; all others go on.
        """
        prompt, most = self._prompt(request), self.most_prompt_tokens
        if len(prompt) > most:
            raise ValueError(f"a text may have {most} tokens, as a prompt, got {len(prompt)}")
        self._numbers += 1
        work = _Work(self._numbers, request, tuple(prompt), list(request.required))
        if self._canvases is None:
            self._written[self._writer.add(self._answer_request(work))] = work
        else:
            self._denoised[self._canvases.add(self._canvas_request(work))] = work
        return self._numbers

    def step(self) -> list[tuple[int, Answer | Exception]]:
        """One pass over all that is written and read, and one denoising step of all canvases; the
        numbers of the requests that end with it, with their answers or what was raised. Nothing is
        raised here: a request that cannot go on ends alone, and a pass that requests share ends
        them all; the others go on, and later ones begin anew."""
        ended = self._pass(self._writer, self._written)
        return ended + (self._pass(self._canvases, self._denoised) if self._canvases else [])

    def translate(
        self, requests: Sequence[Request], progress: Callable[[int], None] = lambda done: None
    ) -> list[Answer]:
        """One answer per request; nothing else may be at work. `progress` hears how many are done.

        Similar lengths go together, so that few steps are left with few rows. Raises the first
        error, and forgets all requests.
        """
        order = sorted(range(len(requests)), key=lambda i: len(requests[i].text))
        answers: dict[int, Answer] = {}
        try:
            indices = {self.add(requests[i]): i for i in order}
            while len(answers) < len(requests):
                ended = self.step()
                for number, answer in ended:
                    if isinstance(answer, Exception):
                        raise answer
                    answers[indices[number]] = answer
                if ended:
                    progress(len(answers))
        except Exception:
            self.clear()
            raise
        return [answers[i] for i in range(len(requests))]

    def clear(self) -> None:
        """Forget all requests."""
        for engine in (self._writer, self._canvases):
            while engine and not engine.is_idle:
                engine.clear()
        self._written.clear()
        self._denoised.clear()

    def _pass(
        self, engine: VerifiedEngine | Engine, at_work: dict[int, _Work]
    ) -> list[tuple[int, Answer | Exception]]:
        ended: list[tuple[int, Answer | Exception]] = []
        try:
            results = engine.step()
        except Exception as error:
            tickets = [ticket for ticket in engine.clear() if ticket in at_work]
            lost = dict.fromkeys([at_work.pop(ticket) for ticket in tickets])
            self._forget(lost)
            return [(work.number, error) for work in lost]
        for result in results:
            work = at_work.pop(result.ticket, None)
            if work is None:
                continue  # the rest of a request that has failed
            try:
                answer = self._go_on(work, result)
            except Exception as error:
                self._forget([work])
                ended.append((work.number, error))
                continue
            if answer is not None:
                ended.append((work.number, answer))
        return ended

    def _forget(self, lost: Iterable[_Work]) -> None:
        """Nobody waits for their other rows."""
        for work in lost:
            for ticket in work.reading:
                self._written.pop(ticket, None)

    def _go_on(self, work: _Work, result: VerifiedAnswer | CanvasResult) -> Answer | None:
        """What has come of a row; the answer, or None where more is to be read.

        Each of the required expressions that are missing is put where the answer is the likeliest
        with it. All the answers that are compared for that have PLACE_TOKENS at most, with their
        prompts: each expression has an equal share of those that are left, and stands at the end
        where that is too little for two places.
        """
        if isinstance(result, CanvasResult):
            work.text, work.tokens = self._text(work, result.tokens), len(result.tokens) + 1
            work.passes = result.steps
        elif result.ticket in work.reading:
            work.read[work.reading.pop(result.ticket)] = result.likelihood
            if work.reading:
                return None
            work.text, work.passes = max(work.read, key=work.read.__getitem__), work.passes + 1
            work.read.clear()
        else:
            work.text, work.tokens = self._text(work, result.tokens), len(result.tokens) + 1
            work.passes = result.passes
        while work.missing:
            expression = work.missing.pop(0)
            texts = self._places(work, expression)
            if len(texts) > 1:
                for text in texts:
                    ticket = self._writer.add(self._reading(work, text))
                    work.reading[ticket], self._written[ticket] = text, work
                return None
            work.text = texts[0]
        return Answer(work.text, work.tokens, work.passes)

    def _places(self, work: _Work, expression: str) -> list[str]:
        """Answers with an expression that it need not have, or the one that has it."""
        request, text = work.request, work.text
        if contains(text, expression):
            return [text]
        held = [each for each in request.required if contains(text, each)]
        size = len(work.prompt) + len(self._tokenizer.answer(f"{text} {expression}"))
        most = work.place_tokens // (len(work.missing) + 1) // size
        texts = places(text, expression, request.pinned, held, most if most > 1 else 0)
        work.place_tokens -= len(texts) * size if len(texts) > 1 else 0
        return texts

    def _prompt(self, request: Request) -> list[int]:
        return self._tokenizer.prompt(request.text, request.source, request.target)

    def _tokens(self, text: str) -> list[int]:
        """Of a text that goes on: without the end mark."""
        return self._tokenizer.answer(text)[:-1] if text else []

    def _answer_request(self, work: _Work) -> AnswerRequest:
        pinned, draft = self._tokens(work.request.pinned), self._tokens(work.request.draft)
        draft = draft[len(pinned) :] if draft[: len(pinned)] == pinned else []
        wanted = max(canvas_tokens(len(work.prompt)), len(pinned) + len(draft) + SPARE_TOKENS)
        size = min(MAX_CANVAS, wanted)
        return AnswerRequest(work.prompt, size, pinned[: size - 1], draft, work.request.key)

    def _reading(self, work: _Work, text: str) -> AnswerRequest:
        answer = [*self._tokens(text)[: MAX_CANVAS - 1], self._ends[0]]
        return AnswerRequest(work.prompt, len(answer), answer, key=work.request.key)

    def _canvas_request(self, work: _Work) -> CanvasRequest:
        """A warm canvas holds a draft, `WARM_NOISE` of it replaced by noise."""
        pinned, draft = self._tokens(work.request.pinned), self._tokens(work.request.draft)
        size = canvas_tokens(len(work.prompt))
        if draft or pinned:
            held = max(len(draft), len(pinned)) + SPARE_TOKENS
            size = max(size, min(MAX_CANVAS, -(-held // CANVAS_STEP) * CANVAS_STEP))
        return CanvasRequest(
            prompt=work.prompt,
            size=size,
            start=[FREE if self._rng.random() < WARM_NOISE else token for token in draft],
            pinned=pinned,
            steps=min(WARM_STEPS, self._sampler.max_denoising_steps) if draft else None,
            key=work.request.key,
        )

    def _text(self, work: _Work, tokens: list[int]) -> str:
        pinned = work.request.pinned
        if self._canvases is not None and self._sampler.merge_repeats:
            pins = len(self._tokens(pinned))
            tokens = [*tokens[:pins], *self._tokenizer.merge_repeats(tokens[pins:])]
        return _joined(pinned, self._tokenizer.decode(tokens))


def _joined(pinned: str, text: str) -> str:
    """The answer, where the model went on inside of the last pinned word without that piece."""
    if not pinned:
        return text
    rest = text[len(pinned) :] if text.startswith(pinned) else ""
    return pinned + _WORD_REST.sub("", rest) if pinned[-1].isalnum() else pinned + rest
