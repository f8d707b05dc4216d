"""The recognizer of the tests: it says the words of a script, and does what goes wrong elsewhere.

Word n is said from n times `word_ms` on, whatever the audio sounds like. In `scripted_pool`
everything that is pushed counts as speech, so that silence will do.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from surtitle.pipeline.audio.pcm import SAMPLES_PER_MS, to_ms
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import AudioChunk, Samples, Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess, Recognizer
from surtitle.pipeline.recognizers.pool import RecognizerPool
from surtitle.pipeline.recognizers.vad import Vad

from ..patience import PATIENCE_S

RESAMPLER_MS = 10  # more than a resampler holds back of the last word


class Clock:
    """A time that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Call(NamedTuple):
    utterance: Utterance
    is_draft: bool
    language: str
    terms: tuple[str, ...]


class ScriptedRecognizer:
    """A Recognizer.

    It recognizes while `gate` is set, and fails with `error` where that is set. A call takes
    `work_s` of its `clock`. A draft of it mistakes the last word where it `mishears`. Each of
    `turns` says from when on in ms which language is spoken, and how sure it is of that.
    """

    name = "script"
    uses_terms = False
    cpu_threads = 1
    file_vad = VadConfig()
    live_vad = VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)

    def __init__(
        self,
        script: str | Sequence[str],
        *,
        word_ms: int = 300,
        is_written: bool = False,
        mishears: bool = False,
        language: str = "en",
        clock: Clock | None = None,
        work_s: float = 0.0,
        turns: Sequence[tuple[int, str, float]] = (),
    ) -> None:
        self._turns = turns
        self._script = script.split() if isinstance(script, str) else script
        self._word_ms = word_ms
        self._mishears = mishears
        self._clock = clock
        self._work_s = work_s
        self.languages = frozenset({language, *(spoken for _, spoken, _ in turns)})
        self.guesses: list[Utterance] = []
        self.is_written = is_written
        self.gate = threading.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.calls: list[Call] = []
        self.is_closed = False

    @property
    def drafts(self) -> list[Utterance]:
        return [call.utterance for call in self.calls if call.is_draft]

    @property
    def finals(self) -> list[Utterance]:
        return [call.utterance for call in self.calls if not call.is_draft]

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        self.guesses.append(utterance)
        if self.error is not None:
            raise self.error
        start_ms = to_ms(utterance.start_sample)
        begun = [turn for turn in self._turns if turn[0] <= start_ms + RESAMPLER_MS]
        if not begun:
            return LanguageGuess(next(iter(self.languages)), 1.0)
        _, language, probability = begun[-1]
        return LanguageGuess(language, probability)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        self.calls.append(Call(utterance, is_draft, language, terms))
        assert self.gate.wait(PATIENCE_S), "the test has opened the gate"
        if self._clock is not None:
            self._clock.now_s += self._work_s
        if self.error is not None:
            raise self.error
        start_ms = to_ms(utterance.start_sample)
        end_ms = start_ms + to_ms(utterance.samples.size)
        first, last = (round(time_ms / self._word_ms) for time_ms in (start_ms, end_ms))
        words = [self.word(number) for number in range(first, min(last, len(self._script)))]
        if is_draft and self._mishears and words:
            words[-1] = Word("hm", words[-1].start_ms, words[-1].end_ms, 0.1)
        return words

    def word(self, number: int) -> Word:
        start_ms = number * self._word_ms
        return Word(self._script[number], start_ms, start_ms + self._word_ms, 1.0)

    def close(self) -> None:
        self.is_closed = True


class EverythingIsSpeech:
    """A Judge, which judges while it may."""

    def __init__(self, may_hear: threading.Event) -> None:
        self._may_hear = may_hear

    def push(self, windows: Samples) -> list[float]:
        assert self._may_hear.wait(PATIENCE_S), "the test has let it hear"
        return [1.0] * len(windows)

    def restart(self) -> None: ...


class WordByWord(Vad):
    """Cuts an utterance every `word_ms`, whatever is pushed: each is a word that is certain at
    once, however the audio comes."""

    def __init__(self, config: VadConfig, may_hear: threading.Event, word_ms: int) -> None:
        super().__init__(config, EverythingIsSpeech(may_hear))
        self._may_hear = may_hear
        self._word_samples = word_ms * SAMPLES_PER_MS
        self._wanted = self._word_samples - RESAMPLER_MS * SAMPLES_PER_MS
        self._start_sample = 0
        self._samples = np.zeros(0, np.float32)

    def cut(self, chunk: AudioChunk) -> Iterator[Utterance]:
        assert self._may_hear.wait(PATIENCE_S), "the test has let it hear"
        self._samples = np.concatenate([self._samples, chunk.samples])
        while self._samples.size >= self._wanted:
            yield from self._cut(self._wanted)
            self._wanted = self._word_samples

    def flush(self) -> list[Utterance]:
        return self._cut(self._samples.size) if self._samples.size else []

    @property
    def heard_sample(self) -> int:
        return self._start_sample

    def _cut(self, size: int) -> list[Utterance]:  # type: ignore[override]
        utterance = Utterance(self._start_sample, self._samples[:size])
        self._start_sample += size
        self._samples = self._samples[size:]
        return [utterance]


class Ears:
    """What a pool of the tests listens with: it begins when it may, and hears while it may.

    With `word_ms` each such piece is an utterance, so that there are no drafts."""

    def __init__(self, word_ms: int | None = None) -> None:
        self._word_ms = word_ms
        self.may_start, self.may_hear = threading.Event(), threading.Event()
        self.may_start.set()
        self.may_hear.set()
        self.error: Exception | None = None

    def make_vad(self, config: VadConfig) -> Vad:
        assert self.may_start.wait(PATIENCE_S), "the test has let it start"
        if self.error is not None:
            raise self.error
        if self._word_ms is not None:
            return WordByWord(config, self.may_hear, self._word_ms)
        return Vad(config, EverythingIsSpeech(self.may_hear))


def scripted_pool(recognizer: Recognizer, ears: Ears | None = None) -> RecognizerPool:
    """A pool of one worker, for which all that is pushed is speech, with as many drafts as fit."""
    make_vad = (ears or Ears()).make_vad
    return RecognizerPool([recognizer], make_vad=make_vad, draft_share=1000)


def scripted(script: Sequence[str], say: Callable[[str], None]) -> ScriptedRecognizer:
    """Make a recognizer in a child process."""
    return ScriptedRecognizer(script)


class Fate(NamedTuple):
    """What happens to the first `times` calls of a recognizer in a child process.

    `folder` remembers them from one process to the next.
    """

    happens: str  # "dies", "hangs", "is slow", or the message of an error
    times: int
    folder: Path


def doomed(
    script: str | Sequence[str], fate: Fate, say: Callable[[str], None]
) -> ScriptedRecognizer:
    """Make a recognizer that meets its fate."""
    say("it is made")
    recognizer = ScriptedRecognizer(script)
    recognize = recognizer.recognize

    def meet(utterance: Utterance, language: str, *rest: object, **more: bool) -> list[Word]:
        (fate.folder / f"process-{os.getpid()}").touch()
        if _count(fate.folder, "met") < fate.times:
            (fate.folder / f"met-{_count(fate.folder, 'met')}").touch()
            _happen(fate.happens)
        return recognize(utterance, language)

    recognizer.recognize = meet  # type: ignore[method-assign]
    recognizer.close = (fate.folder / "closed").touch  # type: ignore[method-assign]
    return recognizer


def processes(folder: Path) -> set[int]:
    """Those in which a doomed recognizer has worked."""
    return {int(path.name.partition("-")[2]) for path in folder.glob("process-*")}


def _count(folder: Path, what: str) -> int:
    return len(list(folder.glob(f"{what}-*")))


def _happen(what: str) -> None:
    if what == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "is slow":  # for longer than the quick patience of tests with silence
        return time.sleep(4.5)
    if what == "hangs":
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        raise ValueError(what)
