"""Subtitle files, glossaries and other files of text."""

from __future__ import annotations

import sqlite3
import tempfile
import warnings
from contextlib import closing
from pathlib import Path

from surtitle.model.errors import TrainingError
from surtitle.model.training.corpus import read_tsv
from surtitle.pipeline.config import SubtitleFormat
from surtitle.pipeline.server.storage.changes import decode_change, encode_change, statements
from surtitle.pipeline.subtitles.documents import parse_document
from surtitle.pipeline.subtitles.files import subtitle_text
from surtitle.pipeline.subtitles.markup import rewritten, speeches
from surtitle.pipeline.subtitles.translating import seen_cues
from surtitle.pipeline.text.decoding import decode_line, decode_text
from surtitle.pipeline.text.glossary import parse_terms
from surtitle.pipeline.text.languages import language_rules

from ...pipeline.subtitles import test_documents as honest
from .target import Fuzz, Target, plain

RULES = language_rules("en")
WORDS: dict[SubtitleFormat, list[bytes]] = {
    "srt": [b" --> ", b"00:00:01,000", b"\n\n", b"<i>", b"{\\an8}"],
    "vtt": [b" --> ", b"00:01.000", b"NOTE", b"<v Bob>", b"&amp;", b"<00:01.000>"],
    "ass": [b"Dialogue:", b"Format:", b"[Events]", b"\\N", b"{\\p1}", b"0:00:01.00"],
    "ttml": [b"<p ", b"</p>", b"<br/>", b'begin="1s"', b'end="1:00:00"', b"<span>", b"&#x1F600;"],
}
SAMPLES: dict[SubtitleFormat, str] = {
    "srt": honest.SRT,
    "vtt": honest.VTT,
    "ass": honest.ASS,
    "ttml": honest.TTML,
}


def _document(subtitle_format: SubtitleFormat) -> Fuzz:
    def read(data: bytes) -> None:
        try:
            text = decode_text(data)
            document = parse_document(text, subtitle_format)
        except ValueError as error:
            assert len(str(error)) < 500
            return
        written = document.written([None] * len(document.cues), "xx", "xx")
        assert written == text
        for cue in document.cues:
            said = speeches(cue.text, subtitle_format, RULES)
            assert "\n".join(one.raw for one in said) == cue.text
            rewritten(said, [one.text for one in said], subtitle_format, RULES, RULES)
        cues = seen_cues(document, ("en", [None] * len(document.cues)))
        other = list(SAMPLES)[len(data) % len(SAMPLES)]
        with warnings.catch_warnings():  # beyond 99 hours
            warnings.simplefilter("ignore", RuntimeWarning)
            subtitle_text(cues, other).encode()

    return read


def _terms(data: bytes) -> None:
    try:
        parse_terms(decode_text(data))
    except ValueError:
        return


def _lines(data: bytes) -> None:
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            decode_line(line, number)
        except ValueError:
            return


def _change(data: bytes) -> None:
    """A line of what a store could not take."""
    try:
        change = decode_change(data.decode("utf-8", "replace"))
    except ValueError:
        return
    with closing(sqlite3.connect(":memory:")) as store:  # takes all of its values
        for _, values in statements(change):
            store.execute(f"SELECT {', '.join('?' * len(values))}", values)
    assert decode_change(encode_change(change)) == change


def _pairs() -> Fuzz:
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / "pairs.tsv"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read_tsv(path, ("en", "es"))
        except TrainingError:
            return

    return read


CHANGES = [
    b'{"type": "begin", "session": "s", "room": "main", "source": "en", "targets": ["es"], '
    b'"at": "x"}',
    b'{"type": "final", "session": "s", "segment_id": 1, "revision": 2, "language": "en", '
    b'"text": "Hi.", "start_ms": 0, "end_ms": 9, "is_final": true, "is_source": true, "words": '
    b'[{"text": "Hi.", "start_ms": 0, "end_ms": 9, "confidence": 1.0}], "speaker": ""}',
    b'{"type": "end", "session": "s", "at": "x"}',
    b'{"type": "forget", "session": "s"}',
]
TARGETS = [
    *(
        Target(f"document_{name}", plain(_document(name)), [sample.encode()], WORDS[name], 30)
        for name, sample in SAMPLES.items()
    ),
    Target(
        "terms",
        plain(_terms),
        [b"harbor = puerto\n# x\nharbor = es: puerto; de: Hafen\nC#\tx\n", "é\n".encode("utf-16")],
        [b" = ", b"; ", b"es: ", b"\t", b" #"],
    ),
    Target("lines", plain(_lines), [b"\xef\xbb\xbfone\ntwo\n"], [b"\xff\xfe"]),
    Target("change", plain(_change), CHANGES, [b"null", b"9" * 30, b'"words": []', b"[["]),
    Target("pairs", _pairs, [b"one\tuno\ntwo\tdos\n"], [b"\t"], 2),
]
