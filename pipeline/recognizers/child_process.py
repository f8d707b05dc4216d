"""A recognizer in a process of its own.

A native library that crashes, hangs or holds Python's lock then costs an utterance, and not the
server. While it works, the process gives signs of life, so that one that is slow is not taken for
one that hangs. It hears no signals: when they end the parent, it is to recognize the last words.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import signal
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from ..audio.pcm import SAMPLE_RATE_HZ
from ..errors import RecognizerError
from ..events import Utterance, Word
from . import LanguageGuess, WorkerGone, WorkerLost
from .child_work import SIGNALS, AtWork, Elsewhere, Failure, Make, Question, Say, Traits, serve
from .cost import Cost

DISMISS_S = 2.0  # for an idle process to end by itself
STARTS = 2  # a process that ends twice while it starts cannot be replaced

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a process may take before it counts as hung.

    Without a sign of life `silence_s`. With them, `answer_s` for a call, and `times` what sound of
    its length has cost so far. To start again: `start_s`. The first start may fetch weights, and is
    not limited.
    """

    silence_s: float = 5.0
    answer_s: float = 60.0
    times: float = 10.0  # other temperatures, and a machine that others use as well
    start_s: float = 120.0

    def for_call(self, expected_s: float | None) -> float:
        return self.answer_s + self.times * (expected_s or 0.0)


class ChildProcessRecognizer(Elsewhere):
    """The recognizer that `make` makes, in a child process.

    `make` must be picklable; what it says while the first process starts is passed on to `say`. A
    process that has died, or is ended as it hangs, makes the call fail with WorkerLost; the next
    call starts a new one, or fails with WorkerGone. Raises RecognizerError where `make` does.
    """

    def __init__(self, make: Make, say: Say, patience: Patience | None = None) -> None:
        self._make = make
        self._patience = patience or Patience()
        self._cost = Cost()
        self._in_call = threading.Lock()
        self._child: _Child | None = None
        self._is_closed = False
        # Else multiprocessing would wait at the end for a process that hears no signal.
        atexit.register(self.close)
        try:
            self._traits = self._start(say, None)
        except WorkerLost as error:
            self.close()
            raise RecognizerError(f"{error} while it started") from error
        except BaseException:
            self.close()
            raise

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return self._call(Question("guess_language", utterance))

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        return self._call(Question("recognize", utterance, (language, terms), is_draft))

    def close(self) -> None:
        """End the process, in order where it is idle; a call that is running fails."""
        self._is_closed = True
        is_idle = self._in_call.acquire(blocking=False)
        child = self._child
        if child is not None:
            if is_idle:
                child.dismiss()
            else:
                child.kill()
        if not is_idle:
            self._in_call.acquire()
        self._drop_child()
        self._in_call.release()
        atexit.unregister(self.close)

    def _call(self, question: Question) -> Any:
        with self._in_call:
            child = self._running_child()
            sound_s = question.utterance.samples.size / SAMPLE_RATE_HZ
            began_s = time.monotonic()
            try:
                limit_s = self._patience.for_call(self._cost.expected_s(sound_s))
                with child.within(limit_s, self._patience.silence_s):
                    child.send(question)
                    answer = child.receive()
            except WorkerLost:
                self._drop_child()
                raise
            if question.method == "recognize":  # a guess takes less, and tells nothing about it
                self._cost.add(sound_s, time.monotonic() - began_s)
        if isinstance(answer, Failure):
            raise (RecognizerError if answer.is_ours else RuntimeError)(answer.message)
        return answer

    def _running_child(self) -> _Child:
        """The process, or a new one where it is gone. Raises RecognizerError, and WorkerGone."""
        if self._child is not None and self._child.is_alive:
            return self._child
        self._drop_child()
        for _ in range(STARTS):
            try:
                self._start(lambda line: None, self._patience.start_s)
            except WorkerLost as error:
                self._drop_child()
                log.warning("%s while it started again", error)
            else:
                assert self._child is not None, "it has just been started"
                log.info("the process of %s has been replaced", self.name)
                return self._child
        raise WorkerGone(f"{self.name} cannot be started again; see the log")

    def _start(self, say: Say, timeout_s: float | None) -> Traits:
        """Raises RecognizerError; WorkerLost where the process ends or takes too long."""
        self._child = child = _Child(self._make)
        if self._is_closed:  # meanwhile, by another thread
            child.kill()
            raise RecognizerError("the recognizer is closed")
        with child.within(timeout_s, timeout_s):
            while isinstance(answer := child.receive(), str):
                say(answer)
        if isinstance(answer, Failure):
            raise RecognizerError(answer.message)
        assert isinstance(answer, Traits), "a process tells its traits when it is ready"
        return answer

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class _Child:
    """A process and our end of its pipe."""

    def __init__(self, make: Make) -> None:
        context = multiprocessing.get_context("spawn")  # forking a process with threads is unsafe
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(make, theirs), name="recognizer", daemon=True
        )
        self._reason = "has died"
        self._heard_s = 0.0  # when it gave the last sign of life
        with _signals_held_back():  # the process is born with this, and ignores them from then on
            self._process.start()
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def send(self, question: Question) -> None:
        try:
            self._pipe.send(question)
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> Any:
        try:
            while isinstance(answer := self._pipe.recv(), AtWork):
                self._heard_s = time.monotonic()
            return answer
        except (EOFError, OSError) as error:
            raise self._lost() from error

    @contextmanager
    def within(self, limit_s: float | None, silence_s: float | None) -> Generator[None, None, None]:
        """End the process where what is done here takes longer, even a send can block; or where it
        gives no sign of life for `silence_s`."""
        if limit_s is None or silence_s is None:
            yield
            return
        is_done = threading.Event()
        self._heard_s = time.monotonic()
        threading.Thread(
            target=self._watch, args=(limit_s, silence_s, is_done), daemon=True
        ).start()
        try:
            yield
        finally:
            is_done.set()

    def _watch(self, limit_s: float, silence_s: float, is_done: threading.Event) -> None:
        late_s = time.monotonic() + limit_s
        while not is_done.wait(max(0.0, min(late_s, self._heard_s + silence_s) - time.monotonic())):
            now_s = time.monotonic()
            if now_s >= late_s or now_s >= self._heard_s + silence_s:
                self._reason = "did not answer in time" if now_s >= late_s else "hangs"
                return self.kill()

    def dismiss(self) -> None:
        """Let an idle process end by itself: it gives back what would outlive it."""
        self._pipe.close()
        self._process.join(DISMISS_S)

    def kill(self) -> None:
        with suppress(ValueError):  # it is closed
            self._process.kill()

    def end(self) -> None:
        self.kill()
        self._process.join()
        self._process.close()
        self._pipe.close()

    def _lost(self) -> WorkerLost:
        return WorkerLost(f"the recognizer's process {self._reason}")


@contextmanager
def _signals_held_back() -> Generator[None, None, None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows: there is no such moment
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
