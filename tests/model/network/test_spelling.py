import pytest

from surtitle.model.network.spelling import spoken, written


def test_spoken_text_has_no_case_and_no_marks() -> None:
    assert spoken("I’m late, Mr. Smith: it's 9:30!") == "i'm late mr smith it's 9 30"
    assert spoken("今日は、いい天気。") == "今日は いい天気"


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("es", "pon una alarma", "Pon una alarma."),
        ("es", "a qué hora sale", "¿A qué hora sale?"),
        ("en", "what time is it", "What time is it?"),
        ("en", "wake me up", "Wake me up."),
        ("de", "wie spät ist es", "Wie spät ist es?"),
        ("ja", "今何時ですか", "今何時ですか？"),
        ("zh", "设个闹钟", "设个闹钟。"),
        ("zh", "现在几点", "现在几点？"),
    ],
)
def test_written_text_has_a_capital_and_an_end(language: str, text: str, expected: str) -> None:
    assert written(text, language) == expected
