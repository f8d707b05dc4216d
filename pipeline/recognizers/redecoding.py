"""Whisper heard live: what is being spoken is decoded again and again, as it grows."""

from __future__ import annotations

from collections.abc import Callable

from ..audio.pcm import SAMPLES_PER_MS, to_ms
from ..config import VadConfig
from ..events import AudioChunk, Hypothesis, Utterance, Word
from ..text.clauses import ends_sentence
from ..text.languages import language_rules
from .stabilizer import Agreement, Stabilizer
from .vad import Vad, in_windows

STEP_MS = 1000  # of new speech, after which it is decoded again
TRIM_MS = 10_000  # of speech, after which decoding begins at the last certain sentence
SILENCE_REPORT_MS = 500

Transcribe = Callable[[Utterance, bool], list[Word]]  # with True: in haste, for a draft


class WhisperStream:
    """One source, decoded by a model that others may use as well.

    A push that brings much audio, since the last one took long, leads to one decoding of it all:
    where the model is slow the drafts become fewer, and not late.

    1. Decode the open utterance when `STEP_MS` of speech are new.
    2. What two decodings in a row agree on is certain.
    3. When the utterance is over, decode it once more with care; all of that is certain.
    4. Of a long utterance leave out the sentences that are certain.
    """

    def __init__(self, transcribe: Transcribe, language: str, vad: VadConfig) -> None:
        self._transcribe = transcribe
        self._rules = language_rules(language)
        self._vad = Vad(vad)
        self._stabilizer = Stabilizer()
        self._window_sample = 0  # where the next decoding begins, at the earliest
        self._decoded_sample = 0
        self._sentence_ms = 0  # the end of the last certain sentence
        self._reported_ms = 0

    def push(self, chunk: AudioChunk) -> list[Hypothesis]:
        hypotheses = [
            self._end(utterance)  # 3.
            for piece in in_windows(chunk)
            for utterance in self._vad.push(piece)
        ]
        since = self._vad.speaking_since
        if since is None:
            heard_ms = to_ms(self._vad.heard_sample)
            if heard_ms - self._reported_ms >= SILENCE_REPORT_MS:
                hypotheses.append(self._report(Agreement((), ()), heard_ms, is_end=True))
            return hypotheses
        start = self._window_sample = max(self._window_sample, since)
        samples = self._vad.spoken(start)
        if start + samples.size - max(start, self._decoded_sample) >= STEP_MS * SAMPLES_PER_MS:
            hypotheses.append(self._draft(Utterance(start, samples)))
        return hypotheses

    def flush(self) -> list[Hypothesis]:
        heard_ms = to_ms(self._vad.heard_sample)
        return [self._end(utterance) for utterance in self._vad.flush()] or [
            self._report(Agreement((), ()), heard_ms, is_end=True)
        ]

    def close(self) -> None:
        pass  # the model is not its own

    def _draft(self, window: Utterance) -> Hypothesis:
        words = self._transcribe(window, True)  # 1.
        since_ms = to_ms(window.start_sample)
        agreement = self._stabilizer.push(words, since_ms=since_ms, is_end=False)  # 2.
        self._decoded_sample = window.start_sample + window.samples.size
        self._find_sentence(agreement)
        if to_ms(window.samples.size) > TRIM_MS:  # 4.
            sentence_sample = self._sentence_ms * SAMPLES_PER_MS
            self._window_sample = max(self._window_sample, sentence_sample)
        return self._report(agreement, to_ms(self._decoded_sample), is_end=False)

    def _find_sentence(self, agreement: Agreement) -> None:
        """Remember where the last certain sentence ends: in the middle of the pause after it."""
        words = [*agreement.committed, *agreement.tail[:1], None]
        for word, after in zip(agreement.committed, words[1:], strict=False):
            if ends_sentence(word.text, after.text if after else None, self._rules):
                self._sentence_ms = (word.end_ms + after.start_ms) // 2 if after else word.end_ms

    def _end(self, utterance: Utterance) -> Hypothesis:
        """What is left of an utterance, which a split may have made shorter than it was heard."""
        start = max(self._window_sample, utterance.start_sample)
        samples = utterance.samples[start - utterance.start_sample :]
        words = self._transcribe(Utterance(start, samples), False)
        agreement = self._stabilizer.push(words, since_ms=to_ms(start), is_end=True)
        self._window_sample = self._decoded_sample = start + samples.size
        is_end = self._vad.speaking_since is None
        return self._report(agreement, to_ms(self._window_sample), is_end=is_end)

    def _report(self, agreement: Agreement, heard_ms: int, *, is_end: bool) -> Hypothesis:
        self._reported_ms = max(self._reported_ms, heard_ms)
        return Hypothesis(agreement.committed, agreement.tail, self._reported_ms, is_end)
