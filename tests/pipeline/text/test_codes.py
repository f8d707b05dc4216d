from __future__ import annotations

import pytest

from surtitle.pipeline.text.codes import known_languages, two_letters


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("eng", "en"),
        ("ger", "de"),
        ("deu", "de"),
        ("de", "de"),
        ("pt-BR", "pt"),
        ("zh_CN", "zh"),
        ("und", None),
        ("", None),
    ],
)
def test_tags_of_containers(tag: str, code: str | None) -> None:
    assert two_letters(tag) == code


def test_known_languages_have_two_letters_each() -> None:
    known = known_languages()
    assert {"en", "es", "nl", "zh"} < set(known) and len(known) == len(set(known)) > 90
    assert all(two_letters(code) == code and len(code) == 2 for code in known)
