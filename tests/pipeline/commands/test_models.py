import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from surtitle.model.installed import EMBEDDED
from surtitle.pipeline.cli import main


def test_models_are_listed_and_a_broken_one_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["models"]) == 0
    folder = tmp_path / "surtitle" / "models"
    (folder / "broken").mkdir(parents=True)
    shutil.copytree(EMBEDDED, folder / "mine")
    capsys.readouterr()
    assert main(["models"]) == 1
    out = capsys.readouterr().out
    assert "broken\n" in out and "tokenizer.json is missing" in out
    facts = r"7\.5 M parameters, 15\.0 MB\n  .*en-es.*\n"
    assert re.search(rf"mine\n  {facts}  {re.escape(str(folder / 'mine'))}\n", out)
    assert re.search(rf"embedded\n  {facts}", out)


def test_recognizers_are_listed_and_what_else_can_be_fetched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["models"])
    recognizers = capsys.readouterr().out.partition("\nRecognizers")[2]
    if find_spec("moonshine_voice") is not None:
        assert "moonshine\n  43.9 MB, en, license MIT\n  /" in recognizers
    assert "large-v3 (3,090 MB)" in recognizers


def test_fetching_something_that_is_no_model_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models", "fetch", "smal"]) == 1
    assert "'smal' is neither a folder nor a Whisper model" in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["translate", "--to", "es", "--checkpoint", "mine"]) == 1
    assert "Installed are: embedded" in capsys.readouterr().err
