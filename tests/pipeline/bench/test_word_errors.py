import pytest

from surtitle.pipeline.bench.word_errors import all_errors, spelled_words, word_errors


@pytest.mark.parametrize(
    ("spoken", "heard", "errors", "words"),
    [
        ("It is late.", "it is late", 0, 3),
        ("Ten of clubs", "10 of clubs!", 0, 3),
        ("one two three", "one three", 1, 3),
        ("one two three", "one two or three", 1, 3),
        ("one two three", "one too three", 1, 3),
        ("well-known", "well known", 0, 2),
        ("don’t", "don't", 0, 1),
        ("", "thank you", 2, 0),
        ("thank you", "", 2, 2),
    ],
)
def test_errors_are_counted(spoken: str, heard: str, errors: int, words: int):
    assert word_errors(spoken, heard) == (errors, words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "zero"),
        ("14", "fourteen"),
        ("40", "forty"),
        ("45", "forty five"),
        ("200", "two hundred"),
        ("1,200", "one thousand two hundred"),
        ("1999", "one thousand nine hundred ninety nine"),
        ("10000", "10000"),
        ("9 o'clock", "nine o'clock"),
        ("Mr. Quilter", "mister quilter"),
    ],
)
def test_numbers_are_spelled(text: str, words: str):
    assert spelled_words(text) == words.split()


def test_rates_are_of_all_words():
    found = all_errors([("one two", "one"), ("three four", "three four")])
    assert found == (1, 4) and found.rate == 0.25
    assert all_errors([]).rate == 0
