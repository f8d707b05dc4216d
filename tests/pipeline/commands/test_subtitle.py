"""`surtitle subtitle` over a scripted recognizer: what is written, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import Utterance, Word
from surtitle.pipeline.jobs import setup

from ..scripted_translator import ScriptedTranslator
from ..test_recording import SAMPLE, CountingRecognizer


@pytest.fixture(autouse=True)
def recognizer(monkeypatch: pytest.MonkeyPatch) -> CountingRecognizer:
    recognizer = CountingRecognizer()
    monkeypatch.setattr(setup, "open_recognizer", lambda *_args, **_options: recognizer)
    return recognizer


@pytest.fixture(autouse=True)
def translator(monkeypatch: pytest.MonkeyPatch) -> ScriptedTranslator:
    translator = ScriptedTranslator()
    monkeypatch.setattr(setup, "open_translator", lambda *_args, **_options: translator)
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
    def hear_nothing(
        self: CountingRecognizer, utterance: Utterance, language: str, *_: object
    ) -> list[Word]:
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

    def hear(
        self: CountingRecognizer, utterance: Utterance, language: str, *_: object
    ) -> list[Word]:
        return [Word(next(words, "bread"), 1000 * utterance.start_sample // 16_000, 10**6, 1.0)]

    monkeypatch.setattr(CountingRecognizer, "recognize", hear)
    translator.errors["poison"] = error
    assert main(["subtitle", str(first), str(second), "--to", "es"]) == 1
    assert "no power" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.glob("*.srt")) == [
        "second.en.srt",
        "second.es.srt",
    ]


def test_files_that_are_there_are_left_as_they_are(
    tmp_path: Path, recognizer: CountingRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "harbor.en.srt"
    mine.write_text("corrected by hand")
    command = ["subtitle", str(SAMPLE), "--to", "es", "--output-dir", str(tmp_path)]
    assert main(command) == 0
    assert mine.read_text() == "corrected by hand"
    assert "[es]" in (tmp_path / "harbor.es.srt").read_text(encoding="utf-8")
    error = capsys.readouterr().err
    assert f"kept {mine}" in error and f"`surtitle subtitle {mine} --to ...`" in error
    heard = recognizer.heard
    assert main(command) == 0
    assert recognizer.heard == heard
    assert main([*command, "--force"]) == 0
    assert "One two three." in mine.read_text(encoding="utf-8")


def test_a_target_that_cannot_be_written_is_found_before_the_work(
    tmp_path: Path, recognizer: CountingRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "harbor.es.srt" / "x").mkdir(parents=True)
    command = ["subtitle", str(SAMPLE), "--to", "es", "--output-dir", str(tmp_path), "--force"]
    assert main(command) == 1
    assert "a folder has this name" in capsys.readouterr().err
    assert recognizer.heard == 0


def test_an_output_folder_that_is_a_file_is_named(
    tmp_path: Path, recognizer: CountingRecognizer, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").touch()
    assert main(["subtitle", str(SAMPLE), "--output-dir", str(tmp_path / "out")]) == 1
    assert f"{tmp_path / 'out'} is a file, not a folder" in capsys.readouterr().err
    assert recognizer.heard == 0


def test_a_name_with_brackets_and_stars_is_shown_whole_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = tmp_path / "M*A*S*H [x265].flac"
    talk.symlink_to(SAMPLE)
    command = ["subtitle", str(talk), "--from", "auto"]
    assert main(command) == 0
    assert f"│ {talk.name} │" in capsys.readouterr().err
    assert main(command) == 0
    assert "finished before" in capsys.readouterr().err


def test_a_target_that_cannot_be_reached_costs_that_target_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    translator = ScriptedTranslator(targets=frozenset({"es"}))
    monkeypatch.setattr(setup, "open_translator", lambda *_args, **_options: translator)
    options = ["--from", "auto", "--to", "en,es", "--bilingual", "--output-dir", str(tmp_path)]
    assert main(["subtitle", str(SAMPLE), *options]) == 1
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["harbor.es.srt", "harbor.fr-es.srt", "harbor.fr.srt"]
    assert "cannot translate fr to en" in capsys.readouterr().err


def test_the_summary_counts_what_became_of_the_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "new.flac", "old.flac":
        (tmp_path / name).symlink_to(SAMPLE)
    (tmp_path / "old.en.srt").touch()
    missing = tmp_path / "missing.flac"
    assert (
        main(["subtitle", *map(str, (tmp_path / "new.flac", tmp_path / "old.flac", missing))]) == 1
    )
    error = capsys.readouterr().err
    assert "1 done, 1 finished before, 1 failed" in error
    assert f"failed: {missing} does not exist" in error


def test_whatever_happens_to_a_recording_the_next_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "first.flac", "second.flac":
        (tmp_path / name).symlink_to(SAMPLE)
    hear = CountingRecognizer.recognize

    def fail_once(
        self: CountingRecognizer, utterance: Utterance, language: str, *_: object
    ) -> list[Word]:
        monkeypatch.setattr(CountingRecognizer, "recognize", hear)
        raise ZeroDivisionError("no sound")

    monkeypatch.setattr(CountingRecognizer, "recognize", fail_once)
    assert main(["subtitle", str(tmp_path / "first.flac"), str(tmp_path / "second.flac")]) == 1
    assert (
        f"failed: {tmp_path / 'first.flac'}: ZeroDivisionError: no sound" in capsys.readouterr().err
    )
    assert [path.name for path in tmp_path.glob("*.srt")] == ["second.en.srt"]
