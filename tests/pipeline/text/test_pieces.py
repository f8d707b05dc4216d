"""Long texts in every kind of script: cut at their marks, and nothing lost."""

from __future__ import annotations

import random

import pytest

from surtitle.pipeline.text.pieces import fitting_pieces, joined, pieces

JAPANESE = "港は六時に開きます。船はすぐに出ます。"
CHINESE = "今天天气很好，我们去公园散步，看到了很多花，还有许多小朋友在玩耍，大家都很高兴，笑声不断"
THAI = "สวัสดีครับ ผมชื่อสมชาย วันนี้อากาศดีมาก เราไปเดินเล่นที่สวนสาธารณะกันเถอะ แล้วก็ไปกินข้าวด้วยกัน"


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("en", "It rains. We stay!", ["It rains. ", "We stay!"]),
        ("en", "Mr. Smith paid 3.5 million.", ["Mr. Smith paid 3.5 million."]),
        ("en", " One.  Two. ", [" One.  ", "Two. "]),
        ("ja", JAPANESE, ["港は六時に開きます。", "船はすぐに出ます。"]),
        ("ja", "「そうですか？」と彼は言った。", ["「そうですか？」と彼は言った。"]),
        ("zh", "我们用GPU。3.5版很好！走", ["我们用GPU。", "3.5版很好！", "走"]),
        ("zh", "用GPU. 好", ["用GPU. ", "好"]),
        ("ja", "「行く」『来る』（本）", ["「行く」『来る』（本）"]),
        ("ko", "비가 온다. 우리는 남는다.", ["비가 온다. ", "우리는 남는다."]),
        ("en", "", []),
        ("en", " \n ", [" \n "]),
    ],
)
def test_a_sentence_is_a_piece(language: str, text: str, found: list[str]) -> None:
    assert pieces(text, language) == found


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    text = "we went to the harbor, and the ferries left before the storm came over the hills"
    assert pieces(text, "en", 10) == [
        "we went to the harbor, ",
        "and the ferries left before the storm came ",
        "over the hills",
    ]


def test_a_text_without_blanks_is_cut_at_its_own_marks() -> None:
    found = pieces(CHINESE, "zh", 12)
    assert len(found) == 2 and all(piece[-1] == "，" for piece in found[:-1])


def test_where_a_script_has_no_marks_its_spaces_are() -> None:
    found = pieces(THAI, "th", 20)
    assert len(found) > 1 and all(piece[-1] == " " for piece in found[:-1])


def test_a_text_without_any_mark_is_cut_by_length() -> None:
    assert [len(piece) for piece in pieces("日本語" * 50, "ja")] == [64, 64, 22]
    # Whatever language it is said to be.
    assert [len(piece) for piece in pieces("日本語" * 50, "en")] == [64, 64, 22]


def test_a_word_that_never_ends_is_cut() -> None:
    found = pieces("see " + "x" * 1000 + " there", "en")
    assert "".join(found) == "see " + "x" * 1000 + " there"
    assert max(map(len, found)) <= 330


def test_a_word_is_not_cut_where_a_blank_is_near() -> None:
    words = "Donaudampfschifffahrtsgesellschaft " * 20
    assert all(piece.strip().split(" ")[0].startswith("Donau") for piece in pieces(words, "de"))


def test_marks_that_combine_stay_with_their_letters() -> None:
    for piece in pieces("กำลังน้ำ" * 40, "th", 3):
        assert piece[0] not in "ำ้ั่"
    flags = "👩‍🚀" * 300
    assert all(piece.startswith("👩") for piece in pieces(flags, "en", 4))


ALPHABETS = {
    "ja": "港は六時に開、。「」！ー ",
    "zh": "今天天气，。！？“”A1 ",
    "th": "สวัสดีครับผม ",
    "en": "ab c.,!?\"'-é1  \n",
    "de": "äß.3 xyz ABC ",
    "mixed": "日本ab c。. ,ส้\u0301👩\u200d🚀\u3000\u00a0\x00\ud7ff",
}


@pytest.mark.parametrize("language", ALPHABETS)
def test_nothing_is_lost_and_nothing_too_long_whatever_the_text(language: str) -> None:
    rng = random.Random(7)
    for _ in range(300):
        text = "".join(rng.choices(ALPHABETS[language], k=rng.randrange(200)))
        most = rng.choice([2, 5, 12, 32])
        found = pieces(text, language, most)
        assert "".join(found) == text
        assert all(found)
        for piece in found:
            assert len(piece.split()) <= most
            assert len(piece.strip()) <= 10 * most + 50  # a word more, where it is not cut


@pytest.mark.parametrize("language", ALPHABETS)
def test_pieces_are_cut_until_they_fit(language: str) -> None:
    rng = random.Random(11)
    for _ in range(100):
        text = "".join(rng.choices(ALPHABETS[language], k=rng.randrange(400)))
        limit_bytes = rng.choice([160, 400])  # as of a model whose tokens may be bytes

        def fits(piece: str) -> bool:
            return len(piece.strip().encode()) <= limit_bytes  # noqa: B023

        found = fitting_pieces(text, language, fits)
        assert "".join(found) == text
        assert all(map(fits, found))


def test_what_can_be_cut_no_more_is_left_as_it_is() -> None:
    assert fitting_pieces("one word", "en", lambda text: False) == ["one ", "word"]


@pytest.mark.parametrize(
    ("language", "texts", "whole"),
    [
        ("es", ["Uno. ", " ", "Dos."], "Uno. Dos."),
        ("ja", ["港です。", "", "船です。"], "港です。船です。"),
        ("zh", ["用 GPU", "well"], "用 GPU well"),
        ("th", ["สวัสดี", "ครับ"], "สวัสดีครับ"),
        ("ko", ["하나.", "둘."], "하나. 둘."),
        ("es", [], ""),
    ],
)
def test_pieces_are_joined_as_the_target_language_joins(
    language: str, texts: list[str], whole: str
) -> None:
    assert joined(texts, language) == whole
