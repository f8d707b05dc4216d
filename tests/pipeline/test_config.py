from __future__ import annotations

import pytest

from surtitle.pipeline.config import BatchConfig, RecognizerConfig, VadConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": 1.0}, "got 0.35 and 1.0"),
        ({"threshold": 0.3}, "got 0.35 and 0.3"),
        ({"end_threshold": 0.0}, "got 0.0 and 0.5"),
        ({"speech_pad_ms": -1}, "got -1 and 100"),
        ({"min_speech_ms": -1}, "got 200 and -1"),
        ({"speech_pad_ms": 300}, r"twice speech_pad_ms \(300\), got 500"),
        ({"max_utterance_ms": 1399}, "got 1399"),
    ],
)
def test_impossible_vad_settings_are_refused(fields: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        VadConfig(**fields)


def test_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="auto, moonshine, whisper, recorded, got 'siri'"):
        RecognizerConfig(engine="siri")


@pytest.mark.parametrize("processes", [0, -1, 65])
def test_an_impossible_number_of_recognizers_is_refused(processes: int):
    with pytest.raises(ValueError, match=f"recognizers must be 1 to 64, got {processes}"):
        RecognizerConfig(processes=processes)


def test_a_model_of_whisper_does_not_go_with_moonshine():
    with pytest.raises(ValueError, match="for small use --asr whisper"):
        RecognizerConfig("moonshine", "small")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "english"}, "'english'"),
        ({"targets": ("es", "xx1")}, "'xx1'"),
        ({"formats": ("doc",)}, "'doc'"),
        ({"bilingual": True}, "target language"),
    ],
)
def test_impossible_wishes_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchConfig(**settings)  # type: ignore[arg-type]


def test_speakers_are_told_in_one_way() -> None:
    with pytest.raises(ValueError, match="leave out --speakers"):
        BatchConfig("en", speakers=True, split_channels=True)
