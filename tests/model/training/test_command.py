"""`surtitle train` at toy size."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from surtitle.model.network.config import load_sampler_config
from surtitle.model.network.tokenizer import Direction, TranslationTokenizer
from surtitle.model.network.weights import load_model
from surtitle.model.training import distill, loop, main, stages
from surtitle.model.training.validation import Point, read_curve

from ...patience import PATIENCE_S

QUICK = ["--vocab-size", "400", "--batch-tokens", "600", "--processes", "1"]
BOTH = ["--directions", "en-es,es-en"]


@pytest.fixture(scope="module", autouse=True)
def _cpu_time() -> Iterator[None]:
    """Minutes of this process alone: others on the machine are not to change what is learned."""
    with pytest.MonkeyPatch.context() as patch:
        for module in loop, distill:
            patch.setattr(module, "time", SimpleNamespace(monotonic=time.process_time))
        yield


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of all stages."""
    run = tmp_path_factory.mktemp("run")
    assert main(_whole(data, run)) == 0
    return run


def _whole(data: Path, run: Path) -> list[str]:
    times = ["--minutes", "0.5", "--validate-minutes", "0.05"]
    return [*BOTH, "--data", str(data), "--run", str(run), *QUICK, *times]


def _curve(run: Path, stage: str) -> list[Point]:
    return read_curve(run, stage)


def test_a_direction_can_be_oversampled(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[Direction] = Counter()

    def count(_model: object, work: loop.Work, *_: object) -> None:
        seen.update(pair.direction for pair in work.pairs)

    monkeypatch.setattr(stages, "train", count)
    often = ["--stage", "autoregressive", "--oversample", "es-en=3"]
    assert main([*BOTH, "--data", str(data), "--run", str(tmp_path), *QUICK, *often]) == 0
    assert seen == {("en", "es"): 380, ("es", "en"): 1140}


@pytest.mark.slow
def test_loss_falls_in_both_stages_and_the_second_begins_to_translate(finished: Path) -> None:
    for stage in "autoregressive", "joint":
        first, *_, last = _curve(finished, stage)
        assert last.seconds >= 60 * 0.5 * 0.3
        assert first.train_loss is not None and last.train_loss is not None
        assert last.train_loss < first.train_loss and last.loss < 0.9 * first.loss
    joint = _curve(finished, "joint")
    assert max(point.chrf for point in joint) > 2
    assert all(point.draft_chrf and point.round_tokens >= 1 for point in joint)


@pytest.mark.slow
def test_both_directions_are_distilled(finished: Path) -> None:
    for direction, some in ("en-es", "uno dos"), ("es-en", "one two"):
        path = finished / "distilled" / f"{direction}.jsonl"
        *taught, rest = (json.loads(line) for line in path.read_text("utf-8").splitlines())
        pairs = [pair for chunk in taught for pair in chunk["pairs"]]
        assert rest["kind"] == "rest" and len(pairs) > 100
        assert any(some in target.lower() for _, target, _ in pairs)


@pytest.mark.slow
def test_the_exported_model_can_be_loaded(finished: Path) -> None:
    model = load_model(finished / "model")
    assert model.config.bidirectional_prompt and model.config.eos_token_ids == (1,)
    assert load_sampler_config(finished / "model").max_denoising_steps == 8
    tokenizer = TranslationTokenizer.load(finished / "model")
    assert tokenizer.directions == (("en", "es"), ("es", "en"))


@pytest.mark.slow
def test_the_card_says_what_was_measured(finished: Path, data: Path) -> None:
    card = (finished / "model" / "README.md").read_text("utf-8")
    for direction, source in product(("en-es", "es-en"), ("written", "spoken")):
        assert f"| {direction} | {source} | " in card
    assert " words by itself, the median of " in card
    best = max(point.chrf for point in _curve(finished, "joint"))
    assert re.search(rf"^\| joint \| .*\| {best:.1f} \| [\d.]+ \| [\d.]+ \|$", card, re.MULTILINE)
    assert "nrefs:1|case:mixed" in card and "5.0 M parameters" in card
    assert "380 of en-es, 380 of es-en" in card and "TO BE WRITTEN" in card
    assert f"    surtitle train {' '.join(_whole(data, finished))}\n" in card
    ET.parse(finished / "model" / "curve.svg")


@pytest.mark.slow
def test_what_is_finished_is_not_done_again(
    finished: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "model" / "README.md").stat().st_mtime
    assert main(_whole(data, finished)) == 0
    err = capsys.readouterr().err
    for stage in "autoregressive", "distill", "joint", "export":
        assert f"{stage}: finished before" in err
    assert (finished / "model" / "README.md").stat().st_mtime == before


@pytest.mark.slow
def test_distillation_goes_on_behind_the_last_whole_chunk(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    path = run / "distilled" / "es-en.jsonl"
    whole = path.read_text("utf-8")
    first = whole.partition("\n")[0].replace(
        first_pair := json.loads(whole.partition("\n")[0])["pairs"][0][1], first_pair + " kept", 1
    )
    path.write_text(first + "\n" + '{"kind": "taught", "sec', "utf-8")
    assert main([*_whole(data, run), "--stage", "distill"]) == 0
    lines = path.read_text("utf-8").splitlines()
    assert lines[0] == first and [json.loads(line)["kind"] for line in lines[1:]] == ["rest"]


@pytest.mark.slow
def test_every_direction_is_distilled_however_short_the_time(
    finished: Path, data: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    shutil.rmtree(run / "distilled")
    assert main([*_whole(data, run), "--stage", "distill", "--minutes", "0.0001"]) == 0
    for direction in "en-es", "es-en":
        lines = (run / "distilled" / f"{direction}.jsonl").read_text("utf-8").splitlines()
        assert [json.loads(line)["kind"] for line in lines] == ["taught", "rest"]


@pytest.mark.slow
def test_fine_tuning_ends_when_it_gains_nothing(
    finished: Path, rows: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv, run = tmp_path / "own.tsv", tmp_path / "run"
    tsv.write_text("\n".join(rows), "utf-8")
    start = ["--start-from", str(finished / "model"), "--lr", "1e-12", "--patience", "1"]
    text = ["--directions", "en-es", "--tsv", str(tsv), "--run", str(run)]
    options = [*text, *start, *QUICK, "--minutes", "0.5", "--validate-minutes", "0.01"]
    assert main(options) == 0
    assert "1 validations without gain" in capsys.readouterr().err
    assert [point.stage for point in read_curve(run)] == ["joint"] * 2
    tokenizer = TranslationTokenizer.load(run / "model")
    assert tokenizer.directions == (("en", "es"),)
    card = (run / "model" / "README.md").read_text("utf-8")
    assert (
        "started from the model model" in card
        and f"    surtitle train {' '.join(options)}\n" in card
    )


@pytest.mark.slow
def test_a_new_language_is_learned_in_all_stages(
    finished: Path, german_rows: list[str], tmp_path: Path
) -> None:
    tsv, run = tmp_path / "own.tsv", tmp_path / "run"
    tsv.write_text("\n".join(german_rows), "utf-8")
    start = ["--start-from", str(finished / "model"), "--minutes", "0.3"]
    text = ["--directions", "en-de", "--tsv", str(tsv), "--run", str(run)]
    assert main([*text, *start, *QUICK]) == 0
    before, *_, after = _curve(run, "autoregressive")
    assert before.step == 0 and after.loss < 0.8 * before.loss
    first, *_, last = _curve(run, "joint")
    assert last.loss < first.loss
    assert TranslationTokenizer.load(run / "model").directions == (("en", "de"),)


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_reached(data: Path, tmp_path: Path) -> None:
    run, options = tmp_path / "run", [*QUICK[:-1], "2", "--validate-minutes", "1"]
    text = [*BOTH, "--data", str(data), "--run", str(run), "--stage", "autoregressive"]
    command = [*text, *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "surtitle.pipeline.cli", "train", *command, "--minutes", "1"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Programs that a shell starts in the background begin with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 2 * PATIENCE_S
    while not (run / "autoregressive.pt").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130 and "Traceback" not in err
    assert "To go on:\n  surtitle train --directions" in err
    while _has_members(process.pid):  # multiprocessing's own helper ends a little later
        assert time.monotonic() < deadline, "a worker is left"
        time.sleep(0.05)
    reached = torch.load(run / "autoregressive.pt")["progress"]
    budget_s = reached["seconds"] + 2
    assert main([*command, "--minutes", str(budget_s / 60)]) == 0
    (end,) = _curve(run, "autoregressive")
    assert 0 < reached["step"] < end.step
    assert end.seconds >= budget_s - 0.1  # what is stored is rounded


def _has_members(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--directions", "en-es"], "either by --data FOLDER or by --tsv FILE"),
        (["--directions", "en-spanish", "--tsv", "x"], "got 'en-spanish'"),
        ([*BOTH, "--tsv", "x"], "--tsv holds one direction, got en-es, es-en"),
        (["--directions", "en-es", "--data", "x", "--dev-tsv", "y"], "--dev-tsv goes with --tsv"),
        (["--directions", "en-es", "--tsv", "x", "--minutes", "0"], "--minutes must be more"),
        (["--directions", "en-es", "--tsv", "x", "--start-from", "mine"], "no model mine"),
        (["--directions", "ja-zh", "--tsv", "x", "--start-from", "embedded"], "none of the lang"),
    ],
)
def test_wrong_usage(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*options, "--run", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_trained_is_said_in_one_line(
    rows: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tsv = tmp_path / "own.tsv"
    tsv.write_text("\n".join(rows), "utf-8")
    options = ["--tsv", str(tsv), "--run", str(tmp_path / "run")]
    assert main(["--directions", "en-es", *options, "--stage", "export"]) == 1
    assert "run the stage joint first" in capsys.readouterr().err
    assert main(["--directions", "es-en", *options, "--stage", "distill"]) == 1
    assert "was begun for en-es, not for es-en: give another --run" in capsys.readouterr().err
