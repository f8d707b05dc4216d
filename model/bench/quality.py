"""`surtitle bench quality`: how good translations are, beside what else could be had here.

Dev sets of a data folder, one reference each; how many tokens a pass commits; checks that names,
numbers, dates and times of day survive; how long one sentence takes; and how many amounts are
changed. All on the CPU, in one run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import torch

from ..errors import CheckpointError, PeerError, TrainingError
from ..installed import find_model, inspect
from ..network.batches import Pair
from ..network.spelling import spoken
from ..network.tokenizer import Direction
from ..training.corpus import read_dev_sets
from ..training.settings import names, parse_directions
from .checks import KINDS, Check, read_checks
from .evaluation import LanguageCheck, Scores, chrf_signature, evaluate
from .latency import measure_latency, processor, timed_sentences
from .passes import PassesLine, count_passes
from .peers import Contestant, contestants
from .report import report

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MAX_WORDS = 32  # longer sentences are cut before they are translated, and are not measured here
USUAL_LINES = {"massive": 500, "flores": 200}
T = TypeVar("T")
# A model's folder, a direction and the most sentences -> in how many of them amounts are changed.
AmountCount = Callable[[Path, Direction, int | None], Iterable["DataclassInstance"]]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """Scores of a test set. compared: both sides as they are ("written"), or both in lower case
    without punctuation ("spoken"); skipped: sentences of the whole set that are too long;
    wrong_language: by frequent words, and so roughly; ms_per_line: all of them together."""

    direction: str
    test_set: str
    source: str
    compared: str
    contestant: str
    skipped: int
    wrong_language: int
    ms_per_line: float
    scores: Scores

    def __str__(self) -> str:
        s = self.scores
        return (
            f"{self.direction} {self.test_set:<7} {self.source:<7} compared {self.compared:<7} "
            f"BLEU {s.bleu:5.1f} chrF {s.chrf:5.1f}  {s.lines:>4} lines: {s.empty} empty, "
            f"{s.looping} looping, {s.copied} copied, {self.wrong_language} in a wrong language, "
            f"{self.skipped} too long  {self.ms_per_line:6.1f} ms a line  {self.contestant}"
        )


@dataclass(frozen=True, slots=True)
class ChecksLine:
    """How many of the checks of each kind are right, of how many; and source and answer of the
    others."""

    direction: str
    source: str
    contestant: str
    right: Mapping[str, int]
    checks: Mapping[str, int]
    missed: Sequence[Sequence[str]]

    def __str__(self) -> str:
        kinds = [f"{kind} {self.right[kind]}/{self.checks[kind]}" for kind in KINDS]
        total = f"all {sum(self.right.values())}/{sum(self.checks.values())}"
        return f"{self.direction} checks  {self.source:<7} {' '.join(kinds)} {total}  " + (
            self.contestant
        )


@dataclass(frozen=True, slots=True)
class LatencyLine:
    """One sentence by itself; and per sentence, when all of them are given at once."""

    direction: str
    contestant: str
    sentences: int
    words: tuple[int, int]
    median_ms: float
    p90_ms: float
    together_ms: float

    def __str__(self) -> str:
        return (
            f"{self.direction} one sentence of {self.words[0]} to {self.words[1]} words: "
            f"{self.median_ms:6.0f} ms (p90 {self.p90_ms:.0f}), "
            f"{self.sentences} together {self.together_ms:5.0f} ms each  {self.contestant}"
        )


@dataclass(frozen=True, slots=True)
class _TestSet:
    name: str
    source: str
    compared: tuple[str, ...]
    pairs: Sequence[Pair]
    skipped: int

    @property
    def sources(self) -> list[str]:
        texts = [pair.source for pair in self.pairs]
        return [spoken(text) for text in texts] if self.source == "spoken" else texts


def main(argv: Sequence[str], count_amounts: AmountCount | None = None) -> int:
    """`count_amounts` is what stands in front of all translators, and nothing here knows of."""
    arguments = _parser().parse_args(argv)
    try:
        if find_spec("sacrebleu") is None:
            raise TrainingError("scores need sacrebleu: pip install 'surtitle[train]'")
        folder = find_model(arguments.checkpoint)
        directions = _chosen(inspect(folder).directions, arguments.directions)
        about = {
            "bench": "quality",
            "device": processor(),
            "threads": torch.get_num_threads(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "torch": torch.__version__,
            "model": folder.name,
            "dtype": "float32",
            "chrf": chrf_signature(),
            "directions": ["-".join(direction) for direction in directions],
        }
        found = (
            line
            for direction in directions
            for line in compare(
                contestants(folder, direction),
                read_dev_sets(arguments.data, direction),
                direction,
                arguments.lines,
            )
        )
        counted = (
            line
            for direction in directions
            for line in (count_amounts(folder, direction, arguments.lines) if count_amounts else ())
        )
        report(about, chain(found, counted), cast("Path | None", arguments.out))
    except (CheckpointError, TrainingError, PeerError) as error:
        print(f"surtitle bench: {error}", file=sys.stderr)
        return 1
    return 0


def _chosen(known: Sequence[Direction], asked: Sequence[Direction] | None) -> Sequence[Direction]:
    if unknown := set(asked or ()) - set(known):
        raise CheckpointError(f"the model translates {names(known)}, not {names(unknown)}")
    return asked or known


def compare(
    rivals: Sequence[Contestant],
    dev_sets: Mapping[str, Sequence[Pair]],
    direction: Direction,
    lines: int | None,
) -> Iterator[ScoreLine | PassesLine | ChecksLine | LatencyLine]:
    """Set by set, one rival after the other; `lines`: the most of each set."""
    pairs = [pair for found in dev_sets.values() for pair in found]
    sources, references = [pair.source for pair in pairs], [pair.target for pair in pairs]
    language = LanguageCheck(sources, references, *direction)
    for test_set in _test_sets(dev_sets, lines):
        for rival in rivals:
            yield from _scores(rival, test_set, language)
    checks = _spread(read_checks(direction), lines)
    for source in ("written", "spoken") if checks else ():
        for rival in rivals:
            yield _check(rival, checks, source, direction)
    timed = timed_sentences(sources)
    for rival in rivals:
        yield _latency(rival, timed, direction)


def _test_sets(dev_sets: Mapping[str, Sequence[Pair]], lines: int | None) -> Iterator[_TestSet]:
    for name, pairs in dev_sets.items():
        short = [pair for pair in pairs if len(pair.source.split()) <= MAX_WORDS]
        taken, skipped = _spread(short, lines or USUAL_LINES.get(name)), len(pairs) - len(short)
        if name != "massive":
            yield _TestSet(name, "written", ("written",), taken, skipped)
        # No punctuation is put back by a translator that does not aim at speech.
        if name == "tatoeba":
            yield _TestSet(name, "spoken", ("written", "spoken"), taken, skipped)
        elif name == "massive":  # whose references have neither capitals nor punctuation
            yield _TestSet(name, "spoken", ("spoken",), taken, skipped)


def _scores(
    rival: Contestant, test_set: _TestSet, language: LanguageCheck
) -> Iterator[ScoreLine | PassesLine]:
    sources, references = test_set.sources, [pair.target for pair in test_set.pairs]
    distinct = list(dict.fromkeys(sources))  # some sentences have several translations
    started = time.perf_counter()
    counted = rival.answer(distinct) if rival.answer else []
    texts = [answer.text for answer in counted] if rival.answer else rival.translate(distinct)
    ms_per_line = 1000 * (time.perf_counter() - started) / len(distinct)
    found = dict(zip(distinct, texts, strict=True))
    answers = [found[source] for source in sources]
    direction = test_set.pairs[0].direction
    for compared in test_set.compared:
        if compared == "spoken":
            answers, references = list(map(spoken, answers)), list(map(spoken, references))
        yield ScoreLine(
            "-".join(direction),
            test_set.name,
            test_set.source,
            compared,
            rival.name,
            test_set.skipped,
            sum(map(language.is_wrong, answers)),
            ms_per_line,
            evaluate(sources, answers, references, direction[1]),
        )
    if counted:
        name = "-".join(direction)
        yield count_passes(counted, name, test_set.name, test_set.source, rival.name)


def _check(
    rival: Contestant, checks: Sequence[Check], source: str, direction: Direction
) -> ChecksLine:
    texts = [spoken(check.source) if source == "spoken" else check.source for check in checks]
    answers = rival.translate(texts)
    right = [check.is_right(answer) for check, answer in zip(checks, answers, strict=True)]
    of_kind = {
        kind: [ok for check, ok in zip(checks, right, strict=True) if check.kind == kind]
        for kind in KINDS
    }
    return ChecksLine(
        "-".join(direction),
        source,
        rival.name,
        right={kind: sum(found) for kind, found in of_kind.items()},
        checks={kind: len(found) for kind, found in of_kind.items()},
        missed=[both for *both, ok in zip(texts, answers, right, strict=True) if not ok],
    )


def _latency(rival: Contestant, texts: Sequence[str], direction: Direction) -> LatencyLine:
    latency = measure_latency(lambda text: rival.translate([text]), texts)
    started = time.perf_counter()
    rival.translate(texts)
    together_ms = 1000 * (time.perf_counter() - started) / len(texts)
    words = [len(text.split()) for text in texts]
    return LatencyLine(
        "-".join(direction),
        rival.name,
        len(texts),
        (min(words), max(words)),
        *latency,
        together_ms=together_ms,
    )


def _spread(items: Sequence[T], most: int | None) -> Sequence[T]:
    """At most so many, from all over."""
    if most is None or len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]


def _directions(text: str) -> Sequence[Direction]:
    try:
        return parse_directions(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="surtitle bench quality", description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="with tatoeba-en-*, massive and flores200-dev, or some of them",
    )
    parser.add_argument(
        "--checkpoint",
        default="embedded",
        metavar="MODEL",
        help="its name or folder; default: embedded",
    )
    parser.add_argument(
        "--directions",
        type=_directions,
        metavar="LIST",
        help="for example en-es,es-en; default: all that the model has",
    )
    parser.add_argument(
        "--lines",
        type=_count,
        metavar="N",
        help="of each set; default: of Tatoeba and the checks all, of MASSIVE 500, of FLORES 200",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write results as JSON lines")
    return parser
