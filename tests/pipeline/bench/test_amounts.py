"""What the count of changed amounts says of translators whose faults are known."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from surtitle.pipeline.bench.amount_sentences import amount_sentences
from surtitle.pipeline.bench.amounts import amounts_of_model, measured
from surtitle.pipeline.cli import main
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.events import TranslationRequest


class _NoDecimals:
    """Knows whole numbers below 100 alone."""

    name, at_once = "no decimals", 4

    def check(self, source: str, target: str) -> None:
        """Any will do."""

    async def translate(self, request: TranslationRequest) -> str:
        if "fail" in request.text:
            raise TranslatorError("failed")
        return re.sub(r"\d+(?:[.,:-]\d+)+|\d{3,}", "77", request.text)

    async def aclose(self) -> None:
        """It holds nothing."""


def test_a_garbling_translator_alone_and_as_shown() -> None:
    sentences = amount_sentences("es", 60)
    garbled = sum(re.search(r"\d[.,:-]\d|\d{3}", each.text) is not None for each in sentences)
    line = asyncio.run(measured(_NoDecimals(), sentences, "es"))
    assert (line.direction, line.contestant, line.sentences) == ("en-es", "no decimals", 60)
    assert line.changed_alone == garbled > 30
    assert (line.changed, line.missed) == (0, [])
    assert line.calls >= 60 + line.asked_again > 60
    assert f"changed in {garbled} of 60 sentences alone, in 0 as shown" in str(line)


def test_it_runs_for_any_translator(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--translator", "echo", "--to", "es,de", "--sentences", "5"]
    assert main(["bench", "amounts", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["en-es", "en-de"]
    assert all(" in 0 as shown" in line for line in lines)


@pytest.mark.parametrize("options", [["--to", "xx"], ["--sentences", "0"]])
def test_what_there_is_nothing_for_is_said(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "amounts", *options])
    assert options[0] in capsys.readouterr().err


def test_a_direction_without_sentences_has_no_line() -> None:
    assert not list(amounts_of_model(Path("nowhere"), ("de", "en"), 3))
    assert not list(amounts_of_model(Path("nowhere"), ("en", "ja"), 3))
