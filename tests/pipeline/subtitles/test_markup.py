"""What is said in a cue, and what stands around it: literal texts of cues in and out."""

from __future__ import annotations

import random
from xml.etree import ElementTree as ET

import pytest

from surtitle.pipeline.config import SubtitleFormat
from surtitle.pipeline.subtitles.markup import rewritten, seen_lines, speeches
from surtitle.pipeline.text.languages import language_rules

EN, ES = language_rules("en"), language_rules("es")


def said(text: str, subtitle_format: SubtitleFormat = "srt") -> list[str]:
    return [speech.text for speech in speeches(text, subtitle_format, EN)]


def again(
    text: str, *translations: str, subtitle_format: SubtitleFormat = "srt", target: str = "es"
) -> str:
    cue = speeches(text, subtitle_format, EN)
    return rewritten(cue, translations, subtitle_format, EN, language_rules(target))


def test_lines_are_one_text_and_are_broken_anew() -> None:
    text = "We are going to the\nharbor today."
    assert said(text) == ["We are going to the harbor today."]
    assert again(text, "Hoy vamos al puerto.") == "Hoy vamos al puerto."
    long = "Hoy vamos al puerto viejo, porque el mercado abre."
    assert again(text, long) == "Hoy vamos al puerto viejo,\nporque el mercado abre."


def test_each_line_with_a_dash_is_a_speech_of_its_own() -> None:
    cue = speeches("- Hello, you\nthere.\n-No.\n– <i>Who?</i>", "srt", EN)
    assert [(speech.text, speech.has_dash) for speech in cue] == [
        ("Hello, you there.", True),
        ("No.", True),
        ("Who?", True),
    ]
    texts = ["Hola.", "Que no.", "¿Quién?"]
    assert rewritten(cue, texts, "srt", EN, ES) == "- Hola.\n-Que no.\n– <i>¿Quién?</i>"


def test_a_number_below_zero_has_no_dash() -> None:
    cue = speeches("-5 degrees.", "srt", EN)
    assert [(speech.text, speech.has_dash) for speech in cue] == [("-5 degrees.", False)]
    assert [speech.text for speech in speeches("- 5 people.", "srt", EN)] == ["5 people."]


@pytest.mark.parametrize(
    ("text", "subtitle_format", "result"),
    [
        ("{\\an8}<i>Good day.</i>", "srt", "{\\an8}<i>Buen día.</i>"),
        ("♪ Good day ♪", "srt", "♪ Buen día. ♪"),
        ("BOB: Good day.", "srt", "BOB: Buen día."),
        ("- <b>DR. O'NEIL: Good day.</b>", "srt", "- <b>DR. O'NEIL: Buen día.</b>"),
        ("[door slams]\nGood day.", "srt", "[door slams]\nBuen día."),
        ("(SIGHS)\nGood\nday.", "srt", "(SIGHS)\nBuen día."),
        ("Good day.\n<i>(laughs)</i>", "srt", "Buen día.\n<i>(laughs)</i>"),
        ("<v Bob><c.loud>Good day.</c></v>", "vtt", "<v Bob><c.loud>Buen día.</c></v>"),
        ("{\\pos(1,2)\\i1}Good day.{\\i0}", "ass", "{\\pos(1,2)\\i1}Buen día.{\\i0}"),
        ('<span style="s">Good day.</span>', "ttml", '<span style="s">Buen día.</span>'),
    ],
)
def test_what_stands_around_stays(text: str, subtitle_format: SubtitleFormat, result: str) -> None:
    (speech,) = speeches(text, subtitle_format, EN)
    assert speech.text.startswith("Good day")
    assert again(text, "Buen día.", subtitle_format=subtitle_format) == result


@pytest.mark.parametrize(
    ("text", "subtitle_format"),
    [
        ("♪♪", "srt"),
        ("[applause]", "srt"),
        ("(applause)", "srt"),
        ("10:30 – 42 %", "srt"),
        ("{\\an8}", "srt"),
        ("", "vtt"),
        ("{\\p1}m 0 0 l 10 0 b a{\\p0}", "ass"),
    ],
)
def test_where_nothing_is_said_nothing_changes(text: str, subtitle_format: SubtitleFormat) -> None:
    assert set(said(text, subtitle_format)) == {""}
    assert again(text, "", subtitle_format=subtitle_format) == text


def test_words_with_a_colon_are_said_unless_they_are_a_name_in_capitals() -> None:
    assert said("He said: no.") == ["He said: no."]
    assert said("Он сказал: нет.") == ["Он сказал: нет."]
    assert said("МАША: нет.") == ["нет."]


def test_a_tag_stays_around_a_name_that_is_found_again() -> None:
    assert (
        again("I love <i>New York</i> so much.", "Me gusta mucho New York.")
        == "Me gusta mucho <i>New York.</i>"
    )


def test_a_tag_around_other_words_keeps_its_place_and_never_surrounds_nothing() -> None:
    text = "You <b>must</b> go."
    assert again(text, "Tienes que irte.") == "Tienes <b>que</b> irte."
    assert again(text, "Vete.") == "<b>Vete.</b>"
    assert again("<i>You</i> must go now.", "Vete ya.") == "<i>Vete</i> ya."
    assert again("You must <i>go now.</i>", "Vete ya.") == "Vete <i>ya.</i>"


def test_a_tag_that_closes_before_a_mark_does_so_again() -> None:
    assert again("I go <i>there</i>, now.", "Voy allá, ya.") == "Voy <i>allá</i>, ya."
    assert again("I go <i>there,</i> now.", "Voy allá, ya.") == "Voy <i>allá,</i> ya."


def test_a_note_among_words_keeps_its_place() -> None:
    assert again("Well [sighs] I go.", "Pues me voy.") == "Pues [sighs] me voy."
    assert again("Now ♪ I go.", "Ahora me voy.") == "Ahora ♪ me voy."


def test_a_time_stamp_among_words_keeps_its_place() -> None:
    text = "Good <00:01.000>morning, all."
    result = again(text, "Muy buenos días.", subtitle_format="vtt")
    assert result == "Muy <00:01.000>buenos días."


@pytest.mark.parametrize(
    ("subtitle_format", "text", "seen", "result"),
    [
        ("vtt", "Tom &amp; &lt;Jerry&gt;", "Tom & <Jerry>", "a &lt;b&gt; &amp; c"),
        ("ttml", "Tom &amp; &lt;Jerry&gt;", "Tom & <Jerry>", "a &lt;b&gt; &amp; c"),
        ("srt", "Tom & Jerry", "Tom & Jerry", "a ‹b> & c"),
        ("ass", "Tom & Jerry", "Tom & Jerry", "a <b> & c"),
    ],
)
def test_what_a_translator_writes_is_no_markup(
    subtitle_format: SubtitleFormat, text: str, seen: str, result: str
) -> None:
    assert said(text, subtitle_format) == [seen]
    assert again(text, "a <b> & c", subtitle_format=subtitle_format) == result


def test_a_script_without_spaces() -> None:
    text = "- Good <i>morning</i>, all.\n- Yes."
    result = again(text, "皆さん、おはよう。", "はい。", target="ja")
    assert result.replace("<i>", "").replace("</i>", "") == "- 皆さん、おはよう。\n- はい。"
    assert result.count("<i>") == result.count("</i>") == 1


def test_dash_and_name_are_counted_in_the_line() -> None:
    words = "Uno dos tres cuatro cinco seis siete ocho"  # 41 characters
    assert again("- One.", words).count("\n") == 1
    assert again("One.", words).count("\n") == 0


def test_lines_as_they_are_seen() -> None:
    assert seen_lines("{\\an8}<i>Good</i>\n\n day &amp; ", "vtt") == ("{\\an8}Good", "day &")
    assert seen_lines("{\\an8}<i>Good</i>", "srt") == ("Good",)
    assert seen_lines("{\\p1}m 0 0", "ass") == ()


@pytest.mark.parametrize(
    ("subtitle_format", "tags"),
    [
        ("srt", ("<i>", "</i>", "<b>", "</b>", '<font color="red">', "</font>", "{\\an8}")),
        ("vtt", ("<i>", "</i>", "<c.a>", "</c>", "<v Bob>", "<00:01.000>", "&amp;")),
        ("ass", ("{\\i1}", "{\\i0}", "{\\b1}", "{\\r}", "{\\pos(1,2)}", "{a note}")),
        ("ttml", ('<span a="b>">', "</span>", "<!-- x -->", '<span x="y">', "&lt;")),
    ],
)
def test_no_tag_and_no_note_is_lost_wherever_it_stands(
    subtitle_format: SubtitleFormat, tags: tuple[str, ...]
) -> None:
    dice = random.Random(3)
    kept = [tag for tag in tags if not tag.startswith("&")] + ["[sighs]", "♪"]
    said = ["word", "Dos.", "and,", "-5", "x", "...", "(so)", "\n", "\n- ", "- ", "BOB: "]
    for _ in range(800):
        pieces = dice.choices([*tags, "[sighs]", "♪", *said, *said], k=dice.randint(1, 12))
        text = "".join(piece + dice.choice(["", " "]) for piece in pieces)
        cue = speeches(text, subtitle_format, EN)
        assert "\n".join(speech.raw for speech in cue) == text
        words = " ".join(f"w{n}" for n in range(dice.randint(1, 6)))
        translations = [words if speech.text else "" for speech in cue]
        for target in ES, language_rules("ja"):
            result = rewritten(cue, translations, subtitle_format, EN, target)
            for each in kept:
                assert result.count(each) == text.count(each), (text, result)


def test_what_is_xml_stays_xml() -> None:
    dice = random.Random(4)
    for _ in range(800):
        text = _spans(dice, 3)
        cue = speeches(text, "ttml", EN)
        words = " ".join(dice.choice(["w", "<", "&", "x.", "dos"]) for _ in range(5))
        translations = [words if speech.text else "" for speech in cue]
        result = rewritten(cue, translations, "ttml", EN, ES)
        parsed = ET.fromstring(f"<p>{result}</p>")
        assert len(list(parsed.iter("span"))) == text.count("<span")
        if any(translations):
            seen = "".join(parsed.itertext()).replace("[sighs]", " ")
            assert seen.split() == words.split()


def _spans(dice: random.Random, depth: int) -> str:
    parts: list[str] = []
    for _ in range(dice.randint(1, 4)):
        word = dice.choice(["one", "two.", "&amp;", "[sighs]", "and,"])
        inner = _spans(dice, depth - 1) if depth and dice.random() < 0.4 else word
        parts.append(f'<span a="{depth}>">{inner}</span>' if dice.random() < 0.5 else inner)
    return dice.choice(["", " "]).join(parts)
