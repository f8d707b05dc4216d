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
from itertools import count
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

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

CANVAS_TOKENS = 12  # at most, behind what is committed: what is further on is drafted in vain


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
    second pass on. `draft` may stand behind it, and the next denoising step of what follows begins
    with `canvas`, with noise where that is FREE."""

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
        always_drafts: bool | None = None,
    ) -> None:
        """`always_drafts`: a canvas takes a step in every pass, not only where no draft is left.
        None: on a GPU, which reads all weights in any case; a CPU pays for each token of it."""
        self.limits = limits = limits or EngineLimits()
        self.config, self.sampler = model.config, sampler
        self._ends = frozenset(model.config.eos_token_ids)
        self._no_draft = self._ends | {model.config.pad_token_id}
        weight = model.embed_tokens.weight
        self._device, self._generator = weight.device, generator
        self._always_drafts = weight.is_cuda if always_drafts is None else always_drafts
        if not weight.is_cuda:
            keep_freed_memory()
        self._arena = KVArena(model.config, limits.arena_tokens, weight.dtype, weight.device)
        self._believed = weight.new_zeros(limits.rows + 1, limits.canvas_tokens, weight.shape[1])
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
            ("a step", _step_tokens(request), limits.step_tokens),
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
           Beside that, the canvas behind what is committed takes a denoising step, in every pass
           or where no draft is left.
        2. Of each draft as much is committed as the model would have written, and a token more.
           The keys of the rest are dropped: nobody counts them, and the next ones take their place.
        3. What the canvas believes now is the next draft, behind what was committed meanwhile; or
           what is left of the last one.
        """
        self._admit()  # 1
        if not self._rows:
            return []
        sizes = [self._canvas_tokens(row) for row in self._rows]
        reads = [self._read(row) for row in self._rows]
        passed = self._run(sizes, reads)
        accepted = cast("list[int]", passed.verdict.accepted.tolist())
        own = cast("list[int]", passed.verdict.own.tolist())
        log_p = cast("list[float]", passed.verdict.log_p.tolist())
        best, entropy = passed.best.cpu().numpy(), passed.entropy.cpu().numpy()
        splits = np.cumsum(sizes)[:-1]
        canvases = zip(np.split(best, splits), np.split(entropy, splits), strict=True)
        for nth, (row, canvas) in enumerate(zip(self._rows, canvases, strict=True)):
            row.log_p += log_p[nth]
            self._commit(row, [*reads[nth].tokens[1 : 1 + accepted[nth]], own[nth]], *canvas)
        ended = [row for row in self._rows if self._has_ended(row)]
        self._rows = [row for row in self._rows if not self._has_ended(row)]
        return [self._answer(row) for row in ended]

    def _admit(self) -> None:
        """Waiting requests begin, in their order, while there is room."""
        room = self.limits.step_tokens - sum(_step_tokens(row.request) for row in self._rows)
        new: list[int] = []
        while self._waiting and self._free:
            ticket, request = self._waiting[0]
            room -= _step_tokens(request)
            if room < 0:
                break
            span = self._arena.claim(request.prompt, request.key, request.size)
            if span is None:
                break
            self._waiting.popleft()
            new.append(self._free.pop())
            pinned, draft = until(request.pinned, self._ends), until(request.draft, self._ends)
            self._rows.append(_Row(ticket, request, span, new[-1], pinned, draft))
        if new:
            self._believed[new] = 0

    def _canvas_tokens(self, row: _Row) -> int:
        is_whole = len(row.written) < len(row.request.pinned)  # with its end mark
        if is_whole or (row.draft and not self._always_drafts):
            return 0
        return min(row.left, CANVAS_TOKENS)

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

    def _run(self, sizes: Sequence[int], reads: Sequence[Read]) -> Passed:
        """A pass over canvases of these sizes, and all that is to be read."""
        canvases, ids = list[CanvasPlace](), list[int]()
        for row, size in zip(self._rows, sizes, strict=True):
            place, before = len(row.written), len(row.request.prompt) + len(row.written)
            if size:
                canvases.append(CanvasPlace(row.place, size, row.span.start, before, place))
                ids += [*row.canvas, *[FREE] * size][:size]
        numbers, lengths, shape = lay_out_pass(
            canvases,
            ids,
            reads,
            positions=self.limits.canvas_tokens,
            spare_row=self.limits.rows,
            spare_slot=self._arena.spare_slot,
        )
        on_device = torch.from_numpy(numbers).to(self._device, non_blocking=True)
        noise = torch.randint(
            self.config.vocab_size, (len(ids),), generator=self._generator, device=self._device
        )
        layout, drafts = parts_of(on_device, lengths)
        return self._step(layout, shape, drafts, noise)

    def _commit(
        self,
        row: _Row,
        behind_read: Sequence[int],
        best: NDArray[np.int64],
        entropy: NDArray[np.float32],
    ) -> None:
        """What is accepted behind the first token that was read, and the canvas beside it."""
        new = list(behind_read if row.passes else behind_read[len(row.written) :])
        last = row.written[-1] if row.written else FREE
        row.written += new  # 2
        row.keys = len(row.written) - 1
        row.passes += 1
        if len(best):  # 3
            row.draft = drafted(best.tolist(), last, self._no_draft)
            row.canvas = opened(best, entropy, self.sampler.entropy_bound)[len(new) :]
        row.draft = behind(row.draft, new)

    def _has_ended(self, row: _Row) -> bool:
        return row.written[-1] in self._ends or not row.left

    def _answer(self, row: _Row) -> VerifiedAnswer:
        self._arena.release(row.span)
        self._free.append(row.place)
        tokens = until(row.written, self._ends)
        return VerifiedAnswer(row.ticket, tokens, row.log_p / len(row.written), row.passes)


def _step_tokens(request: AnswerRequest) -> int:
    """At most, in any of its steps: the prompt or a draft, and a canvas."""
    return len(request.prompt) + 2 * request.size
