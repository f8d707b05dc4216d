from __future__ import annotations

from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.subtitles.build import bilingual_cues, source_cues, translated_cues
from surtitle.pipeline.subtitles.check import SubtitleRules, check
from surtitle.pipeline.subtitles.cues import Cue

RULES = SubtitleRules()


def speak(*turns: tuple[int | None, str], gap_ms: int = 1500) -> list[SourceSegment]:
    """Turns one after the other, a word each 300 ms."""
    segments: list[SourceSegment] = []
    at_ms = 0
    for speaker, text in turns:
        words: list[Word] = []
        for word in text.split():
            words.append(Word(word, at_ms, at_ms + 300, 1.0))
            at_ms += 300
        segments.append(SourceSegment(len(segments), 0, tuple(words), True, "en", speaker))
        at_ms += gap_ms
    return segments


def texts(cues: list[Cue]) -> list[str]:
    return ["|".join(cue.lines) for cue in cues]


TALK = speak(
    (1, "Where do we go from here?"),
    (1, "I do not know this part of town."),
    (2, "To the harbor, if you like."),
    (1, "That is a good idea."),
)
LINES = [
    "1: Where do we go from here?",
    "I do not know this part of town.",
    "2: To the harbor, if you like.",
    "1: That is a good idea.",
]
SPANISH = ["¿Adónde vamos ahora?", "No conozco el barrio.", "Al puerto, si quieres.", "Buena idea."]


def test_a_number_says_who_speaks_where_a_turn_begins() -> None:
    assert texts(source_cues(TALK, RULES)) == LINES
    cues = translated_cues(TALK, SPANISH, "es", RULES)
    assert texts(cues) == [f"1: {SPANISH[0]}", SPANISH[1], f"2: {SPANISH[2]}", f"1: {SPANISH[3]}"]
    cues = bilingual_cues(TALK, SPANISH, "es", RULES)
    assert texts(cues)[0] == f"{LINES[0]}|1: {SPANISH[0]}"
    assert texts(cues)[1] == f"{LINES[1]}|{SPANISH[1]}"


def test_one_speaker_alone_has_no_number() -> None:
    for speaker in (None, 1):
        segments = speak((speaker, "It rains today."), (speaker, "It rains every day."))
        assert texts(source_cues(segments, RULES)) == ["It rains today.", "It rains every day."]


def test_two_who_share_a_cue_have_a_dash_each_and_a_number_after_it() -> None:
    segments = speak((1, "Coffee?"), (2, "Yes."), (2, "With milk and sugar, thank you."), gap_ms=60)
    assert texts(source_cues(segments, RULES)) == [
        "- Coffee?|- Yes.",
        "2: With milk and sugar, thank you.",
    ]
    spanish = ["¿Café?", "Sí.", "Con leche y azúcar, gracias."]
    assert texts(translated_cues(segments, spanish, "es", RULES)) == [
        "- ¿Café?|- Sí.",
        "2: Con leche y azúcar, gracias.",
    ]


def test_three_who_are_short_do_not_share_one_cue() -> None:
    segments = speak((1, "Coffee?"), (2, "Yes."), (3, "No."), gap_ms=60)
    assert texts(source_cues(segments, RULES)) == ["- Coffee?|- Yes.", "3: No."]


def test_a_number_makes_no_line_too_long_and_stands_on_the_line_of_its_words() -> None:
    sentence = "Every boat that comes in at night has a light, and we can see it from up here"
    segments = speak((1, f"{sentence} now."), (2, f"{sentence} too."))
    cues = source_cues(segments, RULES)
    assert not [violation for violation in check(cues, RULES) if "line" in str(violation)]
    assert all(len(line) <= 42 for cue in cues for line in cue.lines)
    assert [cue.lines[0][:8] for cue in cues if ":" in cue.lines[0]] == ["1: Every", "2: Every"]
