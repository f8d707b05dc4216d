"""PocketSphinx with the US English model of its wheel: the recognizer that is always there.

It writes lower case without punctuation, and on silence or music it invents words: give it what
voice activity detection found. Word error rates: 1 to 11 % on clear synthetic voices, 18 to 45 % on
human speech; live, a few points more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol, cast

import pocketsphinx  # pyright: ignore[reportMissingTypeStubs]

from ..audio.pcm import to_ms, to_s16
from ..config import VadConfig
from ..errors import RecognizerError
from ..events import AudioChunk, Hypothesis, Samples, Utterance, Word
from . import LanguageGuess
from .child_process import ChildProcessStream
from .stabilizer import Stabilizer
from .vad import Vad, in_windows

REPORT_MS = 300  # of new audio, after which a stream tells what it has heard
# In a row, after which a word is certain. Word errors of two recordings, and how long after its
# end half of the words are certain: 2: 6.4 %, 0.5 s; 3: 5.4, 0.8; 4: 4.3, 1.0; 5: 3.7, 1.3. When
# words are certain only at the end of an utterance, 2.3 %.
AGREEING_HYPOTHESES = 4
STEP_MS = 10  # PocketSphinx counts time in steps of 10 ms (its option "frate" is 100 per second)


class _Segment(Protocol):
    """What pocketsphinx.Segment offers; its end is inclusive, its probability may exceed 1."""

    word: str
    start_frame: int
    end_frame: int
    prob: float


class _Decoder(Protocol):
    def start_utt(self) -> None: ...
    def process_raw(self, data: bytes, no_search: bool, full_utt: bool) -> int: ...
    def end_utt(self) -> None: ...
    def seg(self) -> Iterable[_Segment] | None: ...


class SphinxRecognizer:
    def __init__(self) -> None:
        self._decoder = _make_decoder()

    @property
    def name(self) -> str:
        return "PocketSphinx (English)"

    @property
    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    @property
    def is_written(self) -> bool:
        return False

    @property
    def uses_terms(self) -> bool:
        # Its language model does not know how probable a new word is, and nothing here can tell
        # how it is pronounced.
        return False

    @property
    def file_vad(self) -> VadConfig:
        # Short utterances suit it. Word errors over 16 human clips, by silence and padding (ms):
        # 300 and 150: 24.8 %; 500 and 200: 26.1; 600 and 300: 28.7; 1000 and 300: 29.9.
        return VadConfig(min_silence_ms=300, speech_pad_ms=150)

    @property
    def live_vad(self) -> VadConfig:
        return VadConfig(min_silence_ms=300, speech_pad_ms=150, max_utterance_ms=15_000)

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("en", 1.0)  # it knows no other

    def recognize(self, utterance: Utterance, language: str) -> list[Word]:
        """Return the words of an English utterance; ValueError for another language."""
        if language not in self.languages:
            raise ValueError(f"PocketSphinx understands only 'en', got {language!r}")
        if not utterance.samples.size:
            return []
        self._decoder.start_utt()
        # NOTE: the whole utterance at once: levels are then normalized over all of it, and not by
        # what was heard before, which costs words at its beginning.
        self._decoder.process_raw(to_s16(utterance.samples).tobytes(), False, True)
        self._decoder.end_utt()
        return words_from_segments(self._decoder.seg() or (), utterance.start_sample)

    def open_stream(self, language: str, terms: tuple[str, ...]) -> ChildProcessStream:
        """Begin to listen live, in a process with a decoder of its own: 0.3 s to begin, 190 MB,
        and while somebody speaks a fifth to a half of a CPU core.
        """
        if language not in self.languages:
            raise RecognizerError(f"PocketSphinx understands only 'en', got {language!r}")
        return ChildProcessStream(partial(SphinxStream, self.live_vad))


class SphinxStream:
    """A decoder that hears the speech while it is being spoken.

    Levels are normalized by what was heard before, also in earlier utterances: the decoder carries
    their mean along (word errors of a recording: 0.7 %; begun anew for each utterance: 11 %).
    """

    def __init__(self, vad: VadConfig) -> None:
        self._decoder = _make_decoder()
        self._vad = Vad(vad)
        self._stabilizer = Stabilizer(AGREEING_HYPOTHESES)
        self._start_sample: int | None = None  # of the utterance that the decoder hears
        self._next_sample = 0  # what it has not been given
        self._heard_ms = 0
        self._reported_ms = 0

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        hypotheses: list[Hypothesis] = []
        for piece in in_windows(chunk):
            utterances = self._vad.push(piece)
            self._heard_ms = to_ms(self._vad.heard_sample)
            hypotheses += [self._end(utterance) for utterance in utterances]
            since = self._vad.speaking_since
            if since is not None:
                self._hear(since)
            if self._heard_ms - self._reported_ms >= REPORT_MS:
                hypotheses.append(self._report())
        return hypotheses

    def flush(self) -> list[Hypothesis]:
        return [self._end(utterance) for utterance in self._vad.flush()] or [self._report()]

    def close(self) -> None:
        pass  # nothing but memory

    def _hear(self, since: int) -> None:
        """Give the decoder what is new of the utterance that began at `since`."""
        if self._start_sample is None:
            self._begin(since)
        self._give(self._vad.spoken(self._next_sample))

    def _begin(self, start_sample: int) -> None:
        self._decoder.start_utt()
        self._start_sample = self._next_sample = start_sample

    def _give(self, samples: Samples) -> None:
        if samples.size:
            self._decoder.process_raw(to_s16(samples).tobytes(), False, False)
            self._next_sample += samples.size

    def _report(self) -> Hypothesis:
        """What is heard now of the open utterance; nothing new where there is none."""
        if self._start_sample is None:
            return self._hypothesis((), (), is_end=True)
        words = words_from_segments(self._decoder.seg() or (), self._start_sample)
        agreement = self._stabilizer.push(words, since_ms=to_ms(self._start_sample), is_end=False)
        return self._hypothesis(*agreement, is_end=False)

    def _end(self, utterance: Utterance) -> Hypothesis:
        """All of an utterance. Of one that was split the decoder has heard too much."""
        if self._start_sample is None:
            self._begin(utterance.start_sample)
        self._give(utterance.samples[self._next_sample - utterance.start_sample :])
        self._decoder.end_utt()
        self._start_sample = None
        end_ms = to_ms(utterance.start_sample + utterance.samples.size)
        self._heard_ms = max(self._heard_ms, end_ms)
        words = words_from_segments(self._decoder.seg() or (), utterance.start_sample)
        words = [word for word in words if word.start_ms + word.end_ms < 2 * end_ms]
        since_ms = to_ms(utterance.start_sample)
        committed, tail = self._stabilizer.push(words, since_ms=since_ms, is_end=True)
        return self._hypothesis(committed, tail, is_end=self._vad.speaking_since is None)

    def _hypothesis(
        self, committed: tuple[Word, ...], tail: tuple[Word, ...], *, is_end: bool
    ) -> Hypothesis:
        self._reported_ms = self._heard_ms
        return Hypothesis(committed, tail, self._heard_ms, is_end)


def _make_decoder() -> _Decoder:
    make = cast(
        Callable[..., _Decoder],
        pocketsphinx.Decoder,  # pyright: ignore[reportUnknownMemberType]
    )
    try:
        return make(loglevel="FATAL")  # without paths: the wheel's model
    except (RuntimeError, ValueError) as error:
        raise RecognizerError(
            "PocketSphinx cannot load its English model; reinstall it: "
            "pip install --force-reinstall pocketsphinx"
        ) from error


def words_from_segments(segments: Iterable[_Segment], start_sample: int) -> list[Word]:
    """Words in media time, without silences "<sil>", noises "[NOISE]" and variants "and(2)"."""
    start_ms = to_ms(start_sample)
    return [
        Word(
            text=re.sub(r"\(\d+\)$", "", segment.word),
            start_ms=start_ms + segment.start_frame * STEP_MS,
            end_ms=start_ms + (segment.end_frame + 1) * STEP_MS,
            confidence=min(max(segment.prob, 0.0), 1.0),
        )
        for segment in segments
        if not segment.word.startswith(("<", "[", "+"))
    ]
