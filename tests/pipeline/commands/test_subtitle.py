"""`surtitle subtitle` over a scripted recognizer: what is written, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.commands import subtitle
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import Utterance, Word

from ..scripted_translator import ScriptedTranslator
from ..test_recording import SAMPLE, CountingRecognizer


@pytest.fixture(autouse=True)
def recognizer(monkeypatch: pytest.MonkeyPatch) -> CountingRecognizer:
    recognizer = CountingRecognizer()
    monkeypatch.setattr(subtitle, "open_recognizer", lambda *_args, **_options: recognizer)
    return recognizer


@pytest.fixture(autouse=True)
def translator(monkeypatch: pytest.MonkeyPatch) -> ScriptedTranslator:
    translator = ScriptedTranslator()
    monkeypatch.setattr(subtitle, "open_translator", lambda *_args, **_options: translator)
    return translator


def test_files_of_a_bilingual_run(tmp_path: Path, translator: ScriptedTranslator) -> None:
    options = ["--to", "es", "--format", "srt,vtt", "--bilingual", "--output-dir", str(tmp_path)]
    assert main(["subtitle", str(SAMPLE), *options]) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        f"harbor.{languages}.{extension}"
        for languages in ("en-es", "en", "es")
        for extension in ("srt", "vtt")
    ]
    text = (tmp_path / "harbor.en-es.srt").read_text(encoding="utf-8")
    assert "One two three." in text and "[es] one two three" in text
    assert translator.is_closed


def test_files_are_named_by_the_language_that_was_found(tmp_path: Path) -> None:
    options = ["--from", "auto", "--to", "es", "--output-dir", str(tmp_path)]
    assert main(["subtitle", str(SAMPLE), *options]) == 0
    assert (tmp_path / "harbor.fr.srt").exists()


def test_silence_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hear_nothing(self: CountingRecognizer, utterance: Utterance, language: str) -> list[Word]:
        return []

    monkeypatch.setattr(CountingRecognizer, "recognize", hear_nothing)
    assert main(["subtitle", str(SAMPLE), "--output-dir", str(tmp_path)]) == 1
    assert "nobody speaks in it, as far as Counter can hear" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [TranslatorError("no power"), RuntimeError("no power")])
def test_a_recording_that_cannot_be_translated_is_reported_and_the_next_one_is_done(
    tmp_path: Path,
    translator: ScriptedTranslator,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = tmp_path / "first.flac", tmp_path / "second.flac"
    for path in first, second:
        path.symlink_to(SAMPLE)
    words = iter(("poison",))

    def hear(self: CountingRecognizer, utterance: Utterance, language: str) -> list[Word]:
        return [Word(next(words, "bread"), 1000 * utterance.start_sample // 16_000, 10**6, 1.0)]

    monkeypatch.setattr(CountingRecognizer, "recognize", hear)
    translator.errors["poison"] = error
    assert main(["subtitle", str(first), str(second), "--to", "es"]) == 1
    assert "no power" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("*.srt")) == [
        "second.en.srt",
        "second.es.srt",
    ]
