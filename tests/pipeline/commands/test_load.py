from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.cli import main

WORDS = str(Path(__file__).parents[3] / "samples/words.jsonl")
NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name recordings to speak, or --words"),
        (["--words", WORDS, "--limit", "0"], "0 to 600 seconds, got 0"),
        (["--words", WORDS, "--at-once", "2", "0"], "must be 1 to 10000"),
        (["--words", WORDS, "--viewers", "-1"], "0 to 10000, got -1"),
        (["--words", WORDS, "--to", "Spanish"], "got 'Spanish'"),
        (["--words", WORDS, "--url", "here"], "got 'here'"),
    ],
)
def test_wrong_options_are_told(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", ["none.jsonl", WORDS])
def test_what_is_not_there_is_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of words, or a server."""
    assert main(["load", "--words", words, "--url", NOBODY]) == 1
    error = capsys.readouterr().err
    assert error.startswith("surtitle: ") and "Traceback" not in error
    assert "none.jsonl" in error or NOBODY in error
