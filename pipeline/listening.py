"""What is said in a recording, and who says it: utterances, then words, then segments."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .audio.container import AudioChoice, Recording, Warn, channel_count
from .audio.pcm import to_ms
from .audio.recording import read_audio
from .config import BatchConfig, SegmenterConfig
from .events import SourceSegment, Utterance, Word
from .recognizers import LanguageGuess, Recognizer
from .recognizers.vad import Vad
from .speakers.crosstalk import Channel, Powers, drowned, muted, powers, without_crosstalk
from .speakers.naming import SpeakerNamer
from .speakers.voice_encoder import VoiceEncoder
from .text.segmenter import Segmenter

GUESS_MS = 30_000  # of speech, from which the language is guessed

Progress = Callable[[int], None]  # hears how much of the recording is done, in ms
Segments = list[SourceSegment]
Heard = tuple[Utterance, list[Word]]


class Hearing(Protocol):
    """Who hears utterances."""

    def __call__(
        self, utterances: AsyncGenerator[Utterance, None], language: str, terms: tuple[str, ...]
    ) -> AsyncGenerator[Heard, None]:
        """Each with its words, in order. Raises RecognizerError."""
        ...


def in_turn(recognizer: Recognizer) -> Hearing:
    """One after the other, in a thread."""

    async def hear(
        utterances: AsyncGenerator[Utterance, None], language: str, terms: tuple[str, ...]
    ) -> AsyncGenerator[Heard, None]:
        async for utterance in utterances:
            yield (
                utterance,
                await asyncio.to_thread(recognizer.recognize, utterance, language, terms),
            )

    return hear


@dataclass(slots=True)
class Speech:
    """What is said in `language`: its segments, as they are heard, to be iterated once.

    `named`, which takes all of them at the end, tells their speakers, where that was asked for.
    """

    language: str
    segments: AsyncGenerator[Segments, None]
    named: Callable[[Segments], Segments]


@asynccontextmanager
async def listen(
    path: Recording,
    audio: AudioChoice,
    config: BatchConfig,
    recognizer: Recognizer,
    progress: Progress,
    warn: Warn,
    hearing: Hearing | None = None,
) -> AsyncGenerator[Speech, None]:
    """Hear a recording: what is in all channels of a track, or each channel for itself.

    Decoding and recognition compute in threads; `hearing` is who hears what is said, if not the
    recognizer itself. Raises SurtitleError.
    """
    expected = (*config.expected, *(term.source for term in config.terms))
    ear = _Ear(
        path,
        audio,
        config.source,
        recognizer,
        warn,
        expected,
        cuts_as_live=config.cuts_as_live,
        hearing=hearing,
    )
    if config.split_channels and await asyncio.to_thread(channel_count, path, audio) > 1:
        language, segments = await ear.hear_channels(progress)
        yield Speech(language, _as_heard(segments), lambda known: known)
        return
    namer = SpeakerNamer(await asyncio.to_thread(VoiceEncoder)) if config.speakers else None
    async with aclosing(ear.utterances(audio, progress)) as utterances:
        language, first = await ear.language(utterances)
        async with aclosing(ear.segments(language, first, utterances, namer)) as segments:
            yield Speech(
                language, segments, (lambda known: known) if namer is None else namer.named
            )


async def guess_language(path: Recording, recognizer: Recognizer, warn: Warn) -> LanguageGuess:
    """What the first GUESS_MS of speech in a recording are spoken in. Raises SurtitleError."""
    ear = _Ear(path, AudioChoice(), None, recognizer, warn)
    async with aclosing(ear.utterances(AudioChoice(), lambda heard_ms: None)) as utterances:
        guess, _ = await ear.guess(utterances)
        return guess


def _cut(segmenter: Segmenter, words: Sequence[Word], places: Sequence[int]) -> Segments:
    """The segments that words close, and that end before the words at `places`."""
    segments: Segments = []
    for first, end in pairwise([0, *places, len(words)]):
        segments += segmenter.push(words[first:end])
        segments += segmenter.flush() if end in places else []
    return segments


async def _chained(
    first: Iterable[Utterance], others: AsyncGenerator[Utterance, None]
) -> AsyncGenerator[Utterance, None]:
    for utterance in first:
        yield utterance
    async for utterance in others:
        yield utterance


async def _as_heard(segments: Segments) -> AsyncGenerator[Segments, None]:
    yield segments


class _Ear:
    """A recording and what listens to it."""

    def __init__(
        self,
        path: Recording,
        audio: AudioChoice,
        source: str | None,
        recognizer: Recognizer,
        warn: Warn,
        expected: tuple[str, ...] = (),
        *,
        cuts_as_live: bool = False,
        hearing: Hearing | None = None,
    ) -> None:
        """`expected` are names and expressions that may be said."""
        self._path, self._audio, self._source = path, audio, source
        self._expected = expected
        self._vad_config = recognizer.live_vad if cuts_as_live else recognizer.file_vad
        self._recognizer = recognizer
        self._hearing = hearing or in_turn(recognizer)
        self._warn = warn

    async def hear_channels(self, progress: Progress) -> tuple[str, Segments]:
        """One channel after the other, each a speaker; what is said in all of them, by time, and
        once where a voice reaches several."""
        count = await asyncio.to_thread(channel_count, self._path, self._audio)
        choices = [replace(self._audio, channel=number) for number in range(1, count + 1)]
        channels = [Channel(await asyncio.to_thread(self._powers, one)) for one in choices]
        others = drowned([channel.powers for channel in channels])
        language = ""
        done_ms = length_ms = 0
        for choice, channel, steps in zip(choices, channels, others, strict=True):

            def tell(heard_ms: int, before_ms: int = done_ms) -> None:
                nonlocal length_ms
                length_ms = heard_ms
                progress((before_ms + heard_ms) // count)

            async with aclosing(self.utterances(choice, tell, steps)) as utterances:
                language, first = await self.language(utterances)
                if first:
                    self._source = language  # that of the first who speaks
                async for segments in self.segments(language, first, utterances, None):
                    channel.segments += segments
            done_ms += length_ms
        heard = await asyncio.to_thread(without_crosstalk, channels)
        found = [
            replace(segment, speaker=number)
            for number, segments in enumerate(heard, 1)
            for segment in segments
        ]
        found.sort(key=lambda segment: segment.start_ms)
        numbered = [replace(segment, segment_id=at) for at, segment in enumerate(found)]
        return self._source or language, numbered

    def _powers(self, choice: AudioChoice) -> Powers:
        return powers(read_audio(self._path, choice, lambda line: None))  # told when it is heard

    async def segments(
        self,
        language: str,
        first: Iterable[Utterance],
        utterances: AsyncGenerator[Utterance, None],
        namer: SpeakerNamer | None,
    ) -> AsyncGenerator[Segments, None]:
        """The segments of the `first` utterances, then of the others."""
        segmenter = Segmenter(SegmenterConfig(), language, is_written=self._recognizer.is_written)

        async def cut(utterance: Utterance, words: list[Word]) -> Segments:
            if namer is None:
                return segmenter.push(words)
            namer.hear(utterance)
            opened = list(segmenter.open_words)
            changes = await asyncio.to_thread(namer.changes, [*opened, *words])
            segments = _cut(segmenter, words, [max(0, at - len(opened)) for at in changes])
            opened = list(segmenter.open_words)
            await asyncio.to_thread(namer.add, segments, opened[0].start_ms if opened else None)
            return segments

        spoken = _chained(first, utterances)
        async with aclosing(self._hearing(spoken, language, self._expected)) as heard:
            async for utterance, words in heard:
                yield await cut(utterance, words)
        last = segmenter.flush()
        if namer is not None:
            await asyncio.to_thread(namer.add, last, None)
        yield last

    async def utterances(
        self, audio: AudioChoice, progress: Progress, others: NDArray[np.bool_] | None = None
    ) -> AsyncGenerator[Utterance, None]:
        """What is spoken in a channel, or in all; `others` are the steps that belong to another."""
        loop = asyncio.get_running_loop()

        def warn_there(line: str) -> None:  # in a thread
            loop.call_soon_threadsafe(self._warn, line)

        chunks = read_audio(self._path, audio, warn_there)
        vad = Vad(self._vad_config)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            if others is not None:
                chunk = muted(chunk, others)
            for utterance in await asyncio.to_thread(vad.push, chunk):
                yield utterance
            progress(to_ms(chunk.start_sample + chunk.samples.size))
        for utterance in await asyncio.to_thread(vad.flush):
            yield utterance

    async def language(
        self, utterances: AsyncGenerator[Utterance, None]
    ) -> tuple[str, list[Utterance]]:
        """The language spoken, guessed from the first utterances if it is not given, and these."""
        if self._source is not None:
            return self._source, []
        guess, heard = await self.guess(utterances)
        return guess.language, heard

    async def guess(
        self, utterances: AsyncGenerator[Utterance, None]
    ) -> tuple[LanguageGuess, list[Utterance]]:
        """What the first utterances are spoken in, and these; where there are none, the first
        language that the recognizer knows, with a probability of 0."""
        heard: list[Utterance] = []
        votes: Counter[str] = Counter()
        heard_ms = 0
        async for utterance in utterances:
            heard.append(utterance)
            guess = await asyncio.to_thread(self._recognizer.guess_language, utterance)
            utterance_ms = to_ms(utterance.samples.size)
            votes[guess.language] += round(guess.probability * utterance_ms)
            heard_ms += utterance_ms
            if heard_ms >= GUESS_MS:
                break
        if not votes:
            return LanguageGuess(min(self._recognizer.languages), 0.0), heard
        language, weight = votes.most_common(1)[0]
        return LanguageGuess(language, weight / heard_ms), heard
