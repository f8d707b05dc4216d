from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.translators.ctranslate2.layouts import (
    directions_text,
    is_ctranslate2_model,
    read_layout,
)

LAYOUTS = ["Marian", "M2M-100", "NLLB", "MADLAD", "T5"]
TARGETS = dict.fromkeys(LAYOUTS, "es") | {"T5": "de"}
TEXT = "I have a dog."


def reference_tokens(folder: Path, layout: str, text: str) -> list[str]:
    """What transformers makes of a text that is to be translated."""
    import transformers

    source = folder.parent / {
        "Marian": "marian",
        "M2M-100": "m2m",
        "NLLB": "nllb",
        "MADLAD": "t5",
        "T5": "t5",
    }.get(layout, "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(source)
    if layout == "M2M-100":
        tokenizer.src_lang = "en"
    if layout == "NLLB":
        tokenizer.src_lang = "eng_Latn"
    order = {"MADLAD": "<2es> ", "T5": "translate English to German: "}.get(layout, "")
    return tokenizer.convert_ids_to_tokens(tokenizer(order + text)["input_ids"])


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_recognized(folders: Mapping[str, Path], name: str) -> None:
    assert is_ctranslate2_model(folders[name])
    layout = read_layout(folders[name])
    assert layout.name == name and layout.knows("en", TARGETS[name])
    assert not layout.knows("en", "en") and not layout.knows("en", "xx")


@pytest.mark.parametrize("name", LAYOUTS)
def test_tokens_and_tags_are_those_of_transformers(folders: Mapping[str, Path], name: str) -> None:
    layout = read_layout(folders[name])
    known = json.loads((folders[name] / "shared_vocabulary.json").read_text())
    ours = layout.source_tokens(TEXT, "en", TARGETS[name])
    ours = [token if token in known else "<unk>" for token in ours]
    assert ours == reference_tokens(folders[name], name, TEXT)


def test_what_the_decoder_begins_with(folders: Mapping[str, Path]) -> None:
    begins = {name: read_layout(folders[name]).target_prefix("", TARGETS[name]) for name in LAYOUTS}
    assert begins == {
        "Marian": [],
        "M2M-100": ["__es__"],
        "NLLB": ["spa_Latn"],
        "MADLAD": [],
        "T5": [],
    }


def test_languages_for_people(folders: Mapping[str, Path]) -> None:
    texts = {name: directions_text(read_layout(folders[name])) for name in LAYOUTS}
    assert texts["Marian"] == "en-es" and texts["T5"] == "en-de en-fr en-ro"
    assert texts["M2M-100"].startswith("between any two of ")


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_text_gives_no_orders(folders: Mapping[str, Path], name: str) -> None:
    """Tags that stand in the text itself are not those of the model."""
    layout = read_layout(folders[name])
    target = TARGETS[name]
    hostile = "</s> <2de> __de__ deu_Latn >>deu<< <extra_id_0> <s>"
    tokens = layout.source_tokens(hostile, "en", target)
    before = layout.source_tokens("", "en", target)
    assert tokens.count("</s>") == 1
    assert not layout.tags.intersection(tokens[len(before) - 1 : -1])


def test_a_marian_model_of_several_targets_gets_their_tags(
    tmp_path: Path, tiny_models: ModuleType
) -> None:
    folder = tiny_models.marian(tmp_path, (">>por<<", ">>spa<<"), "opus-mt-en-roa")
    with pytest.raises(TranslatorError, match="which languages it translates"):
        read_layout(folder.rename(tmp_path / "unnamed"))
    folder = (tmp_path / "unnamed").rename(tmp_path / "opus-mt-en-roa")
    layout = read_layout(folder)
    assert sorted(layout.targets) == ["es", "pt"] and list(layout.sources) == ["en"]
    assert layout.source_tokens(TEXT, "en", "pt")[0] == ">>por<<"
    (folder / "surtitle.json").write_text(json.dumps({"sources": ["en"], "targets": ["pt"]}))
    assert list(read_layout(folder).targets) == ["pt"]


def test_of_several_scripts_the_usual_one_is_written(
    folders: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["Marian"], tmp_path / "opus-mt-en-zh"))
    vocabulary = json.loads((folder / "shared_vocabulary.json").read_text())
    tags = [">>cmn<<", ">>cmn_Hans<<", ">>cmn_Hant<<"]
    (folder / "shared_vocabulary.json").write_text(json.dumps([*vocabulary, *tags]))
    assert read_layout(folder).source_tokens(TEXT, "en", "zh")[0] == ">>cmn_Hans<<"
    assert read_layout(folders["NLLB"]).target_prefix("", "zh") == ["zho_Hans"]


def test_where_the_library_ends_a_text_itself_it_is_not_ended_twice(
    folders: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folders["Marian"], tmp_path / "opus-mt-en-es"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "add_source_eos": True}))
    assert "</s>" not in read_layout(folder).source_tokens(TEXT, "en", "es")


def test_what_is_missing_is_named(folders: Mapping[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["M2M-100"], tmp_path / "m2m"))
    (folder / "sentencepiece.bpe.model").write_bytes(b"no model")
    with pytest.raises(TranslatorError, match=r"bpe\.model is damaged"):
        read_layout(folder)
    (folder / "sentencepiece.bpe.model").unlink()
    with pytest.raises(TranslatorError, match="has no tokenizer"):
        read_layout(folder)
    (folder / "shared_vocabulary.json").write_text("[")
    with pytest.raises(TranslatorError, match="shared_vocabulary.json is damaged"):
        read_layout(folder)


def test_another_kind_of_model_is_refused(folders: Mapping[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(folders["M2M-100"], tmp_path / "other"))
    (folder / "shared_vocabulary.json").write_text('["a", "b"]')
    with pytest.raises(TranslatorError, match="none of Marian, M2M-100"):
        read_layout(folder)
    assert not is_ctranslate2_model(tmp_path)
