"""Texts in, translations out: the requests of many streams and languages share one engine."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Hashable, Iterable, Mapping, Sequence
from itertools import islice
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from ..kernels import int8
from ..kernels.canvas_step import FREE
from .engine.canvas import CANVAS_STEP, MAX_CANVAS, canvas_tokens, source_tokens
from .engine.engine import CanvasRequest, Engine, EngineLimits
from .engine.step import StepOptions
from .lexicons.stand_ins import Disguise, stand_ins
from .network.batches import pad
from .network.config import SamplerConfig
from .network.denoiser import Denoiser
from .network.tokenizer import TranslationTokenizer
from .verifier.beam_search import BeamSearch, Task
from .verifier.causal_layers import CausalLayers
from .verifier.loading import Reader
from .verifier.reading import Reading, VerifierLayers, read, readings_back

# Both cost a few tenths of chrF at most (docs/engine.md).
ON_CPU = StepOptions(int8=int8.is_supported(), top_tokens=8)
WARM_STEPS = 2  # at most, from a draft or the verifier's answer
WARM_NOISE = 0.3  # the share of a draft's tokens that is opened again
VERIFIER_BEAMS = 4
VERIFIER_ANSWERS = 3  # of those, that are compared; a fourth is hardly ever the best
BACK_WEIGHT = 0.3  # of how well an answer tells what was said, beside how well it reads
_WORD_REST = re.compile(r"^[^\W\u0e00-\U0003ffff]+")  # of scripts that part words by spaces

MAX_PLACES = 64  # where an expression may stand
SPARE_TOKENS = 8  # of a warm canvas, behind its draft


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


class _Candidate(NamedTuple):
    """An answer's tokens and, where the verifier wrote it, the mean log-probability of those behind
    the pinned ones."""

    tokens: list[int]
    likelihood: float | None = None


class _Found(NamedTuple):
    """What came of what was asked: of writing, the candidates, the likeliest first (none where the
    verifier came to no end), and a canvas's steps; of reading, the log-probabilities of the tokens
    of each answer."""

    candidates: Sequence[_Candidate] = ()
    steps: int = 0
    logs: Sequence[Sequence[float]] = ()


# What a request still asks of the verifier or of the engine, what it is told, and its answer.
_Asked = Request | CanvasRequest | list[Reading]
_Course = Generator[_Asked, _Found, Answer]
_Ended = tuple[int, Answer | Exception]


class _Waiting(NamedTuple):
    """A request that has asked for something."""

    number: int
    course: _Course


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
        verifier: Denoiser | None = None,
        reader: Reader | None = None,
        seed: int = 0,
        limits: EngineLimits | None = None,
    ) -> None:
        """The same requests get the same answers from the same `seed`. The `reader` says what an
        answer tells where the model does not know the way back itself."""
        device = model.embed_tokens.weight.device
        generator = torch.Generator(device).manual_seed(seed)
        options = ON_CPU if device.type == "cpu" else StepOptions()
        self._engine = Engine(model, sampler, limits, generator=generator, options=options)
        self._model, self._tokenizer, self._sampler = model, tokenizer, sampler
        writer = CausalLayers(verifier, int8=options.int8) if verifier else None
        self._search = BeamSearch(writer, VERIFIER_BEAMS) if writer else None
        layers = [(writer, tokenizer)] if writer else []
        if reader:
            layers.append((CausalLayers(reader.verifier, int8=options.int8), reader.tokenizer))
        self._readers = [VerifierLayers(*each) for each in layers]
        self._random = random.Random(seed)
        self._numbers = 0
        self._writing: dict[int, _Waiting] = {}  # by the numbers of the verifier's tasks
        self._unread: list[tuple[_Waiting, list[Reading]]] = []  # by a verifier
        self._denoising: dict[int, _Waiting] = {}  # by the tickets of their canvases

    @property
    def is_idle(self) -> bool:
        return not self._writing and self._engine.is_idle

    @property
    def most_prompt_tokens(self) -> int:
        """Of a text and what it is wrapped in, so that there is a canvas for its translation."""
        limits = self._engine.limits
        canvas = min(MAX_CANVAS, limits.canvas_tokens, limits.step_tokens)
        longest = min(self._engine.longest_prompt, source_tokens(canvas))
        return min(longest, limits.step_tokens - canvas)

    def fits(self, request: Request) -> bool:
        """Whether the text of a request is short enough to be added."""
        return len(self._prompt_of(request)) <= self.most_prompt_tokens

    def add(self, request: Request) -> int:
        """Begin with a request; its number is that of its answer.

        Raises ValueError for one whose text does not fit, and whatever else that one cannot be
        begun for; all others go on.
        """
        self._prompt(request)
        self._numbers += 1
        course = self._course(request)
        self._ask(_Waiting(self._numbers, course), next(course))
        return self._numbers

    def step(self) -> list[tuple[int, Answer | Exception]]:
        """One more token of all that the verifier writes, one denoising step of all canvases, and
        what is to be read; the numbers of the requests that end with it, with their answers or what
        was raised. Nothing is raised here: a request that cannot go on ends alone, and a pass that
        requests share ends them all; the others go on, and later ones begin anew."""
        return [*self._written(), *self._denoised(), *self._read()]

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
        while not self._engine.is_idle:
            self._engine.clear()
        while self._search and not self._search.is_idle:
            self._search.clear()
        self._writing.clear()
        self._denoising.clear()
        self._unread.clear()

    def _ask(self, waiting: _Waiting, asked: _Asked) -> None:
        if isinstance(asked, Request):
            assert self._search is not None, "else nothing asks"
            self._writing[self._search.add(self._task(asked))] = waiting
        elif isinstance(asked, list):
            self._unread.append((waiting, asked))
        else:
            self._denoising[self._engine.add(asked)] = waiting

    def _tell(self, told: Iterable[tuple[_Waiting, _Found]]) -> list[_Ended]:
        """Those of the requests that ask for nothing more, or cannot go on."""
        ended: list[_Ended] = []
        for waiting, found in told:
            try:
                self._ask(waiting, waiting.course.send(found))
            except StopIteration as end:
                ended.append((waiting.number, end.value))
            except Exception as error:
                ended.append((waiting.number, error))
        return ended

    def _written(self) -> list[_Ended]:
        """What the verifier has come to the end of with one more token."""
        if self._search is None:
            return []
        try:
            written = self._search.step()
        except Exception as error:
            lost = [self._writing.pop(number) for number in self._search.clear()]
            return [(waiting.number, error) for waiting in lost]
        return self._tell(
            (
                self._writing.pop(number),
                _Found([_Candidate(*answer) for answer in answers[:VERIFIER_ANSWERS]]),
            )
            for number, answers in written
        )

    def _denoised(self) -> list[_Ended]:
        try:
            results = self._engine.step()
        except Exception as error:
            lost = [self._denoising.pop(ticket) for ticket in self._engine.clear()]
            return [(waiting.number, error) for waiting in lost]
        return self._tell(
            (
                self._denoising.pop(result.ticket),
                _Found([_Candidate(result.tokens)], result.steps),
            )
            for result in results
        )

    def _read(self) -> list[_Ended]:
        """What is to be read since the last step, all of it together."""
        asked, self._unread = self._unread, []
        if not asked:
            return []
        try:
            logs = iter(read([reading for _, readings in asked for reading in readings]))
        except Exception as error:
            return [(waiting.number, error) for waiting, _ in asked]
        return self._tell(
            (waiting, _Found(logs=list(islice(logs, len(readings))))) for waiting, readings in asked
        )

    def _task(self, request: Request) -> Task:
        prompt, pinned = self._prompt(request), self._tokens(request.pinned)
        draft = self._tokens(request.draft)
        guess = draft[len(pinned) :] if draft[: len(pinned)] == pinned else []
        return Task(prompt, canvas_tokens(len(prompt)), pinned, guess)

    def _course(self, request: Request) -> _Course:
        """The best candidate, and what is required put into it.

        Rare terms are disguised. Where they cannot be put back, the text is translated as it is.
        """
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
        for expression in request.required:
            if not contains(answer.text, expression):
                text, canvas = self._with_expression(request, answer.text, expression)
                result = yield canvas
                tuned = self._text(request, result.candidates[0].tokens)
                answer = Answer(
                    tuned if contains(tuned, expression) else text, answer.steps + 1 + result.steps
                )
        return answer

    def _candidates(
        self, request: Request
    ) -> Generator[_Asked, _Found, tuple[dict[str, _Candidate], int]]:
        """What the verifier and a canvas make of a request, by their texts, and the steps that it
        took."""
        found: list[_Candidate] = []
        if self._search is not None:
            found += (yield request).candidates
        start = found[0].tokens if found else self._tokens(request.draft)
        result = yield self._canvas(request, start)
        texts: dict[str, _Candidate] = {}
        for candidate in (*found, *result.candidates):
            texts.setdefault(self._text(request, candidate.tokens), candidate)
        return texts, result.steps

    def _disguise(self, request: Request) -> Disguise:
        found = stand_ins((request.source, request.target)) if self._sampler.stand_ins else None
        disguise = found.disguise(request.text) if found else Disguise(request.text)
        fits = self.fits(request._replace(text=disguise.text))
        return disguise if fits else Disguise(request.text)

    def _best(
        self, request: Request, candidates: Mapping[str, _Candidate]
    ) -> Generator[_Asked, _Found, str]:
        """The text that the verifier finds likeliest as the translation and, where it or the reader
        knows this direction too, as what the request is the translation of: one that leaves
        something out, or adds something, reads well and does not tell what was said (noisy channel
        reranking, arXiv 1908.05731)."""
        texts = list(candidates)
        if len(texts) == 1:
            return texts[0]
        source, target = request.source, request.target
        forth = [
            self._readers[0].reading(request.text, source, target, answer)
            for answer, candidate in candidates.items()
            if candidate.likelihood is None
        ]
        back = readings_back(self._readers, request.text, source, target, texts)
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
            steps=min(WARM_STEPS, self._sampler.max_denoising_steps) if start else None,
            key=request.key,
        )

    def _prompt(self, request: Request) -> list[int]:
        prompt, most = self._prompt_of(request), self.most_prompt_tokens
        if len(prompt) > most:
            raise ValueError(f"a text may have {most} tokens, as a prompt, got {len(prompt)}")
        return prompt

    def _prompt_of(self, request: Request) -> list[int]:
        return self._tokenizer.prompt(request.text, request.source, request.target)

    def _tokens(self, text: str) -> list[int]:
        """Of a text that goes on: without the end mark."""
        return self._tokenizer.answer(text)[:-1] if text else []

    def _opened(self, draft: Sequence[int]) -> list[int]:
        return [FREE if self._random.random() < WARM_NOISE else token for token in draft]

    def _text(self, request: Request, tokens: list[int]) -> str:
        if self._sampler.merge_repeats:
            pins = len(self._tokens(request.pinned))
            tokens = [*tokens[:pins], *self._tokenizer.merge_repeats(tokens[pins:])]
        return _joined(request.pinned, self._tokenizer.decode(tokens))

    def _with_expression(
        self, request: Request, answer: str, expression: str
    ) -> tuple[str, CanvasRequest]:
        """Put an expression into an answer, where the model finds it most likely: the text, and
        what the engine is to make of it.

        1. Places: everywhere behind the pinned words, before a word, or for one or two.
        2. One denoising pass over all of them; the best has the highest mean log-probability.
        3. A few steps from there with the expression pinned, so that its neighbors agree with it.
        """
        words, first = answer.split(), len(request.pinned.split())
        places = [  # 1
            (" ".join(words[:at]), " ".join([*words[:at], expression, *words[at + replaced :]]))
            for replaced in (0, 1, 2)
            for at in range(first, len(words) - replaced + 1)
        ][:MAX_PLACES]
        drafts = [self._tokenizer.answer(text) for _, text in places]
        size = canvas_tokens(max(map(len, drafts)))
        drafts = [draft[:size] for draft in drafts]
        prompt = self._prompt(request)
        best = self._likeliest(prompt, drafts, size)  # 2
        before, text = places[best]  # 3
        start = len(self._tokens(before))
        end = len(self._tokens(f"{before} {expression}".strip()))
        kept = len(self._tokens(request.pinned))
        pinned = [
            token if at < kept or start <= at < end else FREE
            for at, token in enumerate(drafts[best])
        ]
        steps = min(WARM_STEPS, self._sampler.max_denoising_steps)
        start_tokens = self._opened(drafts[best])
        return text, CanvasRequest(
            tuple(prompt), size, start=start_tokens, pinned=pinned, steps=steps
        )

    @torch.inference_mode()
    def _likeliest(self, prompt: list[int], drafts: Sequence[list[int]], size: int) -> int:
        device, pad_id = self._model.embed_tokens.weight.device, self._model.config.pad_token_id
        _, cache = self._model.encode(torch.tensor([prompt] * len(drafts), device=device))
        canvas = pad(drafts, pad_id, size).to(device)
        likelihoods = self._model.denoise(canvas, cache).log_softmax(dim=-1)
        likelihoods = likelihoods.gather(-1, canvas[:, :, None])[:, :, 0]
        is_text: Tensor = canvas != pad_id
        return int(((likelihoods * is_text).sum(-1) / is_text.sum(-1)).argmax())


def contains(text: str, expression: str) -> bool:
    """Whether an expression stands in a text as whole words, in any case."""
    return re.search(rf"(?<!\w){re.escape(expression)}(?!\w)", text, re.IGNORECASE) is not None


def _joined(pinned: str, text: str) -> str:
    """The answer, where the model went on inside of the last pinned word without that piece."""
    if not pinned:
        return text
    rest = text[len(pinned) :] if text.startswith(pinned) else ""
    return pinned + _WORD_REST.sub("", rest) if pinned[-1].isalnum() else pinned + rest
