"""The model as a translator from left to right: beam search.

With one beam it takes the likeliest token each time. With several it follows as many beginnings of
an answer, until it has as many answers and none of the beginnings is ahead of the best of them: the
one with the highest mean log-probability of its tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, cast

import torch
from torch import Tensor

from ..network.batches import pad
from ..network.kv_cache import PADDING
from .causal_layers import CausalCache, CausalLayers, joined

BATCH_ROWS = 256
JOINING = 8  # tasks that are read together at least, where not all that wait have room


class Decoded(NamedTuple):
    """Token ids without the end mark, and the mean log-probability of those that were not given,
    the end mark included."""

    tokens: list[int]
    confidence: float


class Task(NamedTuple):
    """What an answer is to be found for, how it begins, and a guess of how it goes on.

    It has at most `max_tokens` beside its given beginning. The guess is read in one pass, and kept
    as far as it is what one beam would write: so several tokens cost what one does
    (arXiv 2211.17192).
    """

    prompt: Sequence[int]
    max_tokens: int
    beginning: Sequence[int] = ()
    guess: Sequence[int] = ()


class _Beam(NamedTuple):
    """A beginning of an answer: the ids behind the given ones, and their log-probability."""

    tokens: tuple[int, ...]
    total: float


@dataclass(slots=True)
class _Search:
    """A task at work: the beginnings that it follows, each in a row, and the answers that have come
    to their end. The first `given` tokens of all rows are the same."""

    number: int
    task: Task
    beams: list[_Beam]
    given: int
    left: int  # tokens
    ended: list[Decoded] = field(default_factory=list[Decoded])

    def follow(
        self,
        likeliest: Iterator[Sequence[tuple[float, int]]],
        end_ids: Sequence[int],
        most: int,
    ) -> list[int]:
        """Go on with the best that the beams and their likeliest next tokens make, `most` of them;
        returns the beams that they continue."""
        longer = [
            (beam.total + value, at, token)
            for at, beam in enumerate(self.beams)
            for value, token in next(likeliest)
        ]
        kept: list[tuple[_Beam, int]] = []
        for total, parent, token in sorted(longer, reverse=True):
            found = self.beams[parent].tokens
            if token not in end_ids:
                kept.append((_Beam((*found, token), total), parent))
            else:
                mean = total / (len(found) + 1)
                self.ended.append(Decoded([*self.task.beginning, *found], mean))
            if len(kept) == most:
                break
        self.left -= 1
        if not self.left or (kept and self._is_behind(kept[0][0], most)):
            kept.clear()
        self.beams = [beam for beam, _ in kept]
        return [parent for _, parent in kept]

    def _is_behind(self, ahead: _Beam, most: int) -> bool:
        """Whether there are answers enough, and the best of them is better than what is ahead."""
        best = max((answer.confidence for answer in self.ended), default=0.0)
        return len(self.ended) >= most and ahead.total / len(ahead.tokens) <= best


class BeamSearch:
    """Writes answers to tasks that come at any time, token by token: they share each pass, and
    leave as soon as their answers are found. Not thread-safe."""

    def __init__(self, model: CausalLayers, beams: int = 1) -> None:
        self._model, self._beams = model, beams
        self._numbers = count()
        self._waiting: deque[tuple[int, Task]] = deque()
        self._searches: list[_Search] = []
        self._reading: list[int] = []  # the numbers of tasks that begin in this step
        # Of the rows: the states [R, D] of their last tokens, and how many they have [R].
        self._last = self._lengths = torch.empty(0)
        self._cache: CausalCache | None = None
        self._shared = 0  # columns that are the same in all rows of a search

    @property
    def is_idle(self) -> bool:
        return not self._waiting and not self._searches

    def add(self, task: Task) -> int:
        """Queue a task; its number is that of its answers. Where there is no room for it among
        `BATCH_ROWS`, it waits until some have left."""
        number = next(self._numbers)
        self._waiting.append((number, task))
        return number

    def clear(self) -> list[int]:
        """Forget the tasks that have begun, after a step that raised: those that wait go on.
        Returns the numbers of what is forgotten, or of all where nothing had begun."""
        lost = [*(search.number for search in self._searches), *self._reading]
        if not lost:
            lost = [number for number, _ in self._waiting]
            self._waiting.clear()
        self._searches.clear()
        self._reading.clear()
        self._cache = None
        return lost

    @torch.inference_mode()
    def step(self) -> list[tuple[int, list[Decoded]]]:
        """One more token of every answer; the numbers of those that end with it, and for each at
        most as many answers as there are beams, the likeliest first; none where no end mark came
        in time. Where it raises, `clear` is to be called before the next.

        1. Tasks begin while there is room: their prompts are read.
        2. The likeliest tokens after each beginning, and which beginnings to go on with.
        3. One pass over the newest tokens.
        """
        if entering := self._entering():  # 1
            self._join(entering)
        if not self._searches:
            return []
        parents = self._follow()  # 2
        ended = [search for search in self._searches if not search.beams]
        self._searches = [search for search in self._searches if search.beams]
        if self._searches:
            self._go_on(parents, has_ended=bool(ended))  # 3
        else:
            self._cache = None
        return [
            (each.number, sorted(each.ended, key=lambda one: -one.confidence)[: self._beams])
            for each in ended
        ]

    def _entering(self) -> list[tuple[int, Task]]:
        """NOTE: reading few at a time costs more, so where many wait, some of them must fit."""
        room = max(BATCH_ROWS // self._beams, 1) - len(self._searches)
        fitting = min(len(self._waiting), room)
        if fitting < min(len(self._waiting), JOINING) and self._searches:
            return []
        return [self._waiting.popleft() for _ in range(fitting)]

    def _join(self, entering: Sequence[tuple[int, Task]]) -> None:
        tasks = [task for _, task in entering]
        self._reading += [number for number, _ in entering]
        begun, last, lengths, cache = _read(self._model, tasks)
        self._searches += [
            _Search(number, task, [beam], given, task.max_tokens)
            for (number, task), beam, given in zip(
                entering, begun, cast("list[int]", lengths.tolist()), strict=True
            )
        ]
        self._reading.clear()
        if self._cache is None:
            self._last, self._lengths, self._cache = last, lengths, cache
            self._shared = cache.used
            return
        parts = [
            (each, torch.arange(len(each.positions), device=last.device))
            for each in (self._cache, cache)
        ]
        self._cache = joined(parts, self._room())
        self._last = torch.cat([self._last, last])
        self._lengths = torch.cat([self._lengths, lengths])
        self._shared = min(search.given for search in self._searches)

    def _room(self) -> int:
        return max(search.left for search in self._searches)

    def _follow(self) -> list[int]:
        """The rows that are gone on with."""
        logits = self._model.logits(self._last)
        # One more than there are beams: one of them may be the end.
        values, ids = logits.topk(self._beams + 1)
        values = values - logits.logsumexp(dim=-1, keepdim=True)
        likeliest = (
            list(zip(row, tokens, strict=True))
            for row, tokens in zip(
                cast("list[list[float]]", values.tolist()),
                cast("list[list[int]]", ids.tolist()),
                strict=True,
            )
        )
        rows: list[int] = []
        first = 0
        for search in self._searches:
            followed = len(search.beams)
            parents = search.follow(likeliest, self._model.config.eos_token_ids, self._beams)
            rows += [first + parent for parent in parents]
            first += followed
        return rows

    def _go_on(self, parents: Sequence[int], has_ended: bool) -> None:
        assert self._cache is not None, "there are searches"
        device, before = self._last.device, len(self._last)
        rows = torch.tensor(parents, device=device)
        if has_ended or len(parents) != before:
            self._cache = joined([(self._cache, rows)], self._room())
            self._shared = min(search.given for search in self._searches)
        elif moved := [place for place, row in enumerate(parents) if place != row]:
            places = torch.tensor(moved, device=device)
            self._cache.select(places, rows[places], self._shared)
        beams = [beam for search in self._searches for beam in search.beams]
        newest = torch.tensor([[beam.tokens[-1]] for beam in beams], device=device)
        lengths = self._lengths[rows]
        self._last = self._model.forward(newest, lengths[:, None], self._cache)[:, 0]
        self._lengths = lengths + 1


def decode(
    model: CausalLayers,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    beginnings: Sequence[Sequence[int]] | None = None,
    guesses: Sequence[Sequence[int]] | None = None,
    beams: int = 1,
) -> list[list[Decoded]]:
    """What a `BeamSearch` finds for each prompt. Similar lengths share a batch."""
    nothing: list[Sequence[int]] = [()] * len(prompts)
    parts = zip(prompts, beginnings or nothing, guesses or nothing, strict=True)
    tasks = [Task(prompt, max_tokens, *given) for prompt, *given in parts]
    search = BeamSearch(model, beams)
    order = sorted(range(len(tasks)), key=lambda i: len(prompts[i]))
    indices = {search.add(tasks[i]): i for i in order}
    answers: dict[int, list[Decoded]] = {}
    while not search.is_idle:
        answers |= {indices[number]: found for number, found in search.step()}
    return [answers[i] for i in range(len(tasks))]


def _read(
    model: CausalLayers, tasks: Sequence[Task]
) -> tuple[list[_Beam], Tensor, Tensor, CausalCache]:
    """What is kept of each guess, the states [B, D] of the last tokens that are, how many there
    are before and with them [B], and the cache, with room for what follows."""
    device = model.device
    given = [[*task.prompt, *task.beginning] for task in tasks]
    whole = [[*row, *task.guess] for row, task in zip(given, tasks, strict=True)]
    tokens = pad(whole, model.config.pad_token_id).to(device)
    place = torch.arange(tokens.shape[1], device=device)

    def lengths_of(rows: Iterable[Sequence[int]]) -> Tensor:
        return torch.tensor([len(row) for row in rows], device=device)

    def before(ends: Tensor) -> Tensor:
        return place.where(place < ends[:, None], PADDING)

    cache = model.cache(len(tasks), tokens.shape[1] + max(task.max_tokens for task in tasks))
    prompts = lengths_of(task.prompt for task in tasks)
    hidden = model.forward(tokens, before(lengths_of(whole)), cache, prompts)
    begun = [
        _agreeing(model, hidden[i, len(row) - 1 :], task.guess) if task.guess else _Beam((), 0.0)
        for i, (row, task) in enumerate(zip(given, tasks, strict=True))
    ]
    ends = lengths_of(given) + lengths_of(beam.tokens for beam in begun)
    cache.positions[:, : cache.used] = before(ends)
    return begun, hidden[torch.arange(len(tasks), device=device), ends - 1], ends, cache


def _agreeing(model: CausalLayers, hidden: Tensor, guess: Sequence[int]) -> _Beam:
    """The tokens of the guess that are the likeliest after what comes before; hidden [n, D] are the
    states from the token before it on."""
    ids = torch.tensor(guess, device=hidden.device)
    logits = model.logits(hidden[: len(guess)])
    count = int((logits.argmax(dim=-1) == ids).cumprod(dim=0).sum())
    log = logits[:count].log_softmax(dim=-1).gather(-1, ids[:count, None])
    return _Beam(tuple(guess[:count]), float(log.sum()))
