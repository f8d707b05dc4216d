"""Answers that are drafted and verified: what a canvas draws at once is kept as far as the same
weights would have written it from left to right.

DiffusionGemma's encoder, with the tied head, is an autoregressive model; its decoder draws all
tokens of a canvas in one pass. So a draft costs one pass however long it is, and one causal pass
over it says how much of it is right and writes the keys of that much: verification is commitment.
The answer is that of greedy decoding, found in fewer passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...kernels.canvas_step import FREE
from ..network.config import SamplerConfig
from ..network.denoiser import Denoiser
from .allocation import keep_freed_memory
from .arena import KVArena, Span
from .drafts import behind, drafted, opened, until
from .engine import EngineLimits
from .layout import CanvasPlace, NewPrompt
from .step import StepOptions
from .verified_layout import Read, lay_out_pass, parts_of
from .verified_step import Passed, VerifiedStep


class Drafting(NamedTuple):
    """How many canvases a row has in a pass, at most and where there is room, but two; and how many
    tokens each: what is further on is drafted in vain."""

    canvases: int
    tokens: int


# A GPU reads all weights in any case, and has one behind each place of a fresh draft; a CPU pays
# for each token, and with these an answer takes the least time (docs/engine.md).
DRAFTING_ON_GPU = Drafting(8, 8)
DRAFTING_ON_CPU = Drafting(2, 5)


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """An answer to write.

    prompt   token ids
    size     tokens of the answer at most, with its end mark
    pinned   tokens that it begins with; with an end mark, all of it, to learn its likelihood
    draft    tokens that may follow them: kept as far as the model would write them itself
    key      a prompt with the same key and the same tokens is not encoded again
    """

    prompt: tuple[int, ...]
    size: int
    pinned: Sequence[int] = ()
    draft: Sequence[int] = ()
    key: Hashable | None = None


@dataclass(frozen=True, slots=True)
class VerifiedAnswer:
    """An answer up to its end mark, or cut at its size.

    likelihood   mean log-probability of its tokens, with the end mark, in nats
    passes       that it took, the first of which reads the prompt
    """

    ticket: int
    tokens: list[int]
    likelihood: float
    passes: int


@dataclass(slots=True)
class _Row:
    """`written` is committed, and `keys` of its tokens have theirs: all but the last, from the
    second pass on. `draft` may stand behind it. Canvases begin with `canvas`, and with noise where
    that is FREE or ends."""

    ticket: int
    request: AnswerRequest
    span: Span
    place: int  # in what canvases believe
    written: list[int]
    draft: list[int]
    canvas: list[int] = field(default_factory=list[int])
    keys: int = 0
    log_p: float = 0.0
    passes: int = 0

    @property
    def left(self) -> int:
        """Tokens that may still be written."""
        return self.request.size - len(self.written)


class _Canvas(NamedTuple):
    """What a canvas says, and its entropy where it goes on denoising."""

    best: NDArray[np.int64]
    entropy: NDArray[np.float32] | None


class VerifiedEngine:
    """Writes answers to requests that come at any time; not thread-safe."""

    def __init__(
        self,
        model: Denoiser,
        sampler: SamplerConfig,
        limits: EngineLimits | None = None,
        *,
        generator: torch.Generator | None = None,
        options: StepOptions | None = None,
        drafting: Drafting | None = None,
    ) -> None:
        """`drafting`: None is what suits the device."""
        self.limits = limits = limits or EngineLimits()
        self.config, self.sampler = model.config, sampler
        self._ends = frozenset(model.config.eos_token_ids)
        self._no_draft = self._ends | {model.config.pad_token_id}
        weight = model.embed_tokens.weight
        self._device, self._generator = weight.device, generator
        self._drafting = drafting or (DRAFTING_ON_GPU if weight.is_cuda else DRAFTING_ON_CPU)
        if not weight.is_cuda:
            keep_freed_memory()
        self._arena = KVArena(model.config, limits.arena_tokens, weight.dtype, weight.device)
        self._believed: Tensor | None = None
        if model.config.mask_token_id is None:
            believed = limits.rows + 1, limits.canvas_tokens, weight.shape[1]
            self._believed = weight.new_zeros(believed)
        self._step = VerifiedStep(
            model,
            sampler,
            self._believed,
            self._arena,
            limits.prompt_tokens + limits.canvas_tokens,
            options or StepOptions(),
        )
        self._free = list(range(limits.rows))
        self._rows: list[_Row] = []
        self._waiting: deque[tuple[int, AnswerRequest]] = deque()
        self._tickets = count()

    @property
    def is_idle(self) -> bool:
        return not self._rows and not self._waiting

    @property
    def longest_prompt(self) -> int:
        """Tokens that a prompt may have."""
        longest = min(self.limits.prompt_tokens, self.limits.arena_tokens)
        if self.config.bidirectional_prompt:  # their mask knows no window
            longest = min(longest, self.config.sliding_window)
        return longest

    def add(self, request: AnswerRequest) -> int:
        """Queue a request; its ticket is that of its answer.

        Raises ValueError for one that would never fit.
        """
        limits, spans = self.limits, len(request.prompt) + request.size
        for what, value, most in (
            ("a prompt", len(request.prompt), self.longest_prompt),
            ("an answer", request.size, limits.canvas_tokens),
            ("a prompt with its answer", spans, limits.arena_tokens),
            ("a step", self._step_tokens(request), limits.step_tokens),
        ):
            if not 1 <= value <= most:
                raise ValueError(f"{what} may have 1 to {most} tokens, got {value}")
        pinned = len(until(request.pinned, self._ends))
        if pinned >= request.size:
            raise ValueError(f"an answer of {request.size} tokens cannot begin with {pinned}")
        ticket = next(self._tickets)
        self._waiting.append((ticket, request))
        return ticket

    def clear(self) -> list[int]:
        """Forget the requests that have begun, after a step that raised: those that wait go on.
        Returns the tickets of what is forgotten, or of all where nothing had begun."""
        lost = [row.ticket for row in self._rows]
        if not lost:
            lost = [ticket for ticket, _ in self._waiting]
            self._waiting.clear()
        self._rows.clear()
        self._arena.clear()
        self._free = list(range(self.limits.rows))
        return lost

    @torch.inference_mode()
    def step(self) -> list[VerifiedAnswer]:
        """One pass for every row, and the answers that have ended with it. Where it raises,
        `clear` is to be called before the next.

        1. Rows begin. The first pass of a row reads its prompt, and what is pinned or proposed
           beforehand; each later one the last token that is committed, and a draft behind it.
           Beside that, canvases behind the places where verification is likeliest to end take a
           denoising step.
        2. Of each draft as much is committed as the model would have written, and a token more.
           The keys of the rest are dropped: nobody counts them, and the next ones take their place.
        3. The canvas at that place, if there is one, is the next draft behind the token more; else
           what is left of the last one is.
        """
        self._admit()  # 1
        if not self._rows:
            return []
        reads = [self._read(row) for row in self._rows]
        most = self._most_canvases(reads)
        canvases = [self._canvases_of(row, most) for row in self._rows]
        passed, places = self._run(canvases, reads)
        accepted = cast("list[int]", passed.verdict.accepted.tolist())
        own = cast("list[int]", passed.verdict.own.tolist())
        log_p = cast("list[float]", passed.verdict.log_p.tolist())
        new: list[list[int]] = []
        for nth, row in enumerate(self._rows):  # 2
            behind_read = [*reads[nth].tokens[1 : 1 + accepted[nth]], own[nth]]
            new.append(behind_read if row.passes else behind_read[len(row.written) :])
            row.log_p += log_p[nth]
        drawn = self._drawn(canvases, [len(tokens) - 1 for tokens in new], passed, places)  # 3
        for row, tokens, canvas in zip(self._rows, new, drawn, strict=True):
            self._commit(row, tokens, canvas)
        ended = [row for row in self._rows if self._has_ended(row)]
        self._rows = [row for row in self._rows if not self._has_ended(row)]
        return [self._answer(row) for row in ended]

    def _admit(self) -> None:
        """Waiting requests begin, in their order, while there is room."""
        room = self.limits.step_tokens - sum(self._step_tokens(row.request) for row in self._rows)
        new: list[int] = []
        while self._waiting and self._free:
            ticket, request = self._waiting[0]
            room -= self._step_tokens(request)
            if room < 0:
                break
            span = self._arena.claim(request.prompt, request.key, request.size)
            if span is None:
                break
            self._waiting.popleft()
            new.append(self._free.pop())
            pinned, draft = until(request.pinned, self._ends), until(request.draft, self._ends)
            self._rows.append(_Row(ticket, request, span, new[-1], pinned, draft))
        if new and self._believed is not None:
            self._believed[new] = 0

    def _step_tokens(self, request: AnswerRequest) -> int:
        """That there is room for in any of its steps: the prompt, a draft, and two canvases."""
        canvases = 2 * min(self._drafting.tokens, request.size)
        return len(request.prompt) + request.size + canvases

    def _most_canvases(self, reads: Sequence[Read]) -> int:
        """Of a row, in a pass that reads so much."""
        encoded = sum(
            len(part.tokens) for read in reads for part in (read.new, read.prompt) if part
        )
        room = (self.limits.step_tokens - encoded) // (self._drafting.tokens * len(reads))
        return max(2, min(self._drafting.canvases, room))

    def _canvases_of(self, row: _Row, most: int) -> list[CanvasPlace]:
        """Behind nothing, one, two ... tokens of the draft, and behind all of it."""
        if len(row.written) < len(row.request.pinned):
            return []  # all of it, with its end mark
        before, committed = len(row.request.prompt), len(row.written)
        draft = min(len(row.draft), row.left - 1)
        behind = [*range(min(draft, most - 1)), draft]
        sizes = [min(row.left - n, self._drafting.tokens) for n in behind]
        return [
            CanvasPlace(row.place, size, row.span.start, before + committed + n, committed + n)
            for n, size in zip(behind, sizes, strict=True)
            if size > 1  # its first token is what verification writes
        ]

    def _read(self, row: _Row) -> Read:
        request, start, before = row.request, row.span.start, len(row.request.prompt)
        tokens = [*row.written[row.keys :], *row.draft[: max(0, row.left - 1)]]
        new = NewPrompt(tokens, start, before + row.keys)
        if row.passes:
            return Read(tokens, [FREE] * len(tokens), new, None)
        reused = min(row.span.reused, before - 1)  # the last one is read
        prompt = NewPrompt(request.prompt[reused:], start, reused)
        forced = [*request.pinned, *[FREE] * (1 + len(tokens))][: 1 + len(tokens)]
        return Read([request.prompt[-1], *tokens], forced, new, prompt)

    def _run(
        self, canvases: Sequence[Sequence[CanvasPlace]], reads: Sequence[Read]
    ) -> tuple[Passed, Tensor]:
        """A pass over these canvases of the rows, and all that is to be read; and the places of the
        canvases' tokens as in Layout."""
        ids = list[int]()
        for row, of_row in zip(self._rows, canvases, strict=True):
            for canvas in of_row:
                known = row.canvas[canvas.first - len(row.written) :]
                ids += [*known, *[FREE] * canvas.size][: canvas.size]
        numbers, lengths, shape = lay_out_pass(
            list(chain.from_iterable(canvases)),
            ids,
            reads,
            positions=self.limits.canvas_tokens,
            spare_row=self.limits.rows,
            spare_slot=self._arena.spare_slot,
        )
        on_device = torch.from_numpy(numbers).to(self._device, non_blocking=True)
        layout, drafts = parts_of(on_device, lengths)
        return self._step.verify(layout, shape, drafts, self._generator), layout.place

    def _drawn(
        self,
        canvases: Sequence[Sequence[CanvasPlace]],
        accepted: Sequence[int],
        passed: Passed,
        places: Tensor,
    ) -> list[_Canvas | None]:
        """What each row's canvas says that stands behind as much of its draft as was accepted."""
        tokens, sizes, start = list[int](), list[int](), 0
        for row, of_row, agreed in zip(self._rows, canvases, accepted, strict=True):
            sizes.append(0)
            for canvas in of_row:
                if canvas.first == len(row.written) + agreed:
                    sizes[-1] = canvas.size
                    tokens += range(start, start + canvas.size)
                start += canvas.size
        if not tokens:
            return [None] * len(sizes)
        chosen = torch.tensor(tokens, device=self._device)
        best, entropy = self._step.draw(passed.canvases[chosen], places[chosen])
        ends = np.cumsum(sizes)[:-1]
        likeliest = np.split(best.cpu().numpy(), ends)
        if entropy is None:
            found = [_Canvas(part, None) for part in likeliest]
        else:
            unsure = np.split(entropy.cpu().numpy(), ends)
            found = [_Canvas(*parts) for parts in zip(likeliest, unsure, strict=True)]
        return [canvas if size else None for canvas, size in zip(found, sizes, strict=True)]

    def _commit(self, row: _Row, new: Sequence[int], canvas: _Canvas | None) -> None:
        """The tokens that are accepted, the last of which is the verifier's own, and the canvas
        that stood in its place."""
        row.written += new
        row.keys = len(row.written) - 1
        row.passes += 1
        if canvas is None:
            row.draft, row.canvas = behind(row.draft, new), row.canvas[len(new) :]
            return
        before = row.written[-2] if row.keys else FREE
        row.draft = behind(drafted(canvas.best.tolist(), before, self._no_draft), new[-1:])
        if canvas.entropy is not None:
            row.canvas = opened(canvas.best, canvas.entropy, self.sampler.entropy_bound)[1:]

    def _has_ended(self, row: _Row) -> bool:
        return row.written[-1] in self._ends or not row.left

    def _answer(self, row: _Row) -> VerifiedAnswer:
        self._arena.release(row.span)
        self._free.append(row.place)
        tokens = until(row.written, self._ends)
        return VerifiedAnswer(row.ticket, tokens, row.log_p / len(row.written), row.passes)
