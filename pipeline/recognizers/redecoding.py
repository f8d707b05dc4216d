"""Live speech for recognizers of whole utterances: what is open is decoded again as it grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Protocol

from ..audio.pcm import SAMPLE_RATE_HZ, SAMPLES_PER_MS, to_ms
from ..errors import RecognizerError
from ..events import Hypothesis, Samples, Utterance, Word
from ..text.clauses import ends_sentence
from ..text.languages import language_rules
from . import Superseded, WorkerLost
from .detection import EMPTY, Detection, Open, Over
from .spoken_language import LanguageGuesser, SpokenLanguage
from .stabilizer import Agreement, Stabilizer
from .vad import Vad

DRAFT_STEP_MS = 500  # of new speech, after which a draft is wanted
TRIM_MS = 10_000  # of speech, after which decoding begins at the last certain sentence
SILENCE_REPORT_MS = 500
UTTERANCE_TRIES = 2  # workers that an utterance may cost
MOST_FAILURES = 3  # utterances in a row that are given up; then the session is

NOTHING = Agreement((), ())

log = logging.getLogger(__name__)


class Decoder(LanguageGuesser, Protocol):
    """What a listener asks of the pool: see there."""

    async def recognize(
        self,
        make_utterance: Callable[[], Utterance],
        language: str,
        terms: tuple[str, ...] = (),
        *,
        owner: Hashable,
        is_draft: bool = False,
        tries: int = UTTERANCE_TRIES,
    ) -> list[Word]: ...

    def withdraw(self, owner: Hashable) -> None: ...


class RedecodingListener:
    """One source, decoded by workers that others may use as well.

    1. Voice activity detection hears what is pushed, in pieces, in a thread, however long decoding
       takes.
    2. An utterance that is over is decoded with care; all of that is certain.
    3. An open one is decoded as a draft when DRAFT_STEP_MS of it are new and it is the draft's
       turn; the window is what is open by then. What two decodings in a row agree on is certain.
    4. Of a long utterance leave out the sentences that are certain.

    Where decoding is slow drafts become fewer, and then none: each utterance is decoded once, and
    nothing is left out. What waits is bounded: see Detection.

    An utterance on which a worker fails is given up; after MOST_FAILURES in a row, or where the
    recognizer itself says that it cannot go on, `hypotheses` raises RecognizerError.
    """

    def __init__(
        self,
        decoder: Decoder,
        language: str,
        terms: tuple[str, ...],
        make_vad: Callable[[], Vad],
    ) -> None:
        self._decoder = decoder
        self._spoken = SpokenLanguage(language, decoder, self)
        self._terms = terms
        self._detection = Detection(make_vad)
        self._stabilizer = Stabilizer()
        self._window_sample = 0  # where the next decoding begins, at the earliest
        self._decoded_sample = 0
        self._sentence_ms = 0  # the end of the last certain sentence
        self._reported_ms = 0
        self._lost = 0  # workers, over the open utterance
        self._failures = 0  # utterances in a row

    @property
    def received_ms(self) -> int:
        return to_ms(self._detection.received_samples)

    @property
    def heard_ms(self) -> int:
        return self._reported_ms

    @property
    def ahead_ms(self) -> int:
        return to_ms(self._detection.received_samples - self._detection.taken_samples)

    def push(self, samples: Samples) -> None:
        self._detection.push(samples)

    def flush(self) -> None:
        self._detection.flush()

    def end(self) -> None:
        self._detection.end()

    async def begin(self) -> None:
        await self._detection.begin()

    async def hypotheses(self) -> AsyncGenerator[Hypothesis, None]:
        """See Listener. What is over goes first, then the draft of what is open."""
        detection = self._detection
        detecting = asyncio.create_task(detection.run(lambda: self._decoder.withdraw(self)))
        detecting.add_done_callback(lambda _: detection.news.set())
        try:
            while True:
                detection.news.clear()
                over = detection.take()
                if isinstance(over, Over):
                    yield await self._final(over)  # 2.
                elif over is not None:
                    yield self._report(NOTHING, to_ms(over.at_sample), is_end=True, is_flush=True)
                    if over.is_last:
                        return
                elif detection.open is not None and self._wants_draft(detection.open):
                    draft = await self._draft(detection.open.since)  # 3.
                    if draft is not None:
                        yield draft
                elif self._is_silence_new():
                    heard_ms = to_ms(detection.silent_sample)
                    yield self._report(NOTHING, heard_ms, is_end=True)
                elif detecting.done():
                    detecting.result()  # it ended before the end: it failed
                else:
                    await detection.news.wait()
        finally:
            detecting.cancel()
            await asyncio.wait([detecting])
            if not detecting.cancelled():
                detecting.exception()  # it has been raised, or nobody asks any more

    def _wants_draft(self, is_open: Open) -> bool:
        if is_open.until - is_open.since < self._spoken.needed_samples(is_open.since):
            return False
        known = max(is_open.since, self._window_sample, self._decoded_sample)
        return not self._lost and is_open.until - known >= DRAFT_STEP_MS * SAMPLES_PER_MS

    def _is_silence_new(self) -> bool:
        silent_ms = to_ms(self._detection.silent_sample)
        return self._detection.open is None and silent_ms - self._reported_ms >= SILENCE_REPORT_MS

    async def _draft(self, since: int) -> Hypothesis | None:
        """Decode what is open, from `since`, at its turn; None where that comes to nothing."""
        window, words = EMPTY, list[Word]()

        def newest() -> Utterance:
            nonlocal window
            window = self._detection.window(since, self._window_sample)
            return window

        try:
            if await self._spoken.find(
                since, lambda: self._detection.window(since, since), is_draft=True, tries=1
            ):
                words = await self._decoder.recognize(
                    newest, self._spoken.language, self._terms, owner=self, is_draft=True, tries=1
                )
        except Superseded:
            return None
        except Exception as error:
            self._lost += 1  # its end is tried once more
            if isinstance(error, RecognizerError) and not isinstance(error, WorkerLost):
                raise
            log.warning("a draft could not be recognized: %s", error, exc_info=_trace(error))
            return None
        if not window.samples.size:  # it ended before its turn, as is told in a moment
            await self._detection.news.wait()
            return None
        since_ms = to_ms(window.start_sample)
        agreement = self._stabilizer.push(words, since_ms=since_ms, is_end=False)
        self._window_sample = max(self._window_sample, window.start_sample)
        self._decoded_sample = window.start_sample + window.samples.size
        self._find_sentence(agreement)
        if to_ms(window.samples.size) > TRIM_MS:  # 4.
            sentence_sample = self._sentence_ms * SAMPLES_PER_MS
            self._window_sample = max(self._window_sample, sentence_sample)
        return self._report(agreement, to_ms(self._decoded_sample), is_end=False)

    def _find_sentence(self, agreement: Agreement) -> None:
        """Remember where the last certain sentence ends: in the middle of the pause after it."""
        rules = language_rules(self._spoken.language)
        words = [*agreement.committed, *agreement.tail[:1], None]
        for word, after in zip(agreement.committed, words[1:], strict=False):
            if ends_sentence(word.text, after.text if after else None, rules):
                self._sentence_ms = (word.end_ms + after.start_ms) // 2 if after else word.end_ms

    async def _final(self, over: Over) -> Hypothesis:
        """What is left of an utterance, which a split may have made shorter than it was heard."""
        start = max(self._window_sample, over.utterance.start_sample)
        samples = over.utterance.samples[start - over.utterance.start_sample :]
        words = await self._recognize_final(Utterance(start, samples), over.utterance)
        agreement = self._stabilizer.push(words, since_ms=to_ms(start), is_end=True)
        self._window_sample = self._decoded_sample = start + samples.size
        return self._report(agreement, to_ms(self._window_sample), is_end=over.is_end)

    async def _recognize_final(self, rest: Utterance, whole: Utterance) -> list[Word]:
        """The words of what is left of an utterance; none where it has to be given up.

        Raises RecognizerError.
        """
        tries, self._lost = max(1, UTTERANCE_TRIES - self._lost), 0
        try:
            await self._spoken.find(whole.start_sample, lambda: whole, is_draft=False, tries=tries)
            words = await self._decoder.recognize(
                lambda: rest, self._spoken.language, self._terms, owner=self, tries=tries
            )
        except Exception as error:
            if isinstance(error, RecognizerError) and not isinstance(error, WorkerLost):
                raise
            self._failures += 1
            log.error(
                "%.1f s of speech could not be recognized and are left out: %s",
                rest.samples.size / SAMPLE_RATE_HZ,
                error,
                exc_info=_trace(error),
            )
            if self._failures == MOST_FAILURES:
                raise RecognizerError(
                    f"recognition has failed {MOST_FAILURES} times in a row; see the log"
                ) from error
            return []
        self._failures = 0
        return words

    def _report(
        self, agreement: Agreement, heard_ms: int, *, is_end: bool, is_flush: bool = False
    ) -> Hypothesis:
        self._reported_ms = max(self._reported_ms, heard_ms)
        return Hypothesis(
            agreement.committed,
            agreement.tail,
            self._reported_ms,
            is_end,
            is_flush,
            self._spoken.found,
        )


def _trace(error: Exception) -> Exception | None:
    """The error where its sentence does not say enough."""
    return None if isinstance(error, WorkerLost) else error
