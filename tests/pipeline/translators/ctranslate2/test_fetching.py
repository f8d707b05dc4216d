"""Models from a hub of our own, which speaks as the real one does."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from surtitle.pipeline import hub as asking
from surtitle.pipeline.cli import main
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.translators.ctranslate2 import fetching
from surtitle.pipeline.translators.ctranslate2.catalog import CATALOG, Entry, suggestion
from surtitle.pipeline.translators.ctranslate2.fetching import Told, fetch, fetch_translator
from surtitle.pipeline.translators.ctranslate2.installed import (
    ct2_folders,
    installed_models,
    models_folder,
)
from surtitle.pipeline.translators.ctranslate2.translator import CTranslate2Translator

from .fake_hub import COMMIT, FakeHub

ENTRY = Entry(
    "opus-mt-en-es",
    "somebody/opus-mt-en-es-ct2",
    1,
    "CC-BY-4.0",
    "OPUS-MT by somebody",
    "en-es",
    sources=("en",),
    targets=("es",),
)


def told(said: list[str] | None = None, heard: list[tuple[int, int]] | None = None) -> Told:
    """Lines and numbers of bytes go to the lists."""

    def hear(done: int, total: int) -> None:
        if heard is not None:
            heard.append((done, total))

    return Told(print if said is None else said.append, hear)


@pytest.fixture
def files(folders: Mapping[str, Path]) -> dict[str, bytes]:
    """Of a repository: a model, its license, and what must never be fetched."""
    found = {path.name: path.read_bytes() for path in folders["Marian"].iterdir()}
    return found | {
        "README.md": b"# A model\n",
        "LICENSE": b"CC-BY-4.0",
        "pytorch_model.bin": b"PK\x03\x04 a pickle",
        "rust_model.ot": b"another",
        "convert.py": b"print('a program')",
    }


@pytest.fixture
def hub(
    files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeHub]:
    hub = FakeHub(ENTRY.repository, files)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(asking, "WAITS_S", (0.0, 0.0))
    with ExitStack() as stack:
        monkeypatch.setenv("HF_ENDPOINT", stack.enter_context(hub.served()))
        yield hub


def test_a_model_is_fetched_whole_with_its_terms(hub: FakeHub) -> None:
    said: list[str] = []
    folder = fetch(ENTRY, told(said))
    assert folder == models_folder() / "opus-mt-en-es" and list(ct2_folders()) == [folder.name]
    assert said[0] == "opus-mt-en-es: OPUS-MT by somebody; license CC-BY-4.0"
    assert said[1].startswith("Fetching somebody/opus-mt-en-es-ct2 at c0ffee000000, 1 MB")
    card = json.loads((folder / "surtitle.json").read_text())
    assert card["license"] == "CC-BY-4.0" and card["attribution"] == "OPUS-MT by somebody"
    assert card["revision"] == COMMIT and card["repository"] == ENTRY.repository
    assert (folder / "LICENSE").read_bytes() == b"CC-BY-4.0"
    CTranslate2Translator(folder).check("en", "es")
    (one,) = installed_models()
    assert one.layout.knows("en", "es")
    assert [path.name for path in models_folder().iterdir()] == ["opus-mt-en-es"]


def test_nothing_that_may_be_a_program_is_asked_for(hub: FakeHub) -> None:
    folder = fetch(ENTRY, told())
    names = {name for name, _ in hub.asked}
    assert "model.bin" in names
    assert not names & {"pytorch_model.bin", "rust_model.ot", "convert.py"}
    assert not (folder / "pytorch_model.bin").exists()


def test_no_key_is_sent_to_whoever_serves_it(hub: FakeHub) -> None:
    fetch(ENTRY, told())
    assert hub.keys == {None}


def test_progress_goes_up_to_the_whole(hub: FakeHub) -> None:
    heard: list[tuple[int, int]] = []
    hub.breaks = 1
    fetch(ENTRY, told(heard=heard))
    assert heard == sorted(heard) and heard[-1][0] == heard[-1][1] > 0


def test_what_is_there_is_not_fetched_again(hub: FakeHub) -> None:
    fetch(ENTRY, told())
    hub.asked.clear()
    assert fetch(ENTRY, told()) == models_folder() / "opus-mt-en-es"
    assert hub.asked == []


def test_a_download_that_breaks_off_goes_on_where_it_was(
    hub: FakeHub, files: dict[str, bytes]
) -> None:
    hub.breaks = 2
    folder = fetch(ENTRY, told())
    starts = [start for name, start in hub.asked if name == "model.bin"]
    assert len(starts) == 3 and starts[0] == 0 < starts[1] < starts[2]
    assert (folder / "model.bin").read_bytes() == files["model.bin"]


def test_a_fetch_that_failed_goes_on_the_next_time_at_the_same_commit(
    hub: FakeHub, files: dict[str, bytes]
) -> None:
    hub.breaks, hub.dies_after = 2, 2
    with pytest.raises(TranslatorError, match="what is there already is kept"):
        fetch(ENTRY, told())
    assert ct2_folders() == {}
    hub.is_down = False
    hub.asked.clear()
    folder = fetch(ENTRY, told())
    assert (folder / "model.bin").read_bytes() == files["model.bin"]
    assert all(start > 0 for name, start in hub.asked if name == "model.bin")


def test_the_commit_is_that_of_the_catalog(hub: FakeHub) -> None:
    fetch(replace(ENTRY, revision=COMMIT), told())
    other = replace(ENTRY, name="other", revision="d" * 40)
    with pytest.raises(TranslatorError, match="the hub has no somebody/opus-mt-en-es-ct2"):
        fetch(other, told())


def test_a_file_that_is_not_the_published_one_is_dropped(hub: FakeHub) -> None:
    hub.lies["model.bin"] = b"x" * len(hub.files["model.bin"])
    with pytest.raises(TranslatorError, match="model.bin is not the file that was published"):
        fetch(ENTRY, told())
    assert ct2_folders() == {}
    hub.lies.clear()
    assert fetch(ENTRY, told()).is_dir()


def test_a_repository_that_has_changed_its_weights_is_refused(
    hub: FakeHub, files: dict[str, bytes]
) -> None:
    pinned = hashlib.sha256(files["model.bin"]).hexdigest()
    with pytest.raises(TranslatorError, match="is not the file that was published"):
        fetch(replace(ENTRY, model_sha256="0" * 64), told())
    assert fetch(replace(ENTRY, model_sha256=pinned), told()).is_dir()


def test_a_repository_without_weights_of_ours_is_told(hub: FakeHub) -> None:
    del hub.files["model.bin"]
    with pytest.raises(TranslatorError, match=r"has no model\.bin, and other weights are not"):
        fetch(ENTRY, told())
    assert hub.asked == []


def test_no_room(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda path: type("", (), {"free": 10}))
    with pytest.raises(TranslatorError, match="needs 1 MB, and there is less"):
        fetch(ENTRY, told())


def test_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    with FakeHub(ENTRY.repository, files).served() as address:
        pass  # nobody is there any more
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(TranslatorError, match="opus-mt-en-es cannot be fetched"):
        fetch(ENTRY, told())


def test_from_a_folder(
    folders: Mapping[str, Path], files: dict[str, bytes], tmp_path: Path, hub: FakeHub
) -> None:
    source = tmp_path / "mirror" / ENTRY.repository
    source.mkdir(parents=True)
    for name, data in files.items():
        (source / name).write_bytes(data)
    folder = fetch(ENTRY, told(), tmp_path / "mirror")
    assert hub.asked == [] and not (folder / "pytorch_model.bin").exists()
    assert (folder / "model.bin").read_bytes() == files["model.bin"]
    with pytest.raises(TranslatorError, match="has no folder somebody"):
        fetch(replace(ENTRY, name="other"), told(), tmp_path / "data")


def original(folders: Mapping[str, Path]) -> dict[str, bytes]:
    """What the makers of a model have published."""
    return {path.name: path.read_bytes() for path in (folders["MADLAD"].parent / "t5").iterdir()}


@pytest.mark.filterwarnings("ignore")  # of transformers
def test_the_original_is_converted(
    hub: FakeHub, folders: Mapping[str, Path], tiny_models: ModuleType
) -> None:
    hub.files = original(folders)
    said: list[str] = []
    entry = replace(ENTRY, name="madlad", sources=(), targets=(), is_converted=False)
    folder = fetch(entry, told(said))
    CTranslate2Translator(folder).check("de", "es")
    assert said[-1] == "Converting madlad to 8 bits"
    assert not list(folder.glob("*.safetensors"))
    assert [path.name for path in models_folder().iterdir()] == ["madlad"]


def test_without_transformers_it_is_said_what_is_missing(
    hub: FakeHub, folders: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = original(folders)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(TranslatorError, match=r"pip install 'surtitle\[convert\]'"):
        fetch(replace(ENTRY, name="madlad", is_converted=False), told())
    assert ct2_folders() == {}


def test_what_is_not_for_commercial_use_is_only_fetched_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "fetch", lambda entry, told, mirror: Path(entry.name))
    with pytest.raises(TranslatorError, match=r"may not be used commercially \(CC-BY-NC-4.0\)"):
        fetch_translator("nllb-600m", told())
    assert fetch_translator("nllb-600m", told(), may_be_non_commercial=True) == Path("nllb-600m")
    assert fetch_translator("m2m100-418m", told()) == Path("m2m100-418m")
    with pytest.raises(TranslatorError, match="no model 'siri' to fetch: opus-mt-en-es"):
        fetch_translator("siri", told())


def test_the_catalog() -> None:
    for entry in CATALOG.values():
        assert entry.repository.count("/") == 1 and entry.size_mb > 100
        assert len(entry.revision) in (0, 40) and len(entry.model_sha256) in (0, 64)
        assert entry.license and entry.attribution
    assert suggestion("en", "es") == "opus-mt-en-es" and suggestion("de", "fr") == "m2m100-418m"


def test_by_the_command(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetching, "CATALOG", {ENTRY.name: ENTRY})
    assert main(["models", "fetch", "opus-mt-en-es"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{models_folder() / 'opus-mt-en-es'}\n"
    assert "license CC-BY-4.0" in captured.err
    main(["models"])
    out = capsys.readouterr().out
    assert "opus-mt-en-es\n  Marian, 0.5 MB, en-es, license CC-BY-4.0\n  OPUS-MT by somebody" in out
    assert "nllb-600m: 631 MB" in out and "not for commercial use" in out
