from __future__ import annotations

import random
import re

import pytest

from surtitle.pipeline.subtitles.line_breaks import fewest_pieces, line_breaks, split
from surtitle.pipeline.text.languages import LANGUAGES, language_rules
from surtitle.pipeline.text.tokens import count_chars, join, tokenize


@pytest.mark.parametrize(
    ("language", "text", "lines"),
    [
        ("en", "It rains.", ["It rains."]),
        ("en", "", []),
        ("en", "x" * 42, ["x" * 42]),
        (
            "en",
            "Good evening, everyone, and welcome back to the harbor.",
            ["Good evening, everyone,", "and welcome back to the harbor."],
        ),
        (
            "en",
            "Yes, I will go to the store with all of my friends.",
            ["Yes, I will go to the store", "with all of my friends."],
        ),
        (
            "es",
            "El señor Álvarez es piloto aquí desde hace 27 años.",
            ["El señor Álvarez es piloto aquí", "desde hace 27 años."],
        ),
        (
            "de",
            "Ich habe gesagt, dass die Leute nach Hause gehen sollen.",
            ["Ich habe gesagt,", "dass die Leute nach Hause gehen sollen."],
        ),
        (
            "fr",
            "Nous avons parlé de la mer\u00a0: qui la connaît vraiment\u00a0?",
            ["Nous avons parlé de la mer\u00a0:", "qui la connaît vraiment\u00a0?"],
        ),
        (
            "zh",
            "今天我们要谈谈港口，以及那些巨大的船。",
            ["今天我们要谈谈港口，", "以及那些巨大的船。"],
        ),
    ],
)
def test_lines_break_at_clauses(language: str, text: str, lines: list[str]) -> None:
    assert list(line_breaks(text, language_rules(language))) == lines


def test_the_lower_line_is_the_longer_one_where_balance_is_equal() -> None:
    words = ["aaaaaaaaa"] * 3
    top, bottom = line_breaks(" ".join([*words, "bbbbbbbbb", "cccccccc"]), language_rules("en"))
    assert len(top) < len(bottom)


def test_a_word_longer_than_a_line_is_cut() -> None:
    assert list(line_breaks("x" * 50, language_rules("en"))) == ["x" * 42, "x" * 8]
    lines = line_breaks("see https://" + "x" * 60, language_rules("en"))
    assert max(map(len, lines)) <= 42
    assert "".join(lines).replace(" ", "") == "seehttps://" + "x" * 60


def test_chinese_never_breaks_around_punctuation() -> None:
    rng = random.Random(3)
    for _ in range(300):
        text = "".join(
            rng.choice("我们去港口船人大小，。！「」（）") for _ in range(rng.randrange(2, 32))
        )
        text = re.sub(r"[，。！「」（）]+", lambda marks: marks[0][0], "字" + text + "字")
        for line in line_breaks(text, language_rules("zh")):
            assert line[0] not in "，。！」）"
            assert line[-1] not in "「（"


def test_latin_words_in_chinese_stay_whole() -> None:
    texts = [token.text for token in tokenize("我用 Python 3.11写代码。", language_rules("zh"))]
    assert texts == ["我", "用", "Python", "3.11", "写", "代", "码。"]


def test_marks_that_stand_alone_stick_to_their_word() -> None:
    texts = [token.text for token in tokenize("« Quoi ? » dit-il", language_rules("fr"))]
    assert texts == ["« Quoi ? »", "dit-il"]


@pytest.mark.parametrize(
    ("language", "text", "chars"),
    [("en", "Ünï", 3), ("hi", "नमस्ते", 4), ("zh", "你好AB", 3), ("en", "e\u0301", 1), ("ja", "", 0)],
)
def test_characters_are_counted_as_they_are_seen(language: str, text: str, chars: int) -> None:
    assert count_chars(text, language_rules(language)) == chars


ALPHABET = {
    "zh": "我们去港口船，。A1 ",
    "ja": "港へ行く船ーカタ、。「」B ",
    "th": "ไปท่าเรือที่นี่ ",
    "ko": "항구로 배가 ",
    "ar": "ميناء، سفينة ",
    "hi": "नमस्ते दुनिया। ",
}


def random_text(rng: random.Random, language: str) -> str:
    letters = ALPHABET.get(language, "aeinrstАßé  ,.;-'?\u00a0😀&<{\\")
    return "".join(rng.choice(letters) for _ in range(rng.randrange(200)))


@pytest.mark.parametrize("language", [*LANGUAGES, "ru"])
def test_no_character_is_lost_and_every_line_fits(language: str) -> None:
    rng = random.Random(language)
    rules = language_rules(language)
    for _ in range(25):
        text = random_text(rng, language)
        lines = line_breaks(text, rules)
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(line and count_chars(line, rules) <= rules.line_chars for line in lines)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pieces_hold_all_tokens_in_the_lines_that_are_allowed(language: str) -> None:
    rng = random.Random(language)
    rules = language_rules(language)
    for _ in range(30):
        tokens = tokenize(random_text(rng, language), rules)
        fewest = fewest_pieces(tokens, rules, max_lines=2)
        count = rng.randint(fewest, min(fewest + 3, len(tokens)))
        pieces = split(tokens, [1 / max(1, count)] * count, rules, max_lines=2)
        assert len(pieces) == count
        assert [token for piece in pieces for token in piece] == tokens
        assert all(len(line_breaks(join(piece), rules)) <= 2 for piece in pieces)
