from __future__ import annotations

import pytest

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.protocols.libretranslate import (
    MAX_TEXTS,
    TextRequest,
    answer,
    languages,
    parse_request,
)

JSON, FORM = "application/json", "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"q": "Hi & bye", "source": "en", "target": "es", "api_key": "k"}', JSON),
        (b"q=Hi+%26+bye&source=en&target=es&api_key=k", FORM),
    ],
)
def test_a_request_is_json_or_a_form(body: bytes, kind: str) -> None:
    assert parse_request(body, kind) == TextRequest(("Hi & bye",), "en", "es", False, "k")


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"[" * 100_000, b'"q"', b'{"q": []}', b'{"q": {}, "source": 1, "target": 2}'],
)
def test_garbage_is_refused(body: bytes) -> None:
    for kind in JSON, FORM, "":
        with pytest.raises(RefusedError):
            parse_request(body, kind)


def test_texts_are_bounded() -> None:
    texts = ",".join(['"x"'] * (MAX_TEXTS + 1))
    body = f'{{"q": [{texts}], "source": "en", "target": "es"}}'
    with pytest.raises(RefusedError, match=f"q may hold {MAX_TEXTS} texts"):
        parse_request(body.encode(), JSON)


def test_an_answer_has_the_form_of_its_request() -> None:
    one = TextRequest(("Hi",), "en", "es", False, "")
    assert answer(one, ["Hola"]) == {"translatedText": "Hola"}
    several = TextRequest(("Hi",), "en", "es", True, "")
    assert answer(several, ["Hola"]) == {"translatedText": ["Hola"]}
    assert languages({"en": ["es", "en"]}) == [
        {"code": "en", "name": "English", "targets": ["en", "es"]}
    ]
