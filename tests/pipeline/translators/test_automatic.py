from __future__ import annotations

import asyncio
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from surtitle.pipeline.cli import main
from surtitle.pipeline.config import TranslatorConfig
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators import TRANSLATORS, open_translator
from surtitle.pipeline.translators.ctranslate2.installed import (
    ct2_folders,
    find_folder,
    models_folder,
)


@pytest.fixture
def installed(folders: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are installed: one of OPUS-MT from English to Spanish."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    shutil.copytree(folders["Marian"], models_folder() / "opus-mt-en-es")
    return models_folder()


def choice(
    *directions: tuple[str | None, str], name: str = "auto", checkpoints: tuple[str, ...] = ()
) -> tuple[str, list[str]]:
    """The name of the translator that is chosen, and what is said."""
    said: list[str] = []
    translator = open_translator(TranslatorConfig(name, checkpoints), directions, said.append)
    for source, target in directions:
        if source is not None:
            translator.check(source, target)
    asyncio.run(translator.aclose())
    return translator.name, said


def test_the_folder_is_that_of_our_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surtitle.model import installed

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == installed.models_folder()


def test_without_others_it_is_the_embedded_model_and_this_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    name, said = choice(("en", "de"))
    assert name == "own"
    assert said == [
        "the embedded translator is a small one, for trying out; "
        "`surtitle models fetch opus-mt-en-de` gets a good one"
    ]


def test_what_nobody_knows_is_told_with_what_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    said: list[str] = []
    translator = open_translator(TranslatorConfig(), [("en", "ja")], said.append)
    with pytest.raises(TranslatorError, match="en to ja, only .*fetch m2m100-418m` gets one that"):
        translator.check("en", "ja")
    asyncio.run(translator.aclose())
    assert said == []


def test_an_installed_model_is_taken_for_its_languages(installed: Path) -> None:
    assert choice(("en", "es")) == ("ct2", [])


def test_the_embedded_model_does_what_it_does_not_know(installed: Path) -> None:
    name, said = choice(("en", "es"), ("en", "de"))
    assert name == "ct2 and own" and len(said) == 1 and "opus-mt-en-de" in said[0]
    assert choice(("fr", "es"))[0] == "ct2 and own"


def test_where_nobody_knows_the_languages_yet_all_are_loaded(installed: Path) -> None:
    assert choice() == ("ct2 and own", [])
    assert choice((None, "es"))[0] == "ct2 and own"


def test_named_models_of_both_kinds(installed: Path) -> None:
    assert choice(("en", "es"), checkpoints=("embedded",)) == ("own", [])
    both = ("opus-mt-en-es", "embedded")
    assert choice(("fr", "es"), checkpoints=both) == ("ct2 and own", [])
    assert choice(("en", "es"), checkpoints=(str(installed / "opus-mt-en-es"),)) == ("ct2", [])


def test_by_the_command(
    folders: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A folder for each direction, both of CTranslate2."""
    options = ["--translator", "ct2"]
    for name in ("Marian", "T5"):
        options += ["--checkpoint", str(folders[name])]
    for target in ("es", "de"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"A dog.\nA cat.\n")))
        assert main(["translate", "--to", target, *options]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["translate", "--to", "fr", *options, "--checkpoint", str(tmp_path)]) == 1
    assert f"{tmp_path} is no CTranslate2 translator" in capsys.readouterr().err


def test_a_damaged_model_is_no_obstacle(installed: Path) -> None:
    (installed / "opus-mt-en-es" / "source.spm").write_bytes(b"")
    assert choice(("en", "es"))[0] == "own"


def test_only_ct2(installed: Path) -> None:
    assert choice(("en", "es"), name="ct2") == ("ct2", [])
    with pytest.raises(
        TranslatorError, match="cannot translate en to de, only en-es; .*fetch opus-mt-en-de"
    ):
        choice(("en", "de"), name="ct2")
    shutil.rmtree(installed)
    with pytest.raises(TranslatorError, match="`surtitle models fetch opus-mt-en-de` gets one"):
        choice(("en", "de"), name="ct2")


def test_a_name_that_is_none(installed: Path, tmp_path: Path) -> None:
    with pytest.raises(TranslatorError, match="there are opus-mt-en-es"):
        find_folder("opus")
    with pytest.raises(TranslatorError, match="is no CTranslate2 translator"):
        find_folder(tmp_path)
    with pytest.raises(ValueError, match=", ".join(TRANSLATORS)):
        open_translator(TranslatorConfig("siri"))


def test_own_and_foreign_models_share_a_folder(installed: Path) -> None:
    from surtitle.model.installed import model_folders

    (installed / "mine").mkdir()
    assert list(ct2_folders()) == ["opus-mt-en-es"]
    assert [name for name in model_folders() if not name.startswith("embedded")] == ["mine"]


def test_the_translation_is_that_of_the_installed_model(installed: Path) -> None:
    request = TranslationRequest("I have a dog.", "en", "es")
    texts: list[str] = []
    for name in ("auto", "ct2"):
        translator = open_translator(TranslatorConfig(name), [("en", "es")])
        texts.append(asyncio.run(translator.translate(request)))
        asyncio.run(translator.aclose())
    assert texts[0] == texts[1] != ""
