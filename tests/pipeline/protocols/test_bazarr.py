from __future__ import annotations

import json

import pytest

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.protocols.bazarr import AsrRequest, answer, detected, is_raw, parse_asr

from .test_openai_audio import SPOKEN, TRANSLATED


def test_what_bazarr_asks_for() -> None:
    query = {"task": "translate", "language": "es", "output": "srt", "encode": "false"}
    assert parse_asr(query) == AsrRequest("es", True, "srt", True)
    assert parse_asr({}) == AsrRequest(None, False, "txt", False)
    assert is_raw({"encode": "False"}) and not is_raw({"encode": "true"})


@pytest.mark.parametrize("query", [{"task": "x"}, {"output": "tsv"}, {"language": "x"}])
def test_what_it_may_not_ask_for(query: dict[str, str]) -> None:
    with pytest.raises(RefusedError, match="'x'|'tsv'"):
        parse_asr(query)


def test_what_it_gets() -> None:
    request = parse_asr({"output": "srt"})
    assert answer(request, SPOKEN).startswith("1\n00:00:00,500 --> 00:00:0")
    assert answer(parse_asr({"output": "vtt"}), TRANSLATED).startswith("WEBVTT")
    told = json.loads(answer(parse_asr({"output": "json"}), SPOKEN))
    assert told["segments"][1] == {"id": 1, "start": 2.0, "end": 2.6, "text": "Sit down."}
    assert (told["text"], told["language"]) == ("Hello everybody. Sit down.", "en")
    assert detected("de", 0.98765) == {
        "detected_language": "german",
        "language_code": "de",
        "confidence": 0.988,
    }
