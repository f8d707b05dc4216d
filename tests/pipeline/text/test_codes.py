from __future__ import annotations

import pytest

from surtitle.pipeline.text.codes import two_letters


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
