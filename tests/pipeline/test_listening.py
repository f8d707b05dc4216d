"""Who speaks in a recording: by the voices of the sample, and by channels."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.container import AudioChoice
from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_ms, to_s16
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import BatchConfig, VadConfig
from surtitle.pipeline.events import Samples, Utterance, Word
from surtitle.pipeline.recognizers import LanguageGuess
from surtitle.pipeline.recording import Transcript, transcribe
from surtitle.pipeline.translators.queue import TranslationQueue

from ..patience import PATIENCE_S
from .scripted_recognizer import ScriptedRecognizer
from .scripted_translator import ScriptedTranslator
from .speakers.test_voice_encoder import SOUP, TURNS

HARBOR = SOUP.with_name("harbor.flac")


class Sentences(ScriptedRecognizer):
    """Hears a sentence in every utterance; with `runs_on` none of them ends."""

    def __init__(self, *, runs_on: bool = False) -> None:
        super().__init__("", is_written=True)
        self._last = "said" if runs_on else "said."
        self.languages = frozenset({"en", "es"})

    def guess_language(self, utterance: Utterance) -> LanguageGuess:
        return LanguageGuess("es", 0.9)

    def recognize(
        self,
        utterance: Utterance,
        language: str,
        terms: tuple[str, ...] = (),
        *,
        is_draft: bool = False,
    ) -> list[Word]:
        start_ms, length_ms = to_ms(utterance.start_sample), to_ms(utterance.samples.size)
        edges = range(start_ms + 150, start_ms + length_ms, (length_ms - 300) // 3)
        texts = ["So", "is", self._last]
        return [
            Word(text, begin, begin + (length_ms - 300) // 3, 1.0)
            for text, begin in zip(texts, edges, strict=False)
        ]


def heard(
    path: Path, config: BatchConfig, recognizer: ScriptedRecognizer | None = None
) -> Transcript:
    async def scenario() -> Transcript:
        queue = TranslationQueue(ScriptedTranslator())
        return await transcribe(
            path,
            AudioChoice(),
            config,
            recognizer or Sentences(),
            queue,
            progress.append,
            warnings.append,
        )

    progress: list[int] = []
    warnings: list[str] = []
    transcript = asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))
    assert warnings == [] and progress == sorted(progress)
    return transcript


def test_the_voices_of_a_recording_are_told_apart() -> None:
    transcript = heard(SOUP, BatchConfig("en", ("es",), speakers=True))
    assert [segment.speaker for segment in transcript.segments] == TURNS
    assert len(transcript.translations["es"]) == len(TURNS)


def test_nobody_is_named_unless_that_was_asked_for() -> None:
    transcript = heard(SOUP, BatchConfig("en"))
    assert {segment.speaker for segment in transcript.segments} == {None}


def test_a_segment_ends_where_another_voice_goes_on_with_the_sentence() -> None:
    class Flowing(Sentences):
        file_vad = VadConfig(min_silence_ms=500, speech_pad_ms=200)

    turn_ms = 13_870  # where the first voice takes its second turn
    anybody = heard(SOUP, BatchConfig("en"), Flowing(runs_on=True)).segments
    assert turn_ms not in [segment.start_ms for segment in anybody]
    somebody = heard(SOUP, BatchConfig("en", speakers=True), Flowing(runs_on=True)).segments
    assert turn_ms in [segment.start_ms for segment in somebody]


def written(path: Path, *channels: Samples) -> Path:
    size = max(channel.size for channel in channels)
    columns = [np.pad(channel, (0, size - channel.size)) for channel in channels]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(to_s16(np.stack(columns, axis=1).reshape(-1)).tobytes())
    return path


@pytest.fixture(scope="module")
def speech() -> Samples:
    """9 s of a talk."""
    chunks = [chunk.samples for chunk in read_audio(HARBOR)]
    return np.concatenate(chunks)[: 9 * SAMPLE_RATE_HZ]


def test_each_channel_is_a_speaker_and_what_all_say_stands_by_time(
    tmp_path: Path, speech: Samples
) -> None:
    silence = np.zeros(5 * SAMPLE_RATE_HZ, np.float32)
    later = np.concatenate([silence, speech])
    path = written(tmp_path / "two.wav", later, speech)
    transcript = heard(path, BatchConfig("en", ("es",), split_channels=True))
    speakers = [segment.speaker for segment in transcript.segments]
    starts = [segment.start_ms for segment in transcript.segments]
    assert speakers[0] == 2 and speakers[-1] == 1 and speakers.count(1) == speakers.count(2)
    assert starts == sorted(starts)
    assert [segment.segment_id for segment in transcript.segments] == list(range(len(speakers)))
    assert len(transcript.translations["es"]) == len(speakers)


def test_a_voice_that_reaches_another_microphone_is_written_once(
    tmp_path: Path, speech: Samples
) -> None:
    later = np.concatenate([np.zeros(10 * SAMPLE_RATE_HZ, np.float32), speech])
    speech = np.pad(speech, (0, later.size - speech.size))
    path = written(tmp_path / "two.wav", speech + 0.2 * later, later + 0.2 * speech)
    transcript = heard(path, BatchConfig("en", split_channels=True))
    speakers = [segment.speaker for segment in transcript.segments]
    assert speakers == sorted(speakers) and set(speakers) == {1, 2}


def test_the_language_is_that_of_the_first_channel_in_which_somebody_speaks(
    tmp_path: Path, speech: Samples
) -> None:
    path = written(tmp_path / "two.wav", np.zeros(SAMPLE_RATE_HZ, np.float32), speech)
    transcript = heard(path, BatchConfig(None, ("es",), split_channels=True))
    assert (transcript.language, transcript.translations) == ("es", {})
    assert {segment.speaker for segment in transcript.segments} == {2}


def test_a_recording_of_one_channel_is_nobodys(tmp_path: Path, speech: Samples) -> None:
    path = written(tmp_path / "one.wav", speech)
    transcript = heard(path, BatchConfig("en", split_channels=True))
    assert {segment.speaker for segment in transcript.segments} == {None}
