from __future__ import annotations

import random
from itertools import pairwise

import pytest

from surtitle.pipeline.events import SourceSegment, Word
from surtitle.pipeline.subtitles.build import bilingual_cues, source_cues, translated_cues
from surtitle.pipeline.subtitles.check import SubtitleRules, check
from surtitle.pipeline.subtitles.cues import Cue
from surtitle.pipeline.text.languages import language_rules

RULES = SubtitleRules()
LONG = "I go out in a small boat, in the dark, in the rain, and I climb nine meters up the side."
LONG_ES = "Salgo en una lancha, en la oscuridad, bajo la lluvia, y subo nueve metros por el borde."


def speak(text: str, start_ms: int = 0, *, word_ms: int = 300, number: int = 0) -> SourceSegment:
    words = tuple(
        Word(word, start_ms + word_ms * at, start_ms + word_ms * (at + 1), 1.0)
        for at, word in enumerate(text.split())
    )
    return SourceSegment(number, 0, words, is_final=True, language="en")


def shown(cues: list[Cue]) -> list[list[str]]:
    return [list(cue.lines) for cue in cues]


def test_a_short_sentence_is_one_cue_from_its_first_word() -> None:
    (cue,) = source_cues([speak("It rains today.", 1200)], RULES)
    assert (cue.start_ms, cue.end_ms, cue.lines) == (1200, 2600, ("It rains today.",))


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    cues = source_cues([speak(LONG)], RULES)
    assert shown(cues) == [
        ["I go out in a small boat, in the dark,"],
        ["in the rain,", "and I climb nine meters up the side."],
    ]
    assert [cue.start_ms for cue in cues] == [0, 10 * 300]


def test_slow_speech_is_cut_by_time() -> None:
    cues = source_cues([speak("We wait, and we wait again.", word_ms=1500)], RULES)
    assert shown(cues) == [["We wait,"], ["and we wait again."]]


def test_a_translation_in_as_many_cues_takes_their_times() -> None:
    segments = [speak(LONG)]
    ours = source_cues(segments, RULES)
    theirs = translated_cues(segments, [LONG_ES], "es", RULES)
    assert shown(theirs) == [
        ["Salgo en una lancha, en la oscuridad,"],
        ["bajo la lluvia,", "y subo nueve metros por el borde."],
    ]
    assert [cue.start_ms for cue in theirs] == [cue.start_ms for cue in ours]


def test_a_longer_translation_is_dealt_out_by_characters_between_words() -> None:
    translation = "x" * 40 + " " + "x" * 40 + ", " + "y" * 40 + " " + "y" * 40 + "."
    cues = translated_cues([speak("We all wait for the boat.")], [translation], "es", RULES)
    assert [cue.lines[0][0] for cue in cues] == ["x", "y"]
    assert cues[1].start_ms == 900  # half of 1800 ms is between two words


def test_an_empty_translation_makes_no_cue() -> None:
    segments = [speak("Um."), speak("It rains.", 5000, number=1)]
    cues = translated_cues(segments, ["", "Llueve."], "es", RULES)
    assert [cue.start_ms for cue in cues] == [5000]


def test_translations_must_match_the_segments() -> None:
    with pytest.raises(ValueError, match="zip"):
        translated_cues([speak("It rains.")], [], "es", RULES)


def test_a_bilingual_cue_holds_a_line_of_each_language() -> None:
    cues = bilingual_cues([speak(LONG)], [LONG_ES], "es", RULES)
    assert shown(cues) == [
        ["I go out in a small boat,", "Salgo en una lancha,"],
        ["in the dark, in the rain,", "en la oscuridad, bajo la lluvia,"],
        ["and I climb nine meters up the side.", "y subo nueve metros por el borde."],
    ]
    assert [block.language for block in cues[0].blocks] == ["en", "es"]


def test_a_bilingual_cue_without_a_translation_shows_what_is_said() -> None:
    assert shown(bilingual_cues([speak("Um.")], [""], "es", RULES)) == [["Um."]]


def test_nothing_said_makes_no_cue() -> None:
    assert source_cues([], RULES) == []
    assert translated_cues([], [], "es", RULES) == []
    assert bilingual_cues([], [], "es", RULES) == []


def test_words_of_white_space_make_no_cue() -> None:
    segments = [SourceSegment(0, 0, (Word(" ", 0, 100, 1.0),), is_final=True, language="en")]
    assert source_cues(segments, RULES) == []
    assert shown(translated_cues(segments, ["Llueve."], "es", RULES)) == [["Llueve."]]


WORDS = {
    "en": "the boat, harbor. and because of U.S. 3.5 you'd extraordinarily Why? “so” —".split(),
    "es": "el barco, puerto. y porque de ¿qué? EE. UU. extraordinariamente se «así»".split(),
    "de": [
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbau",
        "der",
        "Hafen,",
        "und",
        "es.",
    ],
    "zh": list("我们去港口，船很大。「好」"),
    "ja": list("港へ行く船はカター、。「」"),
    "ar": "الميناء، السفينة. في من كبير".split(),
}


def random_segments(rng: random.Random, language: str, count: int) -> list[SourceSegment]:
    segments: list[SourceSegment] = []
    at_ms = 0
    for number in range(count):
        words: list[Word] = []
        for _ in range(rng.randint(1, 30)):
            end_ms = at_ms + rng.choice([0, 60, 150, 300, 700])
            words.append(Word(rng.choice(WORDS[language]), at_ms, end_ms, 1.0))
            at_ms = end_ms + rng.choice([0, 0, 0, 30, 200, 1200])
        segments.append(SourceSegment(number, 0, tuple(words), True, language))
        at_ms += rng.choice([0, 0, 400, 4000])
    return segments


def random_translations(rng: random.Random, language: str, count: int) -> list[str]:
    space = " " if language_rules(language).has_spaces else ""
    return [
        space.join(rng.choice(WORDS[language]) for _ in range(rng.choice([0, 1, 3, 12, 25, 60])))
        for _ in range(count)
    ]


def assert_in_form(cues: list[Cue]) -> None:
    for cue, following in pairwise(cues):
        assert following.start_ms - cue.end_ms >= RULES.gap_ms
    assert {violation.rule for violation in check(cues, RULES)} <= {"reading speed", "shortest"}
    for cue in cues:
        assert cue.start_ms < cue.end_ms
        assert all(block.lines for block in cue.blocks)


def assert_says(cues: list[Cue], language: str, texts: list[str]) -> None:
    said = [line for cue in cues for b in cue.blocks if b.language == language for line in b.lines]
    assert "".join("".join(said).split()) == "".join("".join(texts).split())


@pytest.mark.parametrize(
    ("source", "target"), [("en", "es"), ("en", "zh"), ("zh", "en"), ("ja", "de"), ("de", "ar")]
)
def test_no_word_is_lost_and_no_rule_of_form_is_broken(source: str, target: str) -> None:
    rng = random.Random(source + target)
    for _ in range(3):
        segments = random_segments(rng, source, 12)
        translations = random_translations(rng, target, 12)
        words = [word.text for segment in segments for word in segment.words]

        cues = source_cues(segments, RULES)
        assert_in_form(cues)
        assert_says(cues, source, words)

        cues = translated_cues(segments, translations, target, RULES)
        assert_in_form(cues)
        assert_says(cues, target, translations)

        cues = bilingual_cues(segments, translations, target, RULES)
        assert_in_form(cues)
        assert_says(cues, source, words)
        assert_says(cues, target, translations)
