from __future__ import annotations

import json

import pysubs2
import pytest

from surtitle.pipeline.errors import RefusedError
from surtitle.pipeline.events import Caption
from surtitle.pipeline.server.store import StoredSession
from surtitle.pipeline.server.transcript import (
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


def test_plain_text() -> None:
    assert written("txt", "en").splitlines() == [
        "The harbor opens at six.",
        "The ferries leave soon.",
        "Yes.",
    ]
    assert written("txt", "en", "es").split("\n\n")[1] == (
        "The ferries leave soon.\nLos transbordadores salen pronto."
    )


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
