"""Parallel text for training: read, and parted into what is learned and what is held out."""

from __future__ import annotations

import lzma
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from ..errors import TrainingError
from ..network.batches import Pair
from ..network.spelling import spoken, written
from ..network.tokenizer import Direction

HELD_OUT_SHARE = 0.01
MIN_HELD_OUT, MAX_HELD_OUT = 50, 500  # distinct sources


@dataclass(frozen=True, slots=True)
class Corpus:
    """Pairs to learn from, and pairs to measure with, which have no source in common."""

    train: list[Pair]
    dev: list[Pair]


def read_folder(folder: Path, directions: Sequence[Direction]) -> Corpus:
    """Tatoeba and MASSIVE, of a folder that has them or one of them.

    Files are `tatoeba-en-xx/{train,dev}.en-xx.tsv.xz` (english, other, origin), which serve both
    ways, and `massive/massive.train-dev.tsv.xz` with a column per language. Raises TrainingError
    for a direction without text.
    """
    corpus = Corpus([], [])
    commands = _Commands(folder / "massive" / "massive.train-dev.tsv.xz")
    for direction in directions:
        train = _tatoeba(folder, direction, "train") + commands.pairs(direction, "train")
        dev = _tatoeba(folder, direction, "dev") or commands.pairs(direction, "dev")
        if not train or not dev:
            others = sorted(path.name[-2:] for path in folder.glob("tatoeba-en-*"))
            known = [*(f"en with {other}" for other in others), *commands.languages]
            raise TrainingError(
                f"{folder} has no text to train and to test {'-'.join(direction)}; it has "
                f"{', '.join(known) or 'neither tatoeba-en-* nor massive'}. For text of your own "
                "give --tsv FILE"
            )
        corpus.train.extend(train)
        corpus.dev.extend(dev)
    return corpus


def read_dev_sets(folder: Path, direction: Direction) -> dict[str, list[Pair]]:
    """What is there to measure a direction with, by name: Tatoeba, MASSIVE (commands, whose texts
    come in lower case without punctuation) and FLORES (`flores200-dev/dev.tsv.xz`).

    Raises TrainingError where there is nothing.
    """
    commands = _Commands(folder / "massive" / "massive.train-dev.tsv.xz")
    news = _Columns(folder / "flores200-dev" / "dev.tsv.xz")
    sets = {
        "tatoeba": _tatoeba(folder, direction, "dev"),
        "massive": commands.pairs(direction, "dev"),
        "flores": news.pairs(direction),
    }
    if not any(sets.values()):
        raise TrainingError(
            f"{folder} has no dev set of {'-'.join(direction)}: neither tatoeba-en-*, massive nor "
            "flores200-dev with these languages"
        )
    return {name: pairs for name, pairs in sets.items() if pairs}


def read_own(path: Path, dev_path: Path | None, direction: Direction) -> Corpus:
    """A TSV file, with what is held out of it or the pairs of `dev_path`."""
    pairs = read_tsv(path, direction)
    if dev_path is None:
        return hold_out(pairs, path)
    dev = read_tsv(dev_path, direction)
    held = {spoken(pair.source) for pair in dev}
    train = [pair for pair in pairs if spoken(pair.source) not in held]
    if not train:
        raise TrainingError(
            f"all sources of {path} are in {dev_path} too: nothing is left to learn"
        )
    return Corpus(train, dev)


def hold_out(pairs: Sequence[Pair], origin: Path) -> Corpus:
    """Part pairs by a hash of their sources: the same ones are held out every time, and none is
    held out whose twin, as spoken, is learned."""

    def digest(text: str) -> bytes:
        return sha256(text.encode()).digest()

    keys = sorted({spoken(pair.source) for pair in pairs}, key=digest)
    if len(keys) < 2 * MIN_HELD_OUT:
        raise TrainingError(
            f"{origin} has {len(keys)} different sources; at least {2 * MIN_HELD_OUT} are needed, "
            f"as {MIN_HELD_OUT} are held out to measure with (or give others by --dev-tsv FILE)"
        )
    count = min(max(int(HELD_OUT_SHARE * len(keys)), MIN_HELD_OUT), MAX_HELD_OUT)
    dev: dict[str, Pair | None] = dict.fromkeys(keys[:count])
    train: list[Pair] = []
    for pair in pairs:
        key = spoken(pair.source)
        if key not in dev:
            train.append(pair)
        elif dev[key] is None:
            dev[key] = pair
    return Corpus(train, [pair for pair in dev.values() if pair is not None])


def oversampled(pairs: Sequence[Pair], times: Mapping[Direction, int]) -> Sequence[Pair]:
    """The pairs, those of some directions more than once: what is learned worst is seen most."""
    if not times:
        return pairs
    return [pair for pair in pairs for _ in range(times.get(pair.direction, 1))]


def read_tsv(path: Path, direction: Direction) -> list[Pair]:
    """Pairs of a file with `source<TAB>target` on each line; further columns are ignored.

    Raises TrainingError naming the line.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        source, tab, rest = line.partition("\t")
        target = rest.partition("\t")[0]
        if not tab:
            raise TrainingError(
                f"{path}, line {number}: no tab between source and target: {line!r}"
            )
        if not source.strip() or not target.strip():
            raise TrainingError(f"{path}, line {number}: an empty source or target: {line!r}")
        pairs.append(Pair(source.strip(), target.strip(), direction))
    if not pairs:
        raise TrainingError(f"{path} is empty: each line must be a source, a tab and a target")
    return pairs


def read_monolingual(folder: Path, language: str) -> list[str]:
    """The sentences in one language of all the Tatoeba files of `folder`, each once."""
    texts: dict[str, None] = {}
    for path in sorted(folder.glob("tatoeba-en-*/train.*.tsv.xz")):
        other = path.parent.name.rpartition("-")[2]
        if language in ("en", other):
            column = 0 if language == "en" else 1
            texts |= dict.fromkeys(line.split("\t")[column] for line in _lines(path))
    return list(texts)


def _tatoeba(folder: Path, direction: Direction, part: str) -> list[Pair]:
    source, target = direction
    other = target if source == "en" else source
    path = folder / f"tatoeba-en-{other}" / f"{part}.en-{other}.tsv.xz"
    if "en" not in direction or not path.exists():
        return []
    rows = [line.split("\t") for line in _lines(path)]
    if source == "en":
        return [Pair(row[0], row[1], direction) for row in rows]
    return [Pair(row[1], row[0], direction) for row in rows]


class _Columns:
    """Text with a header that names a column per language; none where there is no such file."""

    def __init__(self, path: Path) -> None:
        header, *lines = _lines(path) if path.exists() else [""]
        columns = header.split("\t")
        self.languages = [column for column in columns if len(column) == 2 and column != "id"]
        self._rows = [dict(zip(columns, line.split("\t"), strict=True)) for line in lines]

    def pairs(self, direction: Direction, part: str | None = None) -> list[Pair]:
        """Of one partition, where there are several."""
        source, target = direction
        if source not in self.languages or target not in self.languages:
            return []
        return [
            Pair(row[source], row[target], direction)
            for row in self._rows
            if row.get("partition") == part
        ]


class _Commands(_Columns):
    """Spoken commands (MASSIVE) with the targets written properly: they come in lower case."""

    def pairs(self, direction: Direction, part: str | None = None) -> list[Pair]:
        return [
            replace(pair, target=written(pair.target, direction[1]))
            for pair in super().pairs(direction, part)
        ]


def _lines(path: Path) -> Iterator[str]:
    opened = lzma.open if path.suffix == ".xz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.rstrip("\r\n")
    except FileNotFoundError as error:
        raise TrainingError(f"{path} is missing") from error
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} cannot be read as UTF-8 text: {error}") from error
