"""What waits for the one translator of a process, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ..errors import TranslatorError
from ..events import TranslationRequest
from . import Translator

LIVE_SHARE = 4  # a quarter of the room is never given to files: live speech finds it at once


class Priority(IntEnum):
    """Who goes first; of equals, who came first."""

    FINAL = 0
    DRAFT = 1
    FILE = 2


class Superseded(Exception):
    """A newer revision has taken the place of this one in the queue."""


@dataclass(eq=False, slots=True)
class _Place:
    """Of a request in the queue. `turn` is True when it comes, False when a newer revision has
    taken the place."""

    key: Hashable
    priority: Priority
    owner: str
    heard_ms: int
    turn: asyncio.Future[bool]


class TranslationQueue:
    """Live sessions, files and lines of text before one translator, each request on its own.

    A request is what one task awaits: its answer, its error and its cancellation are its own. Each
    key has one place. A newer revision takes the place of the one that waits, so under load drafts
    become rarer, not later, and everyone's as often; while one is at work, the next one of its key
    waits, as it starts from what that one finds. So the queue is bounded by the open segments, the
    finals that wait, and `Translator.at_once` for each call of `translate_all`.

    No task of its own: turns are given when a request comes and when one goes. To be used on one
    event loop at a time.
    """

    def __init__(self, translator: Translator) -> None:
        """The translator is the queue's from now on: `aclose` closes it."""
        self._translator = translator
        self._waiting: dict[Priority, dict[Hashable, _Place]] = {each: {} for each in Priority}
        self._running: dict[Hashable, _Place] = {}

    def check(self, source: str, target: str) -> None:
        """Raise TranslatorError for a language pair that the translator does not know."""
        self._translator.check(source, target)

    async def translate(
        self,
        make_request: Callable[[], TranslationRequest],
        *,
        key: Hashable,
        priority: Priority,
        owner: str,
        heard_ms: int = 0,
    ) -> str:
        """The translation of what `make_request` makes when its turn comes.

        Revisions of one text have the same `key`. `heard_ms` is the media time up to which its
        `owner` had heard when it came. Raises Superseded, and whatever the translator raises.
        """
        turn = asyncio.get_running_loop().create_future()
        place = _Place(key, priority, owner, heard_ms, turn)
        self._enter(place)
        try:
            if not await turn:
                raise Superseded
            return await self._run(make_request())
        finally:
            self._leave(place)

    async def translate_all(
        self, requests: Sequence[TranslationRequest], owner: str
    ) -> list[str | TranslatorError]:
        """The translation of each request of a file, or its error; behind all that is live.

        Similar lengths come one after the other, so that a backend that works on several together
        has none that keeps the others waiting. No more of them wait than the backend likes at once,
        so that files share it.
        """
        answers: list[str | TranslatorError] = [""] * len(requests)
        rest = iter(sorted(range(len(requests)), key=lambda i: len(requests[i].text)))

        async def work() -> None:
            for index in rest:  # shared: each takes the next one that nobody has taken
                answers[index] = await self._answer(requests[index], owner)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._translator.at_once, len(requests))):
                tasks.create_task(work())
        return answers

    def queued(self, owner: str) -> int:
        """How many of an owner's requests wait."""
        return sum(place.owner == owner for place in self._places())

    def oldest_heard_ms(self, owner: str) -> int | None:
        """From which moment of an owner the oldest request is that waits or runs."""
        places = (*self._places(), *self._running.values())
        return min((place.heard_ms for place in places if place.owner == owner), default=None)

    async def aclose(self) -> None:
        """Close the translator."""
        await self._translator.aclose()

    async def _run(self, request: TranslationRequest) -> str:
        try:
            return await self._translator.translate(request)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # Not the caller was cancelled: it must learn that there is no answer.
            raise TranslatorError(f"{self._translator.name} has given up a text") from None

    async def _answer(self, request: TranslationRequest, owner: str) -> str | TranslatorError:
        try:
            return await self.translate(
                lambda: request, key=object(), priority=Priority.FILE, owner=owner
            )
        except TranslatorError as error:
            return error
        except Exception as error:
            failure = TranslatorError(f"a text could not be translated: {error or type(error)}")
            failure.__cause__ = error
            return failure

    def _places(self) -> Iterator[_Place]:
        for waiting in self._waiting.values():
            yield from waiting.values()

    def _enter(self, place: _Place) -> None:
        """Raises Superseded for a draft whose final waits: it comes too late."""
        for priority, waiting in self._waiting.items():
            older = waiting.get(place.key)
            if older is None:
                continue
            if priority < place.priority:
                raise Superseded
            if priority > place.priority:
                del waiting[place.key]
            if not older.turn.done():
                older.turn.set_result(False)
        self._waiting[place.priority][place.key] = place  # where an older one stood, if any
        self._grant()

    def _leave(self, place: _Place) -> None:
        """Out of wherever it still stands: it has ended, or was cancelled."""
        for places in (self._running, self._waiting[place.priority]):
            if places.get(place.key) is place:
                del places[place.key]
        self._grant()

    def _grant(self) -> None:
        """Give turns, as far as there is room."""
        for priority, waiting in self._waiting.items():
            room = self._translator.at_once
            if priority is Priority.FILE:
                room -= room // LIVE_SHARE
            if len(self._running) >= room:
                return
            for place in [each for each in waiting.values() if each.key not in self._running]:
                if len(self._running) >= room:
                    return
                del waiting[place.key]
                if not place.turn.done():  # done: cancelled, and about to leave
                    self._running[place.key] = place
                    place.turn.set_result(True)
