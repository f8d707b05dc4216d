"""Texts over real HTTP, as LibreTranslate's clients send them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from surtitle.pipeline.config import Tokens

from ...scripted_translator import ScriptedTranslator
from ..scripted import Served
from .hearing import Hears, serve_files

TOKENS = Tokens("publish-publish-publish", "view-view-view-view")


def test_texts_come_back_as_they_were_sent(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        asked = {"q": "Hello.\n\n  Good night.", "source": "en", "target": "es", "format": "text"}
        async with served.http() as http:
            one = await http.post("/translate", json=asked)
            assert one.json() == {"translatedText": "[es] Hello.\n\n[es] Good night."}
            form = await http.post("/translate", data=asked)
            assert form.json() == one.json()
            several = await http.post("/translate", json=asked | {"q": ["Yes.", "No.", "Yes."]})
            assert several.json() == {"translatedText": ["[es] Yes.", "[es] No.", "[es] Yes."]}
            same = await http.post("/translate", json=asked | {"q": "Sí.", "source": "es"})
            assert same.json() == {"translatedText": "Sí."}

    serve_files(scenario, tmp_path, Hears, ScriptedTranslator())


def test_languages_say_what_each_can_become(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            languages = (await http.get("/languages")).json()
        (english,) = (each for each in languages if each["code"] == "en")
        assert english == {"code": "en", "name": "English", "targets": ["en", "es"]}

    serve_files(scenario, tmp_path, Hears, ScriptedTranslator(targets=frozenset({"es"})))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "the body must be JSON"),
        (b"[]", "the body must be a JSON object, got []"),
        (b"{}", "q must be a text or a list of texts, got None"),
        (b'{"q": [1], "source": "en", "target": "es"}', "q must be a text"),
        (b'{"q": "x", "source": "en"}', "source and target must be codes"),
        (b'{"q": "x", "source": "auto", "target": "es"}', "source must be a language here"),
        (b'{"q": "x", "source": "en", "target": "xx"}', "cannot translate en to xx"),
        (b'{"q": "x", "source": "en", "target": "es", "format": "rtf"}', "text or html"),
    ],
)
def test_what_is_wrong_is_told(body: bytes, said: str, tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            refused = await http.post("/translate", content=body)
        assert refused.status_code == 400 and said in refused.json()["error"]

    serve_files(scenario, tmp_path, Hears, ScriptedTranslator(targets=frozenset({"es"})))


def test_a_body_may_not_be_long(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.http() as http:
            body = json.dumps({"q": "x" * (1 << 20), "source": "en", "target": "es"})
            assert (await http.post("/translate", content=body)).status_code == 413

    serve_files(scenario, tmp_path)


def test_the_key_is_a_token(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        asked = {"q": "Hello.", "source": "en", "target": "es"}
        async with served.http() as http:
            for key, status in ((TOKENS.publish, 200), (TOKENS.view, 401), (None, 401)):
                answer = await http.post("/translate", json=asked | {"api_key": key})
                assert answer.status_code == status
            headers = {"authorization": f"Bearer {TOKENS.publish}"}
            assert (await http.post("/translate", json=asked, headers=headers)).status_code == 200

    serve_files(scenario, tmp_path, tokens=TOKENS)


def test_a_bridge_has_a_socket_at_the_same_address(tmp_path: Path) -> None:
    async def scenario(served: Served) -> None:
        async with served.connect("/translate?sessionId=m", subprotocols=()), served.http() as http:
            asked = {"q": "Hello.", "source": "en", "target": "es"}
            assert (await http.post("/translate", json=asked)).status_code == 200

    serve_files(scenario, tmp_path)
