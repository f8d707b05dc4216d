import lzma
from pathlib import Path

import pytest

from surtitle.model.errors import TrainingError
from surtitle.model.network.batches import Pair
from surtitle.model.network.spelling import spoken
from surtitle.model.training.corpus import (
    hold_out,
    oversampled,
    read_dev_sets,
    read_folder,
    read_monolingual,
    read_own,
    read_tsv,
)

EN_ES, ES_EN, DE_ES = ("en", "es"), ("es", "en"), ("de", "es")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for other, text in ("es", "Hello.\tHola.\tx"), ("de", "Bye.\tTschüss.\tx"):
        for part in "train", "dev":
            path = tmp_path / f"tatoeba-en-{other}" / f"{part}.en-{other}.tsv.xz"
            path.parent.mkdir(exist_ok=True)
            with lzma.open(path, "wt", encoding="utf-8") as file:
                file.write(f"{text}\n")
    (tmp_path / "massive").mkdir()
    with lzma.open(tmp_path / "massive" / "massive.train-dev.tsv.xz", "wt") as file:
        file.write("id\tpartition\ten\tes\tde\n")
        file.write("1\ttrain\tstop\tpara\thalt\n2\tdev\tgo on\tsigue\tweiter\n")
    return tmp_path


def test_a_folder_serves_both_ways(data: Path) -> None:
    corpus = read_folder(data, [EN_ES, ES_EN])
    assert corpus.train == [
        Pair("Hello.", "Hola.", EN_ES),
        Pair("stop", "Para.", EN_ES),
        Pair("Hola.", "Hello.", ES_EN),
        Pair("para", "Stop.", ES_EN),
    ]
    assert corpus.dev == [Pair("Hello.", "Hola.", EN_ES), Pair("Hola.", "Hello.", ES_EN)]


def test_directions_without_english_come_from_the_commands(data: Path) -> None:
    corpus = read_folder(data, [DE_ES])
    assert corpus.train == [Pair("halt", "Para.", DE_ES)]
    assert corpus.dev == [Pair("weiter", "Sigue.", DE_ES)]


def test_a_direction_without_text_is_named_with_those_that_have_some(data: Path) -> None:
    with pytest.raises(TrainingError, match=r"no text .* en-xx; it has en with de, en with es, en"):
        read_folder(data, [EN_ES, ("en", "xx")])


def test_dev_sets_of_a_direction(data: Path) -> None:
    (data / "flores200-dev").mkdir()
    with lzma.open(data / "flores200-dev" / "dev.tsv.xz", "wt", encoding="utf-8") as file:
        file.write("en\tes\nGood day.\tBuenos días.\n")
    assert read_dev_sets(data, EN_ES) == {
        "tatoeba": [Pair("Hello.", "Hola.", EN_ES)],
        "massive": [Pair("go on", "Sigue.", EN_ES)],
        "flores": [Pair("Good day.", "Buenos días.", EN_ES)],
    }
    assert read_dev_sets(data, DE_ES) == {"massive": [Pair("weiter", "Sigue.", DE_ES)]}
    with pytest.raises(TrainingError, match="no dev set of en-xx"):
        read_dev_sets(data, ("en", "xx"))


def test_monolingual_text_is_of_all_files_in_that_language(data: Path) -> None:
    assert read_monolingual(data, "en") == ["Bye.", "Hello."]
    assert read_monolingual(data, "es") == ["Hola."]


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.tsv.xz"])
def test_tsv_is_plain_or_compressed(tmp_path: Path, name: str) -> None:
    path, text = tmp_path / name, "One.\tUno.\r\n\ntwo\u2028three\tdos\torigin\n"
    opened = lzma.open if name.endswith(".xz") else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        file.write(text)
    assert read_tsv(path, EN_ES) == [
        Pair("One.", "Uno.", EN_ES),
        Pair("two\u2028three", "dos", EN_ES),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"One.\tUno.\nTwo.\n", "line 2: no tab"),
        (b"One.\tUno.\n\nTwo.\t\n", "line 3: an empty source or target"),
        (b"\n", "is empty"),
        (b"\xff\xfe\t", "cannot be read as UTF-8"),
    ],
)
def test_bad_tsv_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(TrainingError, match=f"bad.tsv.*{message}"):
        read_tsv(path, EN_ES)


def test_missing_tsv_and_damaged_xz_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="missing.tsv is missing"):
        read_tsv(tmp_path / "missing.tsv", EN_ES)
    (tmp_path / "bad.xz").write_bytes(b"no xz")
    with pytest.raises(TrainingError, match="bad.xz cannot be read"):
        read_tsv(tmp_path / "bad.xz", EN_ES)


def _pairs(count: int) -> list[Pair]:
    return [Pair(f"Sentence {n}.", f"Frase {n}.", EN_ES) for n in range(count)]


@pytest.mark.parametrize(("count", "held"), [(100, 50), (5000, 50), (20_000, 200), (90_000, 500)])
def test_one_percent_is_held_out(count: int, held: int) -> None:
    corpus = hold_out(_pairs(count), Path("x"))
    assert (len(corpus.dev), len(corpus.train)) == (held, count - held)


def test_the_same_are_held_out_and_their_twins_are_not_learned() -> None:
    pairs = _pairs(200)
    corpus = hold_out(pairs, Path("x"))
    twins = [Pair(spoken(pair.source), "otra", EN_ES) for pair in corpus.dev]
    again = hold_out([*reversed(pairs), *twins], Path("x"))
    assert {pair.source for pair in again.dev} == {pair.source for pair in corpus.dev}
    assert {spoken(p.source) for p in again.train}.isdisjoint(spoken(p.source) for p in again.dev)


def test_too_few_pairs_to_hold_some_out() -> None:
    with pytest.raises(TrainingError, match="has 99 different sources; at least 100"):
        hold_out(_pairs(99), Path("x"))


def test_what_is_in_the_dev_file_is_not_learned(tmp_path: Path) -> None:
    own, dev = tmp_path / "own.tsv", tmp_path / "dev.tsv"
    own.write_text("One.\tUno.\nTwo.\tDos.\n")
    dev.write_text("one\tuno\n")
    corpus = read_own(own, dev, EN_ES)
    assert corpus.train == [Pair("Two.", "Dos.", EN_ES)]
    own.write_text("One!\tUno.\n")
    with pytest.raises(TrainingError, match="nothing is left to learn"):
        read_own(own, dev, EN_ES)


def test_a_direction_can_be_seen_more_often() -> None:
    pairs = [Pair("a", "b", EN_ES), Pair("b", "a", ES_EN)]
    assert oversampled(pairs, {}) == pairs
    assert oversampled(pairs, {ES_EN: 3}) == [pairs[0], *3 * [pairs[1]]]
