"""Parallel text for training: read, vary, turn into batches of token ids."""

from __future__ import annotations

import lzma
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .errors import CheckpointError
from .tokenizer import TranslationTokenizer

_OPENERS = {
    "es": ("qué", "cuál", "cuáles", "cómo", "cuándo", "dónde", "quién", "cuánto", "cuántos"),
}
_OPENERS_AFTER = ("a", "de", "por", "en", "para", "con", "hasta", "desde")


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence, its translation, and the translation of an earlier, shorter part of it, from
    which a live caption goes on ("" if there is none)."""

    source: str
    target: str
    draft: str = ""


def read_pairs(folder: Path, source: str, target: str, part: str) -> list[Pair]:
    """Pairs of one direction from the Tatoeba files of `folder`; part is "train" or "dev".

    Files are `tatoeba-en-xx/PART.en-xx.tsv.xz`: english, other, origin. Raises CheckpointError
    naming the missing file.
    """
    other = target if source == "en" else source
    path = folder / f"tatoeba-en-{other}" / f"{part}.en-{other}.tsv.xz"
    swap = source != "en"
    rows = [line.split("\t") for line in _lines(path)]
    return [Pair(row[1], row[0]) if swap else Pair(row[0], row[1]) for row in rows]


def read_monolingual(folder: Path, language: str) -> list[str]:
    """The sentences in one language of all the Tatoeba files of `folder`, which pair English with
    others."""
    texts: list[str] = []
    for path in sorted(folder.glob("tatoeba-en-*/train.*.tsv.xz")):
        other = path.parent.name.rpartition("-")[2]
        if language in ("en", other):
            column = 0 if language == "en" else 1
            texts += [line.split("\t")[column] for line in _lines(path)]
    return texts


def read_commands(folder: Path, source: str, target: str, part: str) -> list[Pair]:
    """Spoken commands (MASSIVE) with the target written properly: they come in lower case."""
    header, *lines = _lines(folder / "massive" / "massive.train-dev.tsv.xz")
    columns = header.split("\t")
    rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]
    return [
        Pair(row[source], written(row[target], target)) for row in rows if row["partition"] == part
    ]


def read_tsv(path: Path) -> list[Pair]:
    """Pairs of a file with `source<TAB>target`, and a draft if there is one, on each line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [Pair(*line.split("\t")) for line in lines]


def write_tsv(path: Path, pairs: Sequence[Pair]) -> None:
    rows = ((p.source, p.target, p.draft) if p.draft else (p.source, p.target) for p in pairs)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def _lines(path: Path) -> list[str]:
    try:
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
            return file.read().splitlines()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing: give the folder of the parallel text") from error


def written(text: str, language: str) -> str:
    """A lower-case sentence with a capital and its end mark; questions by their first words."""
    words = text.split()
    first = words[1:2] if words[0] in _OPENERS_AFTER else words[:1]
    question = first and first[0] in _OPENERS.get(language, ())
    text = text[0].upper() + text[1:]
    return f"¿{text}?" if question else f"{text}."


def spoken(text: str) -> str:
    """Text as a recognizer without punctuation delivers it: lower case, apostrophes kept."""
    text = re.sub(r"[^\w\s'’-]", " ", text.lower()).replace("’", "'")
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids; `draft` is what the canvas held before, the answer itself if nothing else."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    draft: tuple[int, ...]


def examples(
    pairs: Sequence[Pair],
    tokenizer: TranslationTokenizer,
    source: str,
    target: str,
    rng: random.Random,
    max_tokens: int = 64,
) -> list[Example]:
    """Tokenized pairs, half of the sources as a recognizer would deliver them."""
    found: list[Example] = []
    for pair in pairs:
        text = spoken(pair.source) if rng.random() < 0.5 else pair.source
        prompt = tuple(tokenizer.prompt(text, source, target))
        answer = tuple(tokenizer.answer(pair.target))
        draft = tuple(tokenizer.answer(pair.draft)) if pair.draft else answer
        if max(len(prompt), len(answer), len(draft)) <= max_tokens:
            found.append(Example(prompt, answer, draft))
    return found


def batches(data: Sequence[Example], tokens: int, rng: random.Random) -> Iterator[list[Example]]:
    """One epoch of batches of about `tokens` tokens, each of similar lengths, in random order."""
    keyed = [(len(e.prompt) + len(e.answer) + rng.random() * 2, e) for e in data]
    keyed.sort(key=lambda item: item[0])
    groups: list[list[Example]] = []
    group: list[Example] = []
    for _, example in keyed:
        size = len(example.prompt) + len(example.answer)
        if group and size * (len(group) + 1) > tokens:
            groups.append(group)
            group = []
        group.append(example)
    groups.append(group)
    rng.shuffle(groups)
    yield from groups


def pad(rows: Sequence[Sequence[int]], value: int, length: int | None = None) -> Tensor:
    """Rows of ids as one tensor [B, length] int64, right-padded with `value`."""
    length = length or max(map(len, rows))
    return torch.tensor([[*row, *[value] * (length - len(row))] for row in rows])
