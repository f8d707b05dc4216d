"""What works on recordings in a process of the cluster; no Ray in here."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..audio.container import AudioChoice
from ..cluster import Failure, WorkersLost
from ..errors import MediaError, SurtitleError
from ..events import Utterance, Word
from ..jobs.setup import Setup
from ..jobs.work import Outcome, Tools, Work
from ..recognizers import Recognizer
from ..subtitles.burn import find_ffmpeg
from ..subtitles.outputs import Input
from .sharing import Place, Sharing, Words

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Errand:
    """One recording, with absolute paths: see jobs.work.Work. `known` are words in it that somebody
    has heard who was lost then."""

    given: Input
    audio: AudioChoice
    force: bool
    from_track: bool
    known: Mapping[Place, list[Word]] = field(default_factory=dict[Place, list[Word]])


@dataclass(frozen=True, slots=True)
class Look:
    """How much of a recording is heard, the words since the last look, and whether there is more to
    hear than is being heard."""

    done_ms: int = 0
    fresh: Mapping[Place, list[Word]] = field(default_factory=dict[Place, list[Word]])
    wants_help: bool = False


@dataclass(slots=True)
class Done:
    """What has become of a recording, in how much time, and what was warned on the way."""

    outcome: Outcome
    took_s: float
    warnings: list[str] = field(default_factory=list[str])


class Subtitler:
    """Does one recording at a time, with what it has loaded, or helps another to hear one."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._tools: Tools | None = None
        self._ears: Recognizer | None = None
        self._loading = asyncio.Lock()
        self._sharing: Sharing | None = None  # while something is heard
        self._done_ms = 0

    async def subtitle(self, errand: Errand) -> Done | Failure:
        """Write the files of a recording where all machines see them."""
        self._done_ms = 0
        began_s = time.monotonic()
        warnings: list[str] = []
        try:
            if not errand.given.path.exists():
                raise MediaError(
                    f"{errand.given.path} is not there on {socket.gethostname()}; recordings and "
                    "output must be in folders that all machines of the cluster see"
                )
            work = Work(
                errand.given,
                await self._loaded(errand.known),
                errand.audio,
                errand.force,
                errand.from_track,
                self._go_on,
                warnings.append,
            )
            outcome = await work.run()
        except SurtitleError as error:
            return Failure.of(error)
        except Exception as error:  # a fault of ours: it costs this recording
            log.exception("%s", errand.given.path)
            return Failure(SurtitleError, f"{errand.given.path}: {type(error).__name__}: {error}")
        finally:
            self._sharing = None
        outcome.duration_ms = outcome.duration_ms or self._done_ms
        return Done(outcome, time.monotonic() - began_s, warnings)

    async def look(self) -> Look:
        """At the recording that is at work."""
        if self._sharing is None:
            return Look(self._done_ms)
        sharing = self._sharing
        return Look(sharing.done_ms, sharing.fresh(), sharing.wants_help)

    async def help(self, other: Any) -> None:
        """Let another subtitler, by its handle, hear parts of the recording that is at work."""

        async def ask(utterances: list[Utterance], language: str, terms: tuple[str, ...]) -> Words:
            try:
                found = await other.hear.remote(utterances, language, terms)
            except Exception as error:  # of Ray, of many classes
                raise WorkersLost(f"{type(error).__name__}") from error
            if isinstance(found, Failure):
                raise found.raised()
            return found

        if self._sharing is not None:
            self._sharing.help(ask)

    async def hear(
        self, utterances: list[Utterance], language: str, terms: tuple[str, ...]
    ) -> Words | Failure:
        """Parts of a recording that another is at."""
        try:
            async with self._loading:
                if self._ears is None:
                    self._ears = await asyncio.to_thread(self._setup.ears, log.info)
            return [
                await asyncio.to_thread(self._ears.recognize, each, language, terms)
                for each in utterances
            ]
        except SurtitleError as error:
            return Failure.of(error)

    def _go_on(self, done_ms: int) -> None:
        self._done_ms = done_ms
        if self._sharing is not None:
            self._sharing.read(done_ms)

    async def _loaded(self, known: Mapping[Place, list[Word]]) -> Tools:
        """Raises SurtitleError."""
        if self._tools is None:
            ffmpeg = await find_ffmpeg() if self._setup.burns else ""
            self._tools = await asyncio.to_thread(self._setup.tools, ffmpeg, log.info)
            self._ears = self._tools.recognizer
        if self._ears is None:
            return self._tools
        self._sharing = Sharing(self._ears, known)
        return replace(self._tools, hearing=self._sharing.hear)
