"""What a recognizer's process does: it answers questions, and gives signs of life meanwhile."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

from ..config import VadConfig
from ..errors import RecognizerError
from ..events import Utterance, Word
from . import LanguageGuess, Recognizer

Say = Callable[[str], None]
Make = Callable[[Say], Recognizer]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEAT_S = 0.5  # between two signs of life


@dataclass(frozen=True, slots=True)
class Traits:
    """What a recognizer says of itself, and that it is ready."""

    name: str
    languages: frozenset[str]
    is_written: bool
    uses_terms: bool
    cpu_threads: int
    file_vad: VadConfig
    live_vad: VadConfig

    @classmethod
    def of(cls, recognizer: Recognizer) -> Traits:
        return cls(
            recognizer.name,
            recognizer.languages,
            recognizer.is_written,
            recognizer.uses_terms,
            recognizer.cpu_threads,
            recognizer.file_vad,
            recognizer.live_vad,
        )


class Elsewhere:
    """What a recognizer that works in another process says of itself: what that one has told."""

    _traits: Traits

    @property
    def name(self) -> str:
        return self._traits.name

    @property
    def languages(self) -> frozenset[str]:
        return self._traits.languages

    @property
    def is_written(self) -> bool:
        return self._traits.is_written

    @property
    def uses_terms(self) -> bool:
        return self._traits.uses_terms

    @property
    def cpu_threads(self) -> int:
        return self._traits.cpu_threads

    @property
    def file_vad(self) -> VadConfig:
        return self._traits.file_vad

    @property
    def live_vad(self) -> VadConfig:
        return self._traits.live_vad


@dataclass(frozen=True, slots=True)
class Question:
    method: Literal["recognize", "guess_language"]
    utterance: Utterance
    arguments: tuple[Any, ...] = ()
    is_draft: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """An error, as text: not every error can travel."""

    message: str
    is_ours: bool  # RecognizerError, else any


class AtWork:
    """A sign of life."""


def serve(make: Make, pipe: Connection) -> None:
    """The process: answer questions until the parent closes the pipe or is gone."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent is done
        recognizer = _made(make, pipe)
        try:
            while recognizer is not None:
                question = pipe.recv()
                with _signs_of_life(pipe):
                    answer = _answer(recognizer, question)
                pipe.send(answer)
        finally:
            if recognizer is not None:
                recognizer.close()


@contextmanager
def _signs_of_life(pipe: Connection) -> Generator[None, None, None]:
    """Send one now and then, until what is done here is done."""
    is_done = threading.Event()

    def beat() -> None:
        with suppress(OSError):  # the parent is done
            while not is_done.wait(BEAT_S):
                pipe.send(AtWork())

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield
    finally:
        is_done.set()
        beating.join()


def _made(make: Make, pipe: Connection) -> Recognizer | None:
    """Make the recognizer and tell its traits, or why there is none."""
    try:
        recognizer = make(pipe.send)
        traits = Traits.of(recognizer)
    except Exception as error:
        pipe.send(_failure(error))
        return None
    pipe.send(traits)
    return recognizer


def _answer(recognizer: Recognizer, question: Question) -> list[Word] | LanguageGuess | Failure:
    try:
        if question.method == "guess_language":
            return recognizer.guess_language(question.utterance)
        return recognizer.recognize(
            question.utterance, *question.arguments, is_draft=question.is_draft
        )
    except Exception as error:
        return _failure(error)


def _failure(error: Exception) -> Failure:
    if isinstance(error, RecognizerError):
        return Failure(str(error), is_ours=True)
    return Failure("".join(traceback.format_exception(error)), is_ours=False)


def _end_with_parent() -> None:
    """End at once when the parent is gone, also in the middle of a call."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
