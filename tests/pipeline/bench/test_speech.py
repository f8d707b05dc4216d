from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from surtitle.pipeline.bench.speech import read_clips, segment_text
from surtitle.pipeline.cli import main
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.events import Utterance, Word

HARBOR = Path(__file__).parents[3] / "samples" / "harbor.flac"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    shutil.copy(HARBOR, tmp_path / "harbor.flac")
    text = HARBOR.with_suffix(".en.txt").read_text(encoding="utf-8").replace("\n", " ")
    row = json.dumps({"file": "harbor.flac", "text": text})
    (tmp_path / "manifest.jsonl").write_text(f"{row}\n", encoding="utf-8")
    return tmp_path


class Counting:
    """Hears a word in each utterance."""

    is_written = True

    def recognize(self, utterance: Utterance, language: str) -> list[Word]:
        start_ms = utterance.start_sample // 16
        return [Word("word.", start_ms, start_ms + utterance.samples.size // 16, 1.0)]


def test_clips_have_their_texts(data: Path):
    (clip,) = read_clips(data)
    assert clip.samples.size / 16_000 == pytest.approx(68.8, abs=0.2)
    assert clip.text.startswith("Good morning, and welcome")


@pytest.mark.parametrize("content", ["{", '{"file": "x.flac"}', "3"])
def test_a_manifest_of_another_shape_is_refused(tmp_path: Path, content: str):
    (tmp_path / "manifest.jsonl").write_text(content)
    with pytest.raises(MediaError, match='manifest.jsonl must hold .* "file" and "text"'):
        read_clips(tmp_path)


def test_a_source_is_heard_to_its_end(data: Path):
    from surtitle.pipeline.config import VadConfig

    (clip,) = read_clips(data)
    text = segment_text(Counting(), VadConfig(), clip.samples)  # type: ignore[arg-type]
    assert text.split() == ["word."] * 18
    assert segment_text(Counting(), VadConfig(), np.zeros(16_000, np.float32)) == ""  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="no Moonshine for this machine")
def test_the_bench_of_speech_counts_what_is_misheard_and_invented(
    data: Path, capsys: pytest.CaptureFixture[str]
):
    command = ["bench", "speech", "--data", str(data), "--asr", "moonshine"]
    assert main([*command, "--wordless-minutes", "0.2"]) == 0
    out = capsys.readouterr().out
    rows = [line.split("|")[1:-1] for line in out.splitlines() if line.startswith("| moonshine")]
    assert len(rows) == 5
    assert all(float(row[3].strip(" %")) < 10 for row in rows[:2])
    assert "- moonshine, file: 0, 0, 0, 0" in out and "- moonshine, live: 0, 0, 0, 0" in out


def test_a_model_that_is_not_on_disk_is_named(data: Path, monkeypatch: pytest.MonkeyPatch):
    from surtitle.pipeline.bench import alone
    from surtitle.pipeline.errors import RecognizerError
    from surtitle.pipeline.recognizers import whisper_weights

    monkeypatch.setattr(whisper_weights, "find_weights", lambda name: None)
    with pytest.raises(RecognizerError, match="medium is not on disk: surtitle models fetch"):
        alone.whisper("medium")
