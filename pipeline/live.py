"""One listening session: audio in, captions out. The place where the live stages are wired."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import zip_longest

from .captions.track import CaptionTrack, SourceTrack
from .config import AUTO, LiveConfig, SegmenterConfig
from .errors import DraftWithheld, TranslatorAway
from .events import Caption, Hypothesis, Samples, SourceSegment, Status, Word
from .recognizers import LiveRecognizer
from .speakers.following import VoiceFollower
from .text.segmenter import Segmenter
from .text.written_form import is_parted, written_segment
from .translators.queue import Priority, Superseded, TranslationQueue
from .translators.reach import Reach

SLOW_MS = 20_000  # more than an utterance, which may be heard only when it is over

AWAY = "the translator is away; captions stay untranslated until it is back"

log = logging.getLogger(__name__)


class Session:
    """From audio of one speaker to captions of the source and of every target language.

    `publish` hears the captions, on the event loop. Whoever pushes audio bounds the `ahead_ms` of
    `listener`, and lets `run` return with its `end`.
    """

    def __init__(
        self,
        session_id: str,
        config: LiveConfig,
        recognizer: LiveRecognizer,
        translations: TranslationQueue,
        publish: Callable[[Caption], None],
    ) -> None:
        """Raises RecognizerError or TranslatorError for a language that is not known."""
        terms = tuple(term.source for term in config.terms)
        self.listener = recognizer.open_listener(config.source, terms)
        self._reach = Reach(translations, config.targets)
        self._reach.check(recognizer.languages if config.source == AUTO else {config.source})
        self._session_id = session_id
        self._config = config
        self._recognizer = recognizer
        self._translations = translations
        self._publish = publish
        self._segmenter = Segmenter(
            SegmenterConfig(), config.source, is_written=recognizer.is_written, is_live=True
        )
        self._source_track = SourceTrack(config.mode)
        self._tracks = [self._track(target) for target in config.targets]
        self._last_word: Word | None = None  # of the last final segment
        self._begun = asyncio.Event()
        self._dropped_drafts = 0
        self.word_count = 0  # that are certain
        self.withheld_drafts = 0  # that changed what must not change
        self._translator_is_away = False
        self._voices = VoiceFollower() if config.speakers else None

    def push(self, samples: Samples) -> None:
        """The next audio, 16 kHz mono."""
        self.listener.push(samples)
        if self._voices is not None:
            self._voices.hear(samples)

    def translate_into(self, targets: Sequence[str]) -> None:
        """Into these languages from now on; what is asked for already is still shown."""
        tracks = {track.language: track for track in self._tracks}
        self._tracks = [tracks.get(target) or self._track(target) for target in targets]
        self._reach = Reach(self._translations, targets)

    def _track(self, target: str) -> CaptionTrack:
        return CaptionTrack(
            target, self._config.mode, self._config.terms, is_written=self._recognizer.is_written
        )

    def status(self) -> Status:
        oldest_ms = self._translations.oldest_heard_ms(self._session_id)
        heard_ms, received_ms = self.listener.heard_ms, self.listener.received_ms
        captioned_ms = heard_ms if oldest_ms is None else min(oldest_ms, heard_ms)
        return Status(
            lag_ms=max(0, received_ms - captioned_ms),
            queued=self._translations.queued(self._session_id),
            dropped_drafts=self._dropped_drafts,
            heard_ms=heard_ms,
            term_hits=sum(track.term_hits for track in self._tracks),
            notice=self._notice(received_ms - heard_ms),
        )

    def _notice(self, behind_ms: int) -> str:
        language = self._segmenter.language
        slow = slow_notice(behind_ms, self._recognizer.cost_in(language))
        away = AWAY if self._translator_is_away else ""
        return slow or away or self._reach.notice(language)

    async def begun(self) -> None:
        """Wait until somebody listens, or `run` has failed to make that so."""
        await self._begun.wait()

    async def run(self) -> None:
        """Listen to the end; the session's one task, from which those of its translations come.

        Raises RecognizerError, or whatever else has ended the session.
        """
        try:
            async with asyncio.TaskGroup() as self._tasks:
                await self._hear_all()
        except ExceptionGroup as errors:  # the first has cancelled the rest
            raise errors.exceptions[0] from None

    async def _hear_all(self) -> None:
        try:
            await self.listener.begin()
        finally:
            self._begun.set()
        async with aclosing(self.listener.hypotheses()) as hypotheses:
            async for hypothesis in hypotheses:
                await self._hear(hypothesis)

    async def _hear(self, hypothesis: Hypothesis) -> None:
        if hypothesis.language not in (None, self._segmenter.language):
            await self._switch(hypothesis.language)
        self.word_count += len(hypothesis.committed)
        closed = self._segmenter.push(hypothesis.committed)
        if not hypothesis.tail:
            closed += self._segmenter.close_in_silence(hypothesis.heard_ms)
        if hypothesis.is_flush:
            closed += self._segmenter.flush()
        await self._close(closed)
        draft = self._segmenter.draft(hypothesis.tail)
        if draft is not None:
            self._show_source(draft, len(self._segmenter.open_words), ends=False)
            self._translate(draft)

    async def _switch(self, language: str) -> None:
        """What comes is in another language than what came: no segment is in both."""
        await self._close(self._segmenter.flush())
        withdrawn = self._segmenter.withdraw()
        if withdrawn is not None:
            for track in (self._source_track, *self._tracks):
                self._publish(track.withdraw(withdrawn))
        self._segmenter.switch(language)

    async def _close(self, segments: list[SourceSegment]) -> None:
        if segments and self._voices is not None:
            segments = await self._named(segments, self._voices)
        firsts = [*(segment.words[0] for segment in segments), *self._segmenter.open_words[:1]]
        for segment, following in zip_longest(segments, firsts[1:]):
            ends = following is None or is_parted(segment.words[-1], following)
            self._show_source(segment, len(segment.words), ends=ends)
            self._last_word = segment.words[-1]
            self._translate(segment)

    async def _named(
        self, segments: list[SourceSegment], voices: VoiceFollower
    ) -> list[SourceSegment]:
        """The segments with their speakers: a final waits for that 0.01 s per second of speech."""
        sounds = [voices.sound(one.start_ms, one.end_ms) for one in segments]
        numbers = await asyncio.to_thread(voices.numbers, sounds)
        return [replace(one, speaker=n) for one, n in zip(segments, numbers, strict=True)]

    def _show_source(self, segment: SourceSegment, committed_words: int, *, ends: bool) -> None:
        last = self._last_word
        shown = segment
        if not self._recognizer.is_written:
            begins = last is None or is_parted(last, segment.words[0])
            shown = written_segment(segment, segment.language, begins=begins, ends=ends)
        caption = self._source_track.apply(shown, committed_words)
        if caption is not None:
            self._publish(caption)

    def _translate(self, segment: SourceSegment) -> None:
        """One task for each language; a newer revision may take its place in the queue.

        What is spoken in a target language needs none: its one caption is there already.
        """
        for track in self._tracks:
            if track.language == segment.language or not track.wants(segment):
                continue
            if not self._reach.reaches(segment.language, track.language):
                shown = track.give_up(segment)
                if shown is not None:
                    self._publish(shown)
            else:
                self._tasks.create_task(self._caption(track, segment, self.listener.heard_ms))

    async def _caption(self, track: CaptionTrack, segment: SourceSegment, heard_ms: int) -> None:
        """Translate a revision and show it. Whatever goes wrong with it concerns no other."""
        key = (self._session_id, track.language, segment.segment_id)
        try:
            translation = await self._translations.translate(
                lambda: replace(track.request(segment), key=key),
                key=key,
                priority=Priority.FINAL if segment.is_final else Priority.DRAFT,
                owner=self._session_id,
                heard_ms=heard_ms,
            )
            caption = track.apply(segment, translation)
            self._translator_is_away = False
        except Superseded:
            self._dropped_drafts += 1
            return
        except DraftWithheld:
            self.withheld_drafts += 1
            return  # what is shown stays
        except TranslatorAway:  # which the log knows
            self._translator_is_away = True
            caption = track.give_up(segment)
        except Exception:
            log.exception("a translation failed", extra={"session": self._session_id})
            caption = track.give_up(segment)
        if caption is not None:
            self._publish(caption)


def slow_notice(behind_ms: int, cost: float | None) -> str:
    """What to tell people where recognition does not keep up; `cost`: seconds of work per second
    of speech."""
    if behind_ms < SLOW_MS:
        return ""
    why = "" if cost is None else f", where a second of speech takes {cost:.1f} s"
    return f"recognition is {behind_ms // 1000} s behind the speaker on this machine{why}"
