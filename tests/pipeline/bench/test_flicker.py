from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from surtitle.pipeline.bench import flicker
from surtitle.pipeline.bench.flicker import read_pairs
from surtitle.pipeline.cli import main
from surtitle.pipeline.errors import DraftWithheld
from surtitle.pipeline.events import TranslationRequest
from surtitle.pipeline.translators.echo import EchoTranslator

LINES = "the harbor opens at six today\tel puerto\textra\ntoo short\tno\n"


def test_sentences_that_grow_with_their_references(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.tsv", tmp_path / "a.tsv.xz"
    plain.write_text(LINES, encoding="utf-8")
    packed.write_bytes(lzma.compress(LINES.encode()))
    for path in plain, packed:
        assert list(read_pairs(path)) == [("the harbor opens at six today", "el puerto")]


def test_a_translator_that_only_appends_takes_nothing_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tsv").write_text(LINES, encoding="utf-8")
    assert main(["bench", "flicker", str(tmp_path / "a.tsv"), "--translator", "echo"]) == 0
    out = capsys.readouterr().out
    assert "1 sentences, echo" in out
    rows = [line.split(" | ") for line in out.splitlines() if "warm" in line]
    assert [cells[2] for cells in rows] == ["0.000"] * 3


def test_what_is_shown_stays_where_a_draft_is_withheld(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Withholding(EchoTranslator):
        async def translate(self, request: TranslationRequest) -> str:
            if request.is_draft:
                raise DraftWithheld("an amount has changed")
            return await super().translate(request)

    monkeypatch.setattr(flicker, "open_translator", lambda *_: Withholding())
    (tmp_path / "a.tsv").write_text(LINES, encoding="utf-8")
    assert main(["bench", "flicker", str(tmp_path / "a.tsv")]) == 0
    assert capsys.readouterr().out.count("| 0.000 |") == 6
