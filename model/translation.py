"""Texts in, translations out: the requests of many streams and languages share one engine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import torch

from ..kernels import int8
from .course import Answer, Asked, Candidate, Course, Courses, Found, Request
from .engine.canvas import MAX_CANVAS, source_tokens
from .engine.engine import Engine, EngineLimits
from .engine.step import StepOptions
from .network.config import SamplerConfig
from .network.denoiser import Denoiser
from .network.tokenizer import TranslationTokenizer
from .verifier.beam_search import BeamSearch, Task
from .verifier.causal_layers import CausalLayers
from .verifier.loading import Reader
from .verifier.reading import Reading, VerifierLayers, read

__all__ = ["Answer", "Request", "Translations"]

# Both cost a few tenths of chrF at most (docs/engine.md).
ON_CPU = StepOptions(int8=int8.is_supported(), top_tokens=8)
VERIFIER_BEAMS = 4
VERIFIER_ANSWERS = 3  # of those, that are compared; a fourth is hardly ever the best
_Ended = tuple[int, Answer | Exception]


class _Waiting(NamedTuple):
    """A request that has asked for something."""

    number: int
    course: Course


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
        writer = CausalLayers(verifier, int8=options.int8) if verifier else None
        self._search = BeamSearch(writer, VERIFIER_BEAMS) if writer else None
        layers = [(writer, tokenizer)] if writer else []
        if reader:
            layers.append((CausalLayers(reader.verifier, int8=options.int8), reader.tokenizer))
        self._courses = Courses(
            model,
            tokenizer,
            sampler,
            self.most_prompt_tokens,
            readers=[VerifierLayers(*each) for each in layers],
            writes=verifier is not None,
            rng=random.Random(seed),
        )
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
        return self._courses.fits(request)

    def add(self, request: Request) -> int:
        """Begin with a request; its number is that of its answer.

        Raises ValueError for one whose text does not fit, and whatever else that one cannot be
        begun for; all others go on.
        """
        course = self._courses.begin(request)
        self._numbers += 1
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

    def _ask(self, waiting: _Waiting, asked: Asked) -> None:
        if isinstance(asked, Task):
            assert self._search is not None, "else nothing asks"
            self._writing[self._search.add(asked)] = waiting
        elif isinstance(asked, list):
            self._unread.append((waiting, asked))
        else:
            self._denoising[self._engine.add(asked)] = waiting

    def _tell(self, told: Iterable[tuple[_Waiting, Found]]) -> list[_Ended]:
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
                Found([Candidate(*answer) for answer in answers[:VERIFIER_ANSWERS]]),
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
                Found([Candidate(result.tokens)], result.steps),
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
            (waiting, Found(logs=list(islice(logs, len(readings))))) for waiting, readings in asked
        )
