"""A recording in, its transcript out: the stages of live captions, without a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from .audio.container import AudioChoice, Recording, Warn
from .config import BatchConfig
from .errors import TranslatorError
from .events import SourceSegment, TranslationRequest
from .listening import Hearing, Progress, listen
from .recognizers import Recognizer
from .text.glossary import required
from .translators.queue import TranslationQueue

BATCH_SEGMENTS = 32  # that are translated together, into all target languages
BATCHES_AT_ONCE = 2  # on their way through the translator; where it is slower, recognition waits
CONTEXT_SEGMENTS = 3  # before a segment, that tell what it is about


@dataclass(slots=True)
class Transcript:
    """What was said, and its translations: one text per segment and target language.

    A target that no translator reaches has none, nor has the language that is spoken.
    """

    language: str
    segments: list[SourceSegment] = field(default_factory=list[SourceSegment])
    translations: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


async def transcribe(
    path: Recording,
    audio: AudioChoice,
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    progress: Progress,
    warn: Warn,
    hear: Callable[[list[SourceSegment]], None] = lambda segments: None,
    hearing: Hearing | None = None,
) -> Transcript:
    """Recognize a recording and translate it into every target language; write nothing.

    Decoding and recognition compute in threads, and go on while what they have found is translated.
    `progress`, `warn` and `hear` are called on the event loop; `warn` hears in a sentence what is
    missing or wrong where the rest can be used, `hear` the segments as they are recognized.
    `hearing` is as in `listen`. Raises SurtitleError.
    """
    async with listen(path, audio, config, recognizer, progress, warn, hearing) as speech:
        language = speech.language
        targets = _reached(path, language, config, queue, warn)
        translated = _Translated(
            path, Transcript(language), targets, config, queue, is_written=recognizer.is_written
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                async for segments in speech.segments:
                    hear(segments)
                    await translated.push(segments, tasks)
                await translated.flush(tasks)
        except ExceptionGroup as errors:  # the first has cancelled the rest
            raise errors.exceptions[0] from None
        transcript = translated.transcript
        transcript.segments = speech.named(transcript.segments)
        return transcript


class _Translated:
    """A transcript that grows: segments go through the queue in batches, a few of them at once."""

    def __init__(
        self,
        path: Recording,
        transcript: Transcript,
        targets: list[str],
        config: BatchConfig,
        queue: TranslationQueue,
        *,
        is_written: bool,
    ) -> None:
        self._is_written = is_written
        self.transcript = transcript
        transcript.translations = {target: [] for target in targets}
        self._owner, self._terms, self._queue = str(path), config.terms, queue
        self._translated = 0  # segments that are translated, or on their way
        self._room = asyncio.Semaphore(BATCHES_AT_ONCE)

    async def push(self, segments: list[SourceSegment], tasks: asyncio.TaskGroup) -> None:
        """Take the next segments; wait while BATCHES_AT_ONCE are being translated."""
        self.transcript.segments += segments
        while len(self.transcript.segments) - self._translated >= BATCH_SEGMENTS:
            await self._begin(BATCH_SEGMENTS, tasks)

    async def flush(self, tasks: asyncio.TaskGroup) -> None:
        """No segments follow. All is translated when the tasks have ended."""
        if rest := len(self.transcript.segments) - self._translated:
            await self._begin(rest, tasks)

    async def _begin(self, count: int, tasks: asyncio.TaskGroup) -> None:
        first, self._translated = self._translated, self._translated + count
        if not self.transcript.translations:
            return
        for texts in self.transcript.translations.values():
            texts += [""] * count
        await self._room.acquire()
        tasks.create_task(self._translate(first, self._translated))

    async def _translate(self, first: int, end: int) -> None:
        """Fill in the translations of the segments from `first` to before `end`."""
        places = [(at, to) for to in self.transcript.translations for at in range(first, end)]
        requests = [self._request(at, to) for at, to in places]
        answers = await self._queue.translate_all(requests, self._owner)
        self._room.release()
        for (at, target), answer in zip(places, answers, strict=True):
            if isinstance(answer, Exception):
                raise answer
            self.transcript.translations[target][at] = answer

    def _request(self, at: int, target: str) -> TranslationRequest:
        """The context has no translations: segments are translated in any order."""
        segments = self.transcript.segments
        text = segments[at].text
        expressions = required(text, self._terms, target)
        before = segments[max(0, at - CONTEXT_SEGMENTS) : at]
        return TranslationRequest(
            text,
            self.transcript.language,
            target,
            required=expressions,
            is_written=self._is_written,
            context=tuple((segment.text, "") for segment in before),
        )


def _reached(
    path: Recording, language: str, config: BatchConfig, queue: TranslationQueue, warn: Warn
) -> list[str]:
    """The targets that are to be translated into. Raises TranslatorError if none can be."""
    wanted = [target for target in config.targets if target != language]
    refused: list[TranslatorError] = []
    reached: list[str] = []
    for target in wanted:
        try:
            queue.check(language, target)
        except TranslatorError as error:
            refused.append(error)
        else:
            reached.append(target)
    if refused and not reached:
        raise refused[0]
    for error in refused:
        warn(f"{path}: {error}")
    return reached
