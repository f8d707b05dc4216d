"""The comparison, with translators that know the answers and with a tiny model that knows none."""

import json
import lzma
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from surtitle.model.bench import main, models
from surtitle.model.bench.checks import read_checks
from surtitle.model.bench.peers import Contestant
from surtitle.model.bench.quality import ChecksLine, LatencyLine, ScoreLine, compare
from surtitle.model.installed import EMBEDDED
from surtitle.model.network.batches import Pair
from surtitle.model.network.config import VERIFIED, SamplerConfig, save_sampler_config
from surtitle.model.network.spelling import spoken
from surtitle.model.network.tokenizer import Direction, TranslationTokenizer
from surtitle.model.network.weights import save_model

EN_ES = ("en", "es")
TATOEBA = {
    "The cat is on the table.": "El gato está en la mesa.",
    "Where is the book?": "¿Dónde está el libro?",
}
MASSIVE = {"turn off the light in here": "Apaga la luz de aquí.", "stop": "Para."}
FLORES = {" ".join(["word"] * 33): "Palabras.", "He lives in Rome.": "Vive en Roma."}
SETS = {"tatoeba": TATOEBA, "massive": MASSIVE, "flores": FLORES}
DEV_SETS = {
    name: [Pair(source, target, EN_ES) for source, target in texts.items()]
    for name, texts in SETS.items()
}


def _knowing(texts: Sequence[str]) -> list[str]:
    """The references, and the accepted forms of the checks about time."""
    known = {spoken(source): target for texts in SETS.values() for source, target in texts.items()}
    known |= {spoken(c.source): c.accepted[0] for c in read_checks(EN_ES) if c.kind == "time"}
    return [known.get(spoken(text), "") for text in texts]


RIVALS = [Contestant("knowing", _knowing), Contestant("copying", list)]


def test_scores_of_what_knows_the_answers_and_of_what_copies() -> None:
    found = [line for line in compare(RIVALS, DEV_SETS, EN_ES, 2) if isinstance(line, ScoreLine)]
    shapes = [(line.test_set, line.source, line.compared) for line in found]
    assert list(dict.fromkeys(shapes)) == [
        ("tatoeba", "written", "written"),
        ("tatoeba", "spoken", "written"),
        ("tatoeba", "spoken", "spoken"),
        ("massive", "spoken", "spoken"),
        ("flores", "written", "written"),
    ]
    for line in found:
        assert line.skipped == (line.test_set == "flores")
        assert line.scores.lines == (1 if line.test_set == "flores" else 2)
        if line.contestant == "knowing":
            assert line.scores.chrf == pytest.approx(100) and line.wrong_language == 0
        else:
            assert line.scores.chrf < 60
            assert line.scores.copied >= 1 and line.wrong_language >= 1


def test_checks_are_counted_by_kind_and_the_missed_are_kept() -> None:
    found = [
        line for line in compare(RIVALS, DEV_SETS, EN_ES, None) if isinstance(line, ChecksLine)
    ]
    assert [(line.source, line.contestant) for line in found] == [
        (source, rival.name) for source in ("written", "spoken") for rival in RIVALS
    ]
    for line in found:
        assert line.checks == {"name": 50, "number": 50, "date": 50, "time": 50}
        assert sum(line.right.values()) + len(line.missed) == 200
    knowing, copying = found[:2]
    assert knowing.right == {"name": 0, "number": 0, "date": 0, "time": 50}
    assert copying.right["name"] > 30 and copying.right["date"] < 20
    assert "time 50/50 all 50/200" in str(knowing)
    assert found[2].missed[0][0] == spoken(found[0].missed[0][0])


def test_one_sentence_by_itself_is_timed() -> None:
    asked: list[int] = []

    def translate(texts: Sequence[str]) -> list[str]:
        asked.append(len(texts))
        return list(texts)

    *_, line = compare([Contestant("counting", translate)], DEV_SETS, EN_ES, 1)
    assert isinstance(line, LatencyLine)
    assert (line.sentences, line.words) == (6, (1, 33))
    assert asked[-8:] == [1] * 7 + [6]  # one to warm up, all, and all together


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with random weights in the embedded model's vocabulary."""
    folder = tmp_path_factory.mktemp("toy")
    tokenizer = TranslationTokenizer.load(EMBEDDED).with_directions([EN_ES])
    config = replace(models.CONFIGS["toy"], vocab_size=tokenizer.vocab_size, hidden_size=32)
    save_model(models.random_model(config, torch.device("cpu")), folder, torch.float16)
    tokenizer.save(folder)
    save_sampler_config(SamplerConfig(merge_repeats=True, decoding=VERIFIED), config, folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "tatoeba-en-es").mkdir()
    with lzma.open(tmp_path / "tatoeba-en-es" / "dev.en-es.tsv.xz", "wt") as file:
        file.writelines(f"{source}\t{target}\ttoy\n" for source, target in TATOEBA.items())
    return tmp_path


@pytest.mark.slow
def test_a_whole_run(
    toy: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(data))  # where no Apertium is
    out = data / "quality.jsonl"
    options = ["--directions", "en-es", "--lines", "2", "--out", str(out)]
    counted: list[tuple[Path, Direction, int | None]] = []

    def count_amounts(*asked: Any) -> Iterator[LatencyLine]:
        counted.append(asked)
        yield LatencyLine("en-es", "counting", 1, (1, 1), 0.0, 0.0, 0.0)

    argv = ["quality", "--data", str(data), "--checkpoint", str(toy), *options]
    assert main(argv, count_amounts) == 0
    assert counted == [(toy, EN_ES, 2)]
    about, *lines, last = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert last["contestant"] == "counting"
    assert about["directions"] == ["en-es"] and about["threads"] == torch.get_num_threads()
    assert about["chrf"].startswith("nrefs:1|case:mixed")
    rivals = ["surtitle", "greedy", "one draft"]
    assert [line["contestant"] for line in lines if "median_ms" in line] == rivals
    assert [line["contestant"] for line in lines if "right" in line] == 2 * rivals
    scored = [line for line in lines if "scores" in line]
    assert len(scored) == 3 * len(rivals)
    assert all(line["scores"]["lines"] == 2 and line["ms_per_line"] > 0 for line in scored)
    counted = [line for line in lines if "together" in line]
    assert [(line["source"], line["contestant"]) for line in counted] == [
        ("written", "surtitle"),
        ("spoken", "surtitle"),
    ]
    shown = capsys.readouterr().out
    assert "2 answers of 1 or more tokens: committed" in shown
    assert shown.count("en-es tatoeba spoken  compared") == 2 * len(rivals)


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quality", "--data", str(tmp_path), "--checkpoint", "nonsense"]) == 1
    assert "there is no model nonsense" in capsys.readouterr().err
    assert main(["quality", "--data", str(tmp_path), "--directions", "en-es,de-fr"]) == 1
    assert re.search("the model translates .*pt-en, not de-fr", capsys.readouterr().err)
    with pytest.raises(SystemExit):
        main(["quality", "--data", str(tmp_path), "--directions", "es"])
    assert "like en-es, got 'es'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["quality", "--data", str(tmp_path), "--lines", "0"])
    assert "--lines" in capsys.readouterr().err
