"""Recognizers, one per file: an utterance in, words out. Each is imported only when it is chosen.

`choice.py` opens one, `child_process.py` puts it into a process of its own, `pool.py` deals out its
time, and `redecoding.py` makes of it a listener for live speech.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple, Protocol

from ..config import AUTO, VadConfig
from ..errors import RecognizerError
from ..events import Hypothesis, Samples, Utterance, Word


class LanguageGuess(NamedTuple):
    """The language that an utterance seems to be spoken in, ISO 639-1, and how likely it is."""

    language: str
    probability: float


class WorkerLost(RecognizerError):
    """A recognizer's process hung or died while it was at work. The next call has a new one."""


class WorkerGone(RecognizerError):
    """A recognizer's process was lost, and none could be started in its place."""


class Superseded(Exception):
    """A draft that waited for its turn is not wanted any more."""


class Recognizer(Protocol):
    """Speech to words. Its methods compute, and are called from one thread at a time.

    Only `close` may be called while another thread is in a call.
    """

    @property
    def name(self) -> str:
        """What listens, for messages: "Whisper small (int8 on CPU)"."""
        ...

    @property
    def languages(self) -> frozenset[str]:
        """The languages that `recognize` accepts, ISO 639-1."""
        ...

    @property
    def is_written(self) -> bool:
        """Whether the words come cased and punctuated, or raw in lower case."""
        ...

    @property
    def uses_terms(self) -> bool:
        """Whether it is helped by names and expressions to expect."""
        ...

    @property
    def cpu_threads(self) -> int:
        """How many threads of the processor a call keeps busy; 0 where a GPU computes."""
        ...

    @property
    def file_vad(self) -> VadConfig:
        """How it likes the utterances of a file to be cut, when nobody waits for each of them."""
        ...

    @property
    def live_vad(self) -> VadConfig:
        """How it likes live speech to be cut, where somebody waits for every word."""
        ...

    def guess_language(self, utterance: Utterance) -> LanguageGuess: ...

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        """Return the words spoken, in media time (ms), in order; none when nothing was said.

        `terms` are names and expressions to expect. A draft may be done in haste: it is thrown away
        a second later. Raises RecognizerError where the recognizer cannot go on, and ValueError for
        a language that is not in `languages`.
        """
        ...

    def close(self) -> None:
        """Give back what the recognizer holds. A call that is running may fail."""
        ...


class Listener(Protocol):
    """One source that is heard live. Everything is called on the event loop, nothing blocks."""

    @property
    def received_ms(self) -> int:
        """How much has been pushed."""
        ...

    @property
    def heard_ms(self) -> int:
        """Up to here everything that was said is in the hypotheses."""
        ...

    @property
    def ahead_ms(self) -> int:
        """How much of what has been pushed waits as it came: whoever pushes bounds it."""
        ...

    def push(self, samples: Samples) -> None:
        """Take the next audio, 16 kHz mono float32 [N]; it is held until it is heard."""
        ...

    def flush(self) -> None:
        """End the open segment as if a pause followed what has been pushed."""
        ...

    def end(self) -> None:
        """Nothing more comes: `hypotheses` ends when all is heard."""
        ...

    async def begin(self) -> None:
        """Make ready to listen; what was pushed before is heard as well. Raises RecognizerError."""
        ...

    def hypotheses(self) -> AsyncGenerator[Hypothesis, None]:
        """What is heard, in order; to be iterated once, after `begin`, and closed.

        Raises RecognizerError.
        """
        ...


class Named(Protocol):
    """What a recognizer and a pool of them tell alike."""

    @property
    def name(self) -> str: ...

    @property
    def languages(self) -> frozenset[str]: ...

    @property
    def uses_terms(self) -> bool: ...


class LiveRecognizer(Named, Protocol):
    """What live sessions share: a pool of recognizers, or one for each language."""

    @property
    def is_written(self) -> bool: ...

    def open_listener(self, language: str, terms: tuple[str, ...]) -> Listener:
        """Begin to listen to a source; `terms` are names and expressions to expect.

        With AUTO the language is found out for each utterance. Raises RecognizerError for a
        language that is not in `languages`, and for AUTO where these are only one.
        """
        ...

    def cost_in(self, language: str) -> float | None:
        """Seconds of work per second of sound, of late; None before the first."""
        ...

    async def aclose(self) -> None: ...


def can_find_language(recognizer: Named) -> bool:
    """Whether it tells languages apart."""
    return len(recognizer.languages) > 1


def check_language(recognizer: Named, language: str) -> None:
    """Raises RecognizerError for a language, or AUTO, that it cannot listen for."""
    if language == AUTO and not can_find_language(recognizer):
        only = ", ".join(recognizer.languages)
        raise RecognizerError(
            f"{recognizer.name} cannot find out the language, as it understands only {only!r}: "
            "name that one, or listen with Whisper: surtitle models fetch base"
        )
    if language not in (AUTO, *recognizer.languages):
        raise RecognizerError(f"{recognizer.name} does not understand {language!r}")


def terms_notices(recognizer: Named, terms: Sequence[object]) -> list[str]:
    """What to tell people who gave terms to a recognizer that cannot use them; else nothing."""
    if not terms or recognizer.uses_terms:
        return []
    return [f"{recognizer.name} cannot listen for the terms; only translations use them"]
