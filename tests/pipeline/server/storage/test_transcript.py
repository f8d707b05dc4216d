from __future__ import annotations

import json
from dataclasses import replace

import pysubs2
import pytest

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import Caption, Word, joined_text
from surtitle.pipeline.server.storage.store import StoredSession
from surtitle.pipeline.server.storage.transcript import (
    TRANSCRIPT_FORMATS,
    TranscriptFormat,
    parse_format,
    parse_languages,
    transcript,
)

SESSION = StoredSession("s-1", "main", "en", ("es", "de"), "2026-11-24T10:15:00+00:00", None)


def final(segment_id: int, language: str, text: str, start_ms: int, end_ms: int) -> Caption:
    return Caption(segment_id, 1, language, text, start_ms, end_ms, True)


CAPTIONS = [
    final(0, "en", "The harbor opens at six.", 1000, 3000),
    final(0, "es", "El puerto abre a las seis.", 1000, 3000),
    final(1, "en", "The ferries leave soon.", 5000, 7000),
    final(1, "es", "Los transbordadores salen pronto.", 5000, 7000),
    final(2, "en", "Yes.", 9000, 9400),  # not translated yet
]


def written(transcript_format: TranscriptFormat, *languages: str) -> str:
    return transcript(SESSION, CAPTIONS, transcript_format, languages)


@pytest.mark.parametrize("transcript_format", ["srt", "vtt", "ttml"])
def test_subtitles_of_one_language(transcript_format: TranscriptFormat) -> None:
    text = written(transcript_format, "es")
    cues = pysubs2.SSAFile.from_string(text, format_=transcript_format)
    assert [(cue.start, cue.plaintext) for cue in cues] == [
        (1000, "El puerto abre a las seis."),
        (5000, "Los transbordadores salen pronto."),
    ]


def test_both_languages_stand_in_one_cue() -> None:
    cues = pysubs2.SSAFile.from_string(written("srt", "en", "es"), format_="srt")
    assert [cue.plaintext for cue in cues] == [
        "The harbor opens at six.\nEl puerto abre a las seis.",
        "The ferries leave soon.\nLos transbordadores salen pronto.",
        "Yes.",
    ]


def test_a_long_segment_becomes_several_cues_in_its_time() -> None:
    text = "the harbor opens at six and " * 8
    long = [final(0, "en", text.strip(), 0, 20_000)]
    cues = pysubs2.SSAFile.from_string(transcript(SESSION, long, "srt", ("en",)), format_="srt")
    assert len(cues) >= 3
    assert [cue.start for cue in cues] == sorted({cue.start for cue in cues})
    assert " ".join(cue.plaintext.replace("\n", " ") for cue in cues) == text.strip()


def spoken(language: str, words: list[Word], text: str = "") -> Caption:
    return Caption(
        0,
        1,
        language,
        text or joined_text(words),
        words[0].start_ms,
        words[-1].end_ms,
        is_final=True,
        is_source=True,
        words=tuple(words),
    )


def cues(
    session: StoredSession, captions: list[Caption], *languages: str
) -> list[pysubs2.SSAEvent]:
    text = transcript(session, captions, "srt", languages)
    return list(pysubs2.SSAFile.from_string(text, format_="srt"))


def paused(texts: list[str]) -> list[Word]:
    """A word a second, and a pause of four seconds in the middle."""
    middle = len(texts) // 2
    return [
        Word(text, 1000 * n + 4000 * (n >= middle), 1000 * n + 900 + 4000 * (n >= middle), 0.9)
        for n, text in enumerate(texts)
    ]


def test_cues_follow_the_times_of_the_words() -> None:
    words = paused("the harbor opens at six and the ferries leave soon".split())
    first, second = cues(SESSION, [spoken("en", words)], "en")
    assert (first.plaintext, first.start) == ("the harbor opens at six", 0)
    assert (second.plaintext, second.start) == ("and the ferries leave soon", 9000)


def test_a_translation_follows_the_times_of_the_words() -> None:
    words = paused("the harbor opens at six and the ferries leave soon".split())
    texts = "el puerto abre a las seis y los transbordadores salen pronto"
    captions = [spoken("en", words), final(0, "es", texts, 0, words[-1].end_ms)]
    first, second = cues(SESSION, captions, "es")
    assert (first.start, second.start) == (0, 9000)


def test_words_that_are_not_those_shown_give_no_times() -> None:
    words = paused("the harbor opens at six and the ferries leave soon".split())
    shown = spoken("en", words, "The harbour opens at six, and ferries leave soon.")
    texts = [cue.plaintext.replace("\n", " ") for cue in cues(SESSION, [shown], "en")]
    assert " ".join(texts) == shown.text


@pytest.mark.parametrize("is_timed", [True, False])
def test_text_without_blanks_stays_without(is_timed: bool) -> None:
    session = StoredSession("s-2", "main", "ja", (), "2026-11-24T10:15:00+00:00", None)
    texts = ["GPU", "の", "速い", "計算", "、", "です", "。"]
    words = [
        Word(text, 500 * n, 500 * n + 400, 1.0, is_joined=n > 0) for n, text in enumerate(texts)
    ]
    caption = spoken("ja", words)
    assert caption.text == "GPUの速い計算、です。"
    shown = cues(session, [caption if is_timed else replace(caption, words=())], "ja")
    assert "".join(cue.plaintext for cue in shown) == caption.text


def test_joined_words_of_a_language_with_blanks_stay_joined() -> None:
    words = [
        Word("a", 0, 100, 1.0),
        Word("well", 200, 400, 1.0),
        Word("-known", 400, 800, 1.0, is_joined=True),
        Word("harbor", 900, 1200, 1.0),
    ]
    (cue,) = cues(SESSION, [spoken("en", words)], "en")
    assert cue.plaintext == "a well-known harbor"


def test_json_has_the_words_where_they_are_known() -> None:
    words = [Word("a", 0, 100, 0.5), Word("b", 100, 200, 1.0, is_estimated=True, is_joined=True)]
    captions = [spoken("en", words), final(0, "es", "ab", 0, 200)]
    heard, translated = json.loads(transcript(SESSION, captions, "json", ("en", "es")))["captions"]
    assert heard["is_source"] and heard["words"] == [
        {"text": "a", "start_ms": 0, "end_ms": 100, "confidence": 0.5},
        {
            "text": "b",
            "start_ms": 100,
            "end_ms": 200,
            "confidence": 1.0,
            "is_estimated": True,
            "is_joined": True,
        },
    ]
    assert not translated["is_source"] and "words" not in translated


def test_plain_text() -> None:
    assert written("txt", "en").splitlines() == [
        "The harbor opens at six.",
        "The ferries leave soon.",
        "Yes.",
    ]
    assert written("txt", "en", "es").split("\n\n")[1] == (
        "The ferries leave soon.\nLos transbordadores salen pronto."
    )


def test_who_said_it_stands_before_it() -> None:
    said = [
        replace(caption, speaker="Ana" if caption.segment_id else "Ben") for caption in CAPTIONS
    ]
    assert transcript(SESSION, said, "txt", ("es",)).splitlines() == [
        "Ben: El puerto abre a las seis.",
        "Ana: Los transbordadores salen pronto.",
    ]
    cues = pysubs2.SSAFile.from_string(transcript(SESSION, said, "srt", ("en",)), format_="srt")
    assert [cue.plaintext for cue in cues] == [
        "1: The harbor opens at six.",
        "2: The ferries leave soon.",
        "Yes.",
    ]
    told = json.loads(transcript(SESSION, said, "json", ("en",)))["captions"]
    assert [caption["speaker"] for caption in told] == ["Ben", "Ana", "Ana"]


def test_json_tells_all_that_is_known() -> None:
    answer = json.loads(written("json", "es"))
    assert (answer["id"], answer["source"], answer["ended_at"]) == ("s-1", "en", None)
    assert [caption["text"] for caption in answer["captions"]] == [
        "El puerto abre a las seis.",
        "Los transbordadores salen pronto.",
    ]


@pytest.mark.parametrize("transcript_format", TRANSCRIPT_FORMATS)
def test_a_session_without_a_word(transcript_format: TranscriptFormat) -> None:
    transcript(SESSION, [], transcript_format, ("en",))
    transcript(SESSION, [final(0, "en", "", 0, 0)], transcript_format, ("en",))


@pytest.mark.parametrize(
    ("text", "languages"),
    [("", ("en",)), ("es", ("es",)), ("es,en", ("en", "es")), ("en,de", ("en", "de"))],
)
def test_languages(text: str, languages: tuple[str, ...]) -> None:
    assert parse_languages(text, SESSION) == languages


@pytest.mark.parametrize(
    ("text", "code"), [("fr", "unsupported_language"), ("es,de", "bad_request")]
)
def test_languages_that_cannot_be_had(text: str, code: str) -> None:
    with pytest.raises(RefusedError, match=text) as caught:
        parse_languages(text, SESSION)
    assert caught.value.code == code


def test_a_format_that_is_not_known() -> None:
    with pytest.raises(RefusedError, match="format must be srt, vtt, ttml, txt, json, got 'ass'"):
        parse_format("ass")


ANY = StoredSession("s-2", "main", "auto", ("es", "de"), "2026-11-24T10:15:00+00:00", None)


def said(segment_id: int, language: str, text: str, start_ms: int, end_ms: int) -> Caption:
    return replace(final(segment_id, language, text, start_ms, end_ms), is_source=True)


TALK = [
    said(0, "en", "Good morning.", 1000, 3000),
    final(0, "es", "Buenos días.", 1000, 3000),
    final(0, "de", "Guten Morgen.", 1000, 3000),
    said(1, "es", "¿Es tarde?", 5000, 7000),
    final(1, "de", "Ist es spät?", 5000, 7000),
]


@pytest.mark.parametrize(
    ("query", "texts"),
    [
        ("", ["Good morning.", "¿Es tarde?"]),
        ("auto", ["Good morning.", "¿Es tarde?"]),
        ("es", ["Buenos días.", "¿Es tarde?"]),
        ("de", ["Guten Morgen.", "Ist es spät?"]),
        ("auto,es", ["Good morning.\nBuenos días.", "¿Es tarde?"]),
        ("auto,de", ["Good morning.\nGuten Morgen.", "¿Es tarde?\nIst es spät?"]),
    ],
)
def test_what_was_spoken_in_several_languages_stands_in_all_formats(
    query: str, texts: list[str]
) -> None:
    languages = parse_languages(query, ANY)
    assert [(cue.start, cue.plaintext) for cue in cues(ANY, TALK, *languages)] == list(
        zip((1000, 5000), texts, strict=True)
    )
    between = "\n\n" if "," in query else "\n"
    assert transcript(ANY, TALK, "txt", languages) == between.join(texts) + "\n"
    captions = json.loads(transcript(ANY, TALK, "json", languages))["captions"]
    assert "\n".join(caption["text"] for caption in captions) == "\n".join(texts)


def test_a_language_that_was_only_spoken_is_not_offered_by_its_own_name() -> None:
    with pytest.raises(RefusedError, match="this session has auto, es, de, got lang='en'"):
        parse_languages("en", ANY)
