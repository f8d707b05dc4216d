"""A recording in, its transcript out: the stages of live captions, without a clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from .audio.container import AudioChoice, Warn
from .audio.pcm import to_ms
from .audio.recording import read_audio
from .config import BatchConfig, SegmenterConfig
from .errors import TranslatorError
from .events import SourceSegment, TranslationRequest, Utterance
from .recognizers import Recognizer
from .recognizers.vad import Vad
from .text.glossary import required
from .text.segmenter import Segmenter
from .translators.queue import TranslationQueue

BATCH_SEGMENTS = 32  # that are translated together, into all target languages
BATCHES_AT_ONCE = 2  # on their way through the translator; where it is slower, recognition waits
CONTEXT_SEGMENTS = 3  # before a segment, that tell what it is about
GUESS_MS = 30_000  # of speech, from which the language is guessed

Progress = Callable[[int], None]  # hears how much of the recording is done, in ms


@dataclass(slots=True)
class Transcript:
    """What was said, and its translations: one text per segment and target language.

    A target that no translator reaches has none, nor has the language that is spoken.
    """

    language: str
    segments: list[SourceSegment] = field(default_factory=list[SourceSegment])
    translations: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


async def transcribe(
    path: Path,
    audio: AudioChoice,
    config: BatchConfig,
    recognizer: Recognizer,
    queue: TranslationQueue,
    progress: Progress,
    warn: Warn,
) -> Transcript:
    """Recognize a recording and translate it into every target language; write nothing.

    Decoding and recognition compute in threads, and go on while what they have found is translated.
    `progress` and `warn` are called on the event loop; `warn` hears in a sentence what is missing
    or wrong where the rest can be used. Raises SurtitleError.
    """
    async with aclosing(_utterances(path, audio, recognizer, progress, warn)) as utterances:
        language, heard = await _language(utterances, recognizer, config.source)
        targets = _reached(path, language, config, queue, warn)
        segmenter = Segmenter(SegmenterConfig(), language, is_written=recognizer.is_written)
        translated = _Translated(
            path, Transcript(language), targets, config, queue, is_written=recognizer.is_written
        )

        async def hear(utterance: Utterance) -> None:
            words = await asyncio.to_thread(recognizer.recognize, utterance, language)
            await translated.push(segmenter.push(words), tasks)

        try:
            async with asyncio.TaskGroup() as tasks:
                for utterance in heard:
                    await hear(utterance)
                async for utterance in utterances:
                    await hear(utterance)
                await translated.flush(segmenter.flush(), tasks)
        except ExceptionGroup as errors:  # the first has cancelled the rest
            raise errors.exceptions[0] from None
        return translated.transcript


class _Translated:
    """A transcript that grows: segments go through the queue in batches, a few of them at once."""

    def __init__(
        self,
        path: Path,
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

    async def flush(self, segments: list[SourceSegment], tasks: asyncio.TaskGroup) -> None:
        """Take the last segments. All is translated when the tasks have ended."""
        await self.push(segments, tasks)
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
    path: Path, language: str, config: BatchConfig, queue: TranslationQueue, warn: Warn
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


async def _utterances(
    path: Path, audio: AudioChoice, recognizer: Recognizer, progress: Progress, warn: Warn
) -> AsyncGenerator[Utterance, None]:
    loop = asyncio.get_running_loop()

    def warn_there(line: str) -> None:  # in a thread
        loop.call_soon_threadsafe(warn, line)

    chunks = read_audio(path, audio, warn_there)
    vad = Vad(recognizer.file_vad)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        for utterance in await asyncio.to_thread(vad.push, chunk):
            yield utterance
        progress(to_ms(chunk.start_sample + chunk.samples.size))
    for utterance in await asyncio.to_thread(vad.flush):
        yield utterance


async def _language(
    utterances: AsyncGenerator[Utterance, None], recognizer: Recognizer, language: str | None
) -> tuple[str, list[Utterance]]:
    """The language spoken, guessed from the first utterances where it is not given, and these."""
    heard: list[Utterance] = []
    if language is not None:
        return language, heard
    votes: Counter[str] = Counter()
    heard_ms = 0
    async for utterance in utterances:
        heard.append(utterance)
        guess = await asyncio.to_thread(recognizer.guess_language, utterance)
        utterance_ms = to_ms(utterance.samples.size)
        votes[guess.language] += round(guess.probability * utterance_ms)
        heard_ms += utterance_ms
        if heard_ms >= GUESS_MS:
            break
    return votes.most_common(1)[0][0] if votes else next(iter(recognizer.languages)), heard
