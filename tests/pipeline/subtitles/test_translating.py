"""Subtitle files through a scripted translator."""

from __future__ import annotations

import asyncio
import random

import pytest

from surtitle.pipeline.config import SubtitleFormat, Term
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.subtitles.check import SubtitleRules, check
from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.documents import Document, parse_document
from surtitle.pipeline.subtitles.translating import bilingual_texts, seen_cues, translated_texts
from surtitle.pipeline.translators.queue import TranslationQueue

from ..scripted_translator import ScriptedTranslator
from .test_documents import FILES

SRT = """1
00:00:01,000 --> 00:00:02,500
{\\an8}We are going to

2
00:00:02,600 --> 00:00:04,000
the <i>harbor</i> today.

3
00:00:05,000 --> 00:00:06,000
- Really?
- [nods] Yes.

4
00:00:06,100 --> 00:00:07,000
♪♪
"""


def translated(
    document: Document, translator: ScriptedTranslator, terms: tuple[Term, ...] = ()
) -> list[str | None]:
    queue = TranslationQueue(translator)
    return asyncio.run(translated_texts(document, "en", "es", terms, queue, "talk"))


def test_sentences_go_in_whole_and_cues_come_back() -> None:
    translator = ScriptedTranslator()
    document = parse_document(SRT, "srt")
    terms = (Term("harbor", {"es": "puerto"}),)
    texts = translated(document, translator, terms)
    assert sorted(translator.texts) == ["Really?", "We are going to the harbor today.", "Yes."]
    (asked,) = (each for each in translator.asked if "harbor" in each.text)
    assert asked.required == ("puerto",) and asked.is_written
    assert document.written(texts, "en", "es") == (
        SRT.replace("We are going to", "[es] We are going")  # not after the preposition
        .replace("the <i>harbor</i>", "to the <i>harbor</i>")
        .replace("- Really?", "- [es] Really?")
        .replace("[nods] Yes.", "[nods] [es] Yes.")
    )


def test_a_sentence_knows_those_before_it() -> None:
    translator = ScriptedTranslator()
    translated(parse_document(SRT, "srt"), translator)
    (yes,) = (each for each in translator.asked if each.text == "Yes.")
    assert yes.context == (("We are going to the harbor today.", ""), ("Really?", ""))


@pytest.mark.parametrize("name", FILES)
def test_in_every_format_as_many_cues_come_back_at_the_same_times(name: SubtitleFormat) -> None:
    document = parse_document(FILES[name], name)
    texts = translated(document, ScriptedTranslator())
    again = parse_document(document.written(texts, "en", "es"), name)
    assert [(cue.start_ms, cue.end_ms, cue.voice) for cue in again.cues] == [
        (cue.start_ms, cue.end_ms, cue.voice) for cue in document.cues
    ]
    assert "[es]" in again.cues[0].text


def test_an_error_is_that_of_the_file() -> None:
    translator = ScriptedTranslator(errors={"Really?": TranslatorError("no power")})
    with pytest.raises(TranslatorError, match="no power"):
        translated(parse_document(SRT, "srt"), translator)


def test_an_empty_answer_leaves_the_text_as_it_stands() -> None:
    class Mute(ScriptedTranslator):
        async def translate(self, request: object) -> str:
            return ""

    document = parse_document(SRT, "srt")
    assert document.written(translated(document, Mute()), "en", "es") == SRT


def test_both_languages_in_a_cue() -> None:
    document = parse_document(SRT, "srt")
    texts = ["Vamos", "al puerto.", "- ¿Sí?\n- Sí.", None]
    assert bilingual_texts(document, texts, "en") == [
        "{\\an8}We are going to\nVamos",
        "the <i>harbor</i> today.\nal puerto.",
        "- Really?\n- [nods] Yes.\n- ¿Sí?\n- Sí.",
        None,
    ]
    cues = seen_cues(document, ("en", [None] * 4), ("es", texts))
    assert cues[1] == Cue(
        2600, 4000, (TextBlock("en", ("the harbor today.",)), TextBlock("es", ("al puerto.",)))
    )
    assert cues[3].blocks == (TextBlock("en", ("♪♪",)),)


def test_the_style_guide_is_for_what_is_seen() -> None:
    document = parse_document(SRT, "srt")
    texts = ["{\\an8}<b>Vamos</b>", "x" * 43, None, None]
    cues = seen_cues(document, ("es", texts))
    found = {(each.rule, each.cue_index) for each in check(cues, SubtitleRules())}
    assert ("line length", 1) in found
    assert not {each for each in found if each[1] == 0}


def test_both_languages_have_as_few_lines_as_hold_them() -> None:
    document = parse_document(SRT.replace("going to", "going to\n<i>the</i> harbor"), "srt")
    texts = ["Vamos al puerto.", None, None, None]
    assert bilingual_texts(document, texts, "en")[0] == (
        "{\\an8}We are going to <i>the</i> harbor\nVamos al puerto."
    )


def test_it_tells_how_far_it_is() -> None:
    told: list[int] = []

    async def scenario() -> None:
        queue = TranslationQueue(ScriptedTranslator())
        await translated_texts(document, "en", "es", (), queue, "talk", told.append)

    cues = (f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\nOne. Two.\n\n" for n in range(40))
    document = parse_document("".join(cues), "srt")
    asyncio.run(scenario())
    assert told == [31_900, 39_900]


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused_in_words_or_keeps_its_cues(name: SubtitleFormat) -> None:
    dice = random.Random(6)
    bits = [
        "<",
        ">",
        "</i>",
        "{",
        "}",
        "\\",
        '"',
        "-->",
        ",",
        "\n",
        "\n\n",
        "\0",
        "0",
        "é",
        "&",
        "-",
    ]
    read = 0
    for _ in range(250):
        text = FILES[name]
        for _ in range(dice.randint(1, 4)):
            at, length = dice.randrange(len(text)), dice.choice([0, 0, 1, 5, 40])
            text = text[:at] + dice.choice(bits) + text[at + length :]
        try:
            document = parse_document(text, name)
        except ValueError as error:
            assert str(error)
            continue
        read += 1
        assert document.written([None] * len(document.cues), "nl", "es") == text
        texts = translated(document, ScriptedTranslator())
        seen_cues(document, ("es", texts))
        again = parse_document(document.written(texts, "nl", "es"), name)
        assert len(again.cues) == len(document.cues), text
    assert read > 10
