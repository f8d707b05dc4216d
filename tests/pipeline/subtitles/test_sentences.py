"""Sentences over cues: literal places in, sentences and dealt out translations back."""

from __future__ import annotations

import random

from surtitle.pipeline.subtitles.sentences import MOST_CHARS, Said, dealt_out, sentences
from surtitle.pipeline.text.languages import language_rules

EN, ES, JA = (language_rules(code) for code in ("en", "es", "ja"))


def said(*texts: str, pause_ms: int = 100) -> list[Said]:
    """Places of 1 s each; a text that begins with a dash is by a new speaker."""
    step_ms = 1000 + pause_ms
    return [
        Said(text.lstrip("-"), at * step_ms, at * step_ms + 1000, is_new=text.startswith("-"))
        for at, text in enumerate(texts)
    ]


def texts(*places: Said) -> list[str]:
    return [sentence.text for sentence in sentences(places, EN)]


def test_a_sentence_runs_over_cues() -> None:
    found = sentences(said("We are going to", "the harbor today. Are", "you coming?"), EN)
    assert [sentence.text for sentence in found] == [
        "We are going to the harbor today.",
        "Are you coming?",
    ]
    assert found[0].parts == ((0, "We are going to"), (1, "the harbor today."))
    assert found[1].parts == ((1, "Are"), (2, "you coming?"))


def test_another_speaker_or_a_long_pause_ends_a_sentence() -> None:
    assert texts(*said("I think", "-No", "way.")) == ["I think", "No way."]
    assert texts(*said("I think", "so", pause_ms=5000)) == ["I think", "so"]


def test_voices_that_overlap_do_not_mix() -> None:
    first, second, third = said("I am going", "EXIT", "home.")
    sign = Said(second.text, first.start_ms, third.end_ms, voice="Signs")
    found = sentences([first, sign, third], EN)
    assert [sentence.text for sentence in found] == ["I am going home.", "EXIT"]


def test_a_cue_in_lower_case_begins_a_sentence_unless_three_dots_led_to_it() -> None:
    assert texts(*said("please.", "music plays")) == ["please.", "music plays"]
    assert texts(*said("I was...", "...going home.")) == ["I was... ...going home."]
    assert texts(*said("Mr.", "Smith is here.")) == ["Mr. Smith is here."]


def test_text_without_marks_is_cut_at_a_bounded_length() -> None:
    found = sentences(said(*["these are five more words"] * 100), EN)
    assert max(len(sentence.text) for sentence in found) < MOST_CHARS + 30
    assert " ".join(sentence.text for sentence in found).split() == (
        "these are five more words".split() * 100
    )


def test_a_translation_is_dealt_out_by_lengths_at_clauses() -> None:
    places = said("We are going to the harbor today,", "because the market opens. And", "you?")
    found = sentences(places, EN)
    translations = ["Hoy vamos al puerto, porque abre el mercado.", "¿Y tú?"]
    assert dealt_out(range(3), found, translations, EN, ES) == {
        0: "Hoy vamos al puerto,",
        1: "porque abre el mercado. ¿Y",
        2: "tú?",
    }


def test_a_cue_that_would_be_empty_shows_what_the_one_before_shows() -> None:
    found = sentences(said("Good", "morning,", "all."), EN)
    assert dealt_out(range(3), found, ["Hola."], EN, ES) == dict.fromkeys(range(3), "Hola.")


def test_a_script_without_spaces_is_cut_between_characters() -> None:
    found = sentences(said("Good morning,", "all of you."), EN)
    dealt = dealt_out(range(2), found, ["皆さん、おはようございます。"], EN, JA)
    assert dealt[0] + dealt[1] == "皆さん、おはようございます。" and dealt[0] and dealt[1]
    found = sentences(said("皆さん、", "おはよう。"), JA)
    assert [sentence.text for sentence in found] == ["皆さん、おはよう。"]


def test_every_word_comes_back_in_order_whatever_the_cues_are() -> None:
    dice = random.Random(5)
    for _ in range(300):
        words = [f"w{n}" + dice.choice(["", "", "", ".", ",", "..."]) for n in range(40)]
        cuts = sorted(dice.sample(range(1, 40), dice.randint(1, 12)))
        edges = [0, *cuts, 40]
        pieces = [" ".join(words[a:b]) for a, b in zip(edges, edges[1:], strict=False)]
        found = sentences(said(*pieces), EN)
        assert " ".join(sentence.text for sentence in found).split() == words
        longer = [f"{sentence.text} y más" for sentence in found]
        dealt = dealt_out(range(len(pieces)), found, longer, EN, ES)
        assert len(dealt) == len(pieces) and all(dealt.values())
        assert " ".join(dealt.values()).split() == " ".join(longer).split()
