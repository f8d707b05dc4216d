"""Live decoding with a scripted model: a word every 400 ms, a sentence of eight words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.audio.pcm import SAMPLE_RATE_HZ, to_ms
from surtitle.pipeline.audio.recording import read_audio
from surtitle.pipeline.config import VadConfig
from surtitle.pipeline.events import AudioChunk, Hypothesis, Samples, Utterance, Word
from surtitle.pipeline.recognizers.redecoding import STEP_MS, TRIM_MS, WhisperStream
from surtitle.pipeline.recognizers.vad import Vad

SAMPLES = Path(__file__).parents[3] / "samples"
VAD = VadConfig(min_silence_ms=500, speech_pad_ms=200, max_utterance_ms=15_000)
WORD_MS = 400
CHUNK_SAMPLES = SAMPLE_RATE_HZ // 10


class ScriptedModel:
    """Hears word n from n times 400 ms on; of a draft it mistakes the last word."""

    def __init__(self, *, sentence_words: int = 8) -> None:
        self._sentence_words = sentence_words
        self.drafts: list[Utterance] = []
        self.finals: list[Utterance] = []

    def transcribe(self, utterance: Utterance, is_draft: bool) -> list[Word]:
        (self.drafts if is_draft else self.finals).append(utterance)
        start_ms = to_ms(utterance.start_sample)
        end_ms = start_ms + to_ms(utterance.samples.size)
        first, last = (round(time_ms / WORD_MS) for time_ms in (start_ms, end_ms))
        words = [self.word(number) for number in range(first, last)]
        if is_draft and words:
            words[-1] = Word("hm", words[-1].start_ms, words[-1].end_ms, 0.1)
        return words

    def word(self, number: int) -> Word:
        text = f"w{number}"
        if number % self._sentence_words == 0:
            text = text.capitalize()
        if (number + 1) % self._sentence_words == 0:
            text += "."
        return Word(text, number * WORD_MS, (number + 1) * WORD_MS, 1.0)


@pytest.fixture(scope="module")
def speech() -> Samples:
    """25 s of speech without pauses."""
    vad = Vad(VadConfig(min_silence_ms=200, speech_pad_ms=0))
    chunks = read_audio(SAMPLES / "harbor.flac")
    spoken = [utterance.samples for chunk in chunks for utterance in vad.push(chunk)]
    return np.concatenate(spoken)[: 25 * SAMPLE_RATE_HZ]


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * SAMPLE_RATE_HZ), np.float32)


def hear(
    model: ScriptedModel, audio: Samples, chunk_samples: int = CHUNK_SAMPLES
) -> list[Hypothesis]:
    stream = WhisperStream(model.transcribe, "en", VAD)
    hypotheses: list[Hypothesis] = []
    for start in range(0, audio.size, chunk_samples):
        hypotheses += stream.push(AudioChunk(start, audio[start : start + chunk_samples]))
    hypotheses += stream.flush()
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert heard_ms == sorted(heard_ms)
    assert not any(hypothesis.is_end and hypothesis.tail for hypothesis in hypotheses)
    return hypotheses


def committed(hypotheses: list[Hypothesis]) -> list[Word]:
    return [word for hypothesis in hypotheses for word in hypothesis.committed]


@pytest.mark.parametrize("sentence_words", [8, 1000])
def test_in_long_speech_no_word_is_lost_or_doubled(speech: Samples, sentence_words: int):
    model = ScriptedModel(sentence_words=sentence_words)
    words = committed(hear(model, speech))
    first = int(words[0].text[1:])
    assert words == [model.word(number) for number in range(first, first + len(words))]
    assert words[0].start_ms < 1000 and words[-1].end_ms > 24_000


def test_what_two_drafts_agree_on_is_certain_before_the_end(speech: Samples):
    hypotheses = hear(ScriptedModel(), speech[: 5 * SAMPLE_RATE_HZ])
    drafts, end = hypotheses[:-1], hypotheses[-1]
    assert [bool(draft.committed) for draft in drafts] == [False, True, True, True]
    for draft in drafts[1:]:
        assert 1000 <= draft.heard_ms - draft.committed[-1].end_ms <= 2000
        assert draft.tail[-1].text == "hm"
    assert end.is_end and end.committed


def test_speech_is_decoded_once_a_second_and_finally_once_more(speech: Samples):
    model = ScriptedModel()
    hear(model, speech[: 8 * SAMPLE_RATE_HZ])
    ends_ms = [to_ms(draft.start_sample + draft.samples.size) for draft in model.drafts]
    assert len(ends_ms) == 7
    assert all(STEP_MS <= step_ms < STEP_MS + 150 for step_ms in np.diff(ends_ms))
    assert len(model.finals) == 1


def test_certain_sentences_are_not_decoded_again(speech: Samples):
    model = ScriptedModel()
    hear(model, speech[: 14 * SAMPLE_RATE_HZ])
    lengths_ms = [to_ms(draft.samples.size) for draft in model.drafts]
    assert max(lengths_ms) <= TRIM_MS + STEP_MS + 150
    assert lengths_ms[-1] < 13_000 - TRIM_MS / 2
    starts_ms = {to_ms(u.start_sample) for u in (*model.drafts, *model.finals)}
    sentence_ms = 8 * WORD_MS
    assert len(starts_ms) > 1
    assert all(start_ms % sentence_ms == 0 for start_ms in starts_ms - {min(starts_ms)})


def test_without_sentences_the_window_is_bounded(speech: Samples):
    model = ScriptedModel(sentence_words=1000)
    hear(model, speech)
    assert max(to_ms(u.samples.size) for u in (*model.drafts, *model.finals)) <= 15_000


def test_much_audio_at_once_is_decoded_once(speech: Samples):
    model = ScriptedModel()
    hear(model, speech[: 8 * SAMPLE_RATE_HZ], chunk_samples=4 * SAMPLE_RATE_HZ)
    assert [len(model.drafts), len(model.finals)] == [2, 1]


def test_a_pause_ends_the_utterance(speech: Samples):
    three = speech[: 3 * SAMPLE_RATE_HZ]
    model = ScriptedModel()
    hypotheses = hear(model, np.concatenate([three, silence(2), three, silence(1)]))
    assert len(model.finals) == 2
    first = next(index for index, h in enumerate(hypotheses) if h.is_end)
    assert hypotheses[first].committed[-1].end_ms <= 3400
    assert [h.is_end for h in hypotheses[first : first + 3]] == [True] * 3
    numbers = [int(word.text.strip(".")[1:]) for word in committed(hypotheses)]
    assert numbers == sorted(set(numbers))


def test_silence_is_heard_and_costs_nothing():
    model = ScriptedModel()
    hypotheses = hear(model, silence(5))
    assert model.drafts == model.finals == committed(hypotheses) == []
    heard_ms = [hypothesis.heard_ms for hypothesis in hypotheses]
    assert 9 <= len(heard_ms) <= 11 and heard_ms[-1] > 4900
    assert all(hypothesis.is_end for hypothesis in hypotheses)


def test_a_stream_goes_on_after_flush(speech: Samples):
    model = ScriptedModel()
    stream = WhisperStream(model.transcribe, "en", VAD)
    two = 2 * SAMPLE_RATE_HZ
    hypotheses = stream.push(AudioChunk(0, speech[:two])) + stream.flush()
    hypotheses += stream.push(AudioChunk(two, speech[two : 2 * two])) + stream.flush()
    words = committed(hypotheses)
    assert [word.start_ms for word in words] == [n * WORD_MS for n in range(len(words))]
    assert words[-1].end_ms == 4000
