"""How a CTranslate2 model wants its texts: its tokenizer files and language tags, as they are found
in its folder.

| layout | tokenizer | before the text | before the translation |
|---|---|---|---|
| Marian (OPUS-MT) | `source.spm`, `target.spm` | `>>es<<` where there are several targets | |
| M2M-100 | `sentencepiece.bpe.model` | `__en__` | `__es__` |
| NLLB | `sentencepiece.bpe.model`, `tokenizer.json` | `eng_Latn` | `spa_Latn` |
| MADLAD | `spiece.model`, `sentencepiece.model`, `tokenizer.json` | `<2es>` | |
| T5 | the same | `translate English to German:` | |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ...errors import TranslatorError
from ...text.codes import two_letters
from .subwords import Subwords, load_subwords

CARD = "surtitle.json"  # beside a model that was fetched: where it is from, and what it knows
END = "</s>"
_VOCABULARIES = ("shared_vocabulary", "source_vocabulary", "target_vocabulary")
_SHARED_FILES = (
    "sentencepiece.bpe.model",
    "spiece.model",
    "sentencepiece.model",
    "tokenizer.json",
)
_MARIAN_TAG = re.compile(r">>([A-Za-z]{2,3})(?:_[A-Za-z]+)?<<")
_M2M_TAG = re.compile(r"__([a-z]{2})__")
_NLLB_TAG = re.compile(r"([a-z]{3})_[A-Z][a-z]{3}")
_MADLAD_TAG = re.compile(r"<2([a-z]{2})>")
_MARIAN_NAME = re.compile(r"opus-mt-(?:tc-[a-z]+-)?([a-z]{2,3})-([a-z]{2,3})(?:-.*)?")
# Languages that NLLB calls by another code than ISO 639-2 does, or has in several scripts.
_NLLB_TAGS = {
    "ar": "arb_Arab",
    "az": "azj_Latn",
    "et": "est_Latn",
    "fa": "pes_Arab",
    "lv": "lvs_Latn",
    "mg": "plt_Latn",
    "mn": "khk_Cyrl",
    "ms": "zsm_Latn",
    "ne": "npi_Deva",
    "no": "nob_Latn",
    "ps": "pbt_Arab",
    "sq": "als_Latn",
    "sw": "swh_Latn",
    "uz": "uzn_Latn",
    "yi": "ydd_Hebr",
    "zh": "zho_Hans",
}
_MARIAN_TAGS = {"zh": ">>cmn_Hans<<", "pt": ">>por<<", "ar": ">>ara<<"}  # of those with several
_T5_TARGETS = {"de": "German", "fr": "French", "ro": "Romanian"}


@dataclass(frozen=True, slots=True)
class Tags:
    """Of a target language: the tokens before the text, and before its translation."""

    in_source: tuple[str, ...] = ()
    in_target: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which languages a model knows, and what its texts are as tokens. `sources` are the tokens
    before a text in each language, and `tags` all those that no text may contain."""

    name: str
    sources: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, Tags]
    source_subwords: Subwords
    target_subwords: Subwords
    tags: frozenset[str]
    end: tuple[str, ...] = (END,)  # of a text; none where the library adds it itself

    def knows(self, source: str, target: str) -> bool:
        return source != target and source in self.sources and target in self.targets

    def source_tokens(self, text: str, source: str, target: str) -> list[str]:
        """What the encoder reads."""
        before = *self.sources[source], *self.targets[target].in_source
        return [*before, *self._plain(self.source_subwords, text), *self.end]

    def target_prefix(self, pinned: str, target: str) -> list[str]:
        """What the decoder begins with, for a translation that begins with a text."""
        pieces = self._plain(self.target_subwords, pinned) if pinned else []
        return [*self.targets[target].in_target, *pieces]

    def _plain(self, subwords: Subwords, text: str) -> list[str]:
        """The pieces of a text; nobody who speaks gives the model orders."""
        return [piece for piece in subwords.split(text) if piece not in self.tags]


def is_ctranslate2_model(folder: Path) -> bool:
    """Whether a folder holds one, and not another kind of model or one for another task."""
    names = (f"{name}.{ending}" for name in _VOCABULARIES for ending in ("json", "txt"))
    return (folder / "model.bin").is_file() and any((folder / name).is_file() for name in names)


def read_layout(folder: Path) -> Layout:
    """The layout of a model's folder. Raises TranslatorError naming what is missing."""
    layout = _layout(folder)
    path = folder / "config.json"
    ends_itself = path.is_file() and _read_object(path).get("add_source_eos")
    return replace(layout, end=()) if ends_itself else layout


def _layout(folder: Path) -> Layout:
    vocabulary = _vocabulary(folder)
    card = read_card(folder)
    if (folder / "source.spm").is_file() and (folder / "target.spm").is_file():
        return _marian(folder, vocabulary, card)
    subwords = _shared_subwords(folder)
    for name, pattern in (("M2M-100", _M2M_TAG), ("NLLB", _NLLB_TAG)):
        if len(found := _tags(pattern, vocabulary)) > 1:
            sources = {language: (tag,) for language, tag in found.items()}
            targets = {language: Tags(in_target=(tag,)) for language, tag in found.items()}
            tags = _special(vocabulary, pattern)
            return Layout(name, sources, targets, subwords, subwords, tags)
    if len(found := _tags(_MADLAD_TAG, vocabulary)) > 1:
        targets = {language: Tags(in_source=(tag,)) for language, tag in found.items()}
        tags = _special(vocabulary, re.compile(r"<2[A-Za-z_]+>"))
        return Layout("MADLAD", dict.fromkeys(found, ()), targets, subwords, subwords, tags)
    if "<extra_id_0>" in vocabulary:
        orders = {
            language: Tags(tuple(subwords.split(f"translate English to {name}:")))
            for language, name in _T5_TARGETS.items()
        }
        tags = _special(vocabulary, re.compile(r"<extra_id_\d+>"))
        return Layout("T5", {"en": ()}, orders, subwords, subwords, tags)
    raise TranslatorError(
        f"{folder} holds a CTranslate2 model, but none of Marian, M2M-100, NLLB, MADLAD or T5: "
        "its vocabulary has no language tags of theirs"
    )


def read_card(folder: Path) -> Mapping[str, Any]:
    """What is known about a model that was fetched; empty where nothing is."""
    return _read_object(folder / CARD) if (folder / CARD).is_file() else {}


def _marian(folder: Path, vocabulary: frozenset[str], card: Mapping[str, Any]) -> Layout:
    known_sources, known_targets = _marian_languages(folder, card)
    tagged = _tags(_MARIAN_TAG, vocabulary)
    targets = {language: Tags((tag,)) for language, tag in tagged.items()}
    if known_targets:  # an untagged model has one; of a tagged one, the card may leave some out
        targets = {language: targets.get(language, Tags()) for language in known_targets}
    if not known_sources or not targets:
        raise TranslatorError(
            f"nothing in {folder} says which languages it translates: call the folder "
            'opus-mt-en-es, say, or write {"sources": ["en"], "targets": ["es"]} to its ' + CARD
        )
    return Layout(
        "Marian",
        dict.fromkeys(known_sources, ()),
        targets,
        load_subwords(folder / "source.spm"),
        load_subwords(folder / "target.spm"),
        _special(vocabulary, re.compile(r">>[^<>]+<<")),
    )


def _marian_languages(folder: Path, card: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Its sources and targets, by its card, its tokenizer's configuration, or its folder's name;
    no targets where it has tags for them."""
    if "sources" in card and "targets" in card:
        return _texts(card["sources"], folder / CARD), _texts(card["targets"], folder / CARD)
    source = target = ""
    if (folder / "tokenizer_config.json").is_file():
        found = _read_object(folder / "tokenizer_config.json")
        source, target = str(found.get("source_lang")), str(found.get("target_lang"))
    if two_letters(source) is None and (named := _MARIAN_NAME.fullmatch(folder.name.lower())):
        source, target = named.groups()
    pair = [[code] if (code := two_letters(each)) else [] for each in (source, target)]
    return pair[0], pair[1]


def _tags(pattern: re.Pattern[str], vocabulary: Iterable[str]) -> dict[str, str]:
    """The tag of each language, sorted; of those with several the usual one."""
    found: dict[str, str] = {}
    known = frozenset(vocabulary)
    for token in sorted(known):
        match = pattern.fullmatch(token)
        language = two_letters(match[1]) if match else None
        if language is not None:
            found.setdefault(language, token)
    usual = {_NLLB_TAG: _NLLB_TAGS, _MARIAN_TAG: _MARIAN_TAGS}.get(pattern, {})
    found |= {language: tag for language, tag in usual.items() if tag in known}
    return dict(sorted(found.items()))


def _special(vocabulary: frozenset[str], pattern: re.Pattern[str]) -> frozenset[str]:
    tags = {token for token in vocabulary if pattern.fullmatch(token)}
    return frozenset(tags | {END, "<s>", "<pad>", "<unk>"})


def _vocabulary(folder: Path) -> frozenset[str]:
    tokens: list[str] = []
    for name in _VOCABULARIES:
        if (path := folder / f"{name}.json").is_file():
            tokens += _texts(_read_json(path), path)
        elif (path := folder / f"{name}.txt").is_file():
            tokens += _read_text(path).split("\n")
    if not tokens:
        raise TranslatorError(f"{folder} is no CTranslate2 translator: it has no vocabulary")
    return frozenset(tokens)


def _shared_subwords(folder: Path) -> Subwords:
    for name in _SHARED_FILES:
        if (folder / name).is_file():
            return load_subwords(folder / name)
    raise TranslatorError(
        f"{folder} has no tokenizer: one of source.spm and target.spm, {', '.join(_SHARED_FILES)}; "
        "copy it from where the model is from"
    )


def _texts(found: object, path: Path) -> list[str]:
    """A list of texts that a file holds."""
    texts = cast("list[object]", found) if isinstance(found, list) else [found]
    if not all(isinstance(text, str) for text in texts):
        raise TranslatorError(f"{path} must hold a list of texts, got {found!r:.80}")
    return cast("list[str]", texts)


def _read_object(path: Path) -> dict[str, Any]:
    found = _read_json(path)
    if not isinstance(found, dict):
        raise TranslatorError(f"{path} must hold a JSON object, got {found!r:.80}")
    return cast("dict[str, Any]", found)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise TranslatorError(f"{path} is damaged ({error}): fetch the model again") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TranslatorError(f"{path} is damaged ({error}): fetch the model again") from error


def directions_text(layout: Layout) -> str:
    """For people: "en-es", or how many languages."""
    sources, targets = sorted(layout.sources), sorted(layout.targets)
    if len(sources) * len(targets) <= 12:
        return " ".join(f"{one}-{other}" for one in sources for other in targets if one != other)
    if sources == targets:
        return f"between any two of {len(sources)} languages"
    return f"{_some(sources)} to {_some(targets)}"


def _some(languages: Sequence[str]) -> str:
    return " ".join(languages) if len(languages) <= 12 else f"{len(languages)} languages"
