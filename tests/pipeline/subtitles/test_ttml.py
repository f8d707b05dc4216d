from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from surtitle.pipeline.subtitles.cues import Cue, TextBlock
from surtitle.pipeline.subtitles.files import subtitle_text

TT = "{http://www.w3.org/ns/ttml}"
TTP = "{http://www.w3.org/ns/ttml#parameter}"
TTS = "{http://www.w3.org/ns/ttml#styling}"
XML = "{http://www.w3.org/XML/1998/namespace}"


@dataclass(frozen=True)
class Shown:
    """A paragraph as a player reads it."""

    begin: str
    end: str
    language: str
    region: str
    lines: tuple[str, ...]


def document(cues: list[Cue]) -> ET.Element:
    return ET.fromstring(subtitle_text(cues, "ttml").encode("utf-8"))


def shown(cues: list[Cue]) -> list[Shown]:
    return [
        Shown(
            p.attrib["begin"],
            p.attrib["end"],
            p.attrib[f"{XML}lang"],
            p.attrib["region"],
            (p.text or "", *(br.tail or "" for br in p.iterfind(f"{TT}br"))),
        )
        for p in document(cues).iterfind(f"{TT}body/{TT}div/{TT}p")
    ]


def cue(start_ms: int, end_ms: int, **lines: str | tuple[str, ...]) -> Cue:
    blocks = {
        language: (text,) if isinstance(text, str) else text for language, text in lines.items()
    }
    return Cue(start_ms, end_ms, tuple(TextBlock(*block) for block in blocks.items()))


def box(region: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom in percent of the picture."""
    (left, top), (width, height) = (
        (float(length.removesuffix("%")) for length in region.attrib[TTS + name].split())
        for name in ("origin", "extent")
    )
    return left, top, left + width, top + height


def test_a_cue_is_a_paragraph_with_its_times_language_and_lines() -> None:
    cues = [cue(0, 2210, es=("Llueve.", "Nos quedamos.")), cue(3_723_004, 3_725_000, es="¿Más?")]
    assert shown(cues) == [
        Shown("00:00:00.000", "00:00:02.210", "es", "es", ("Llueve.", "Nos quedamos.")),
        Shown("01:02:03.004", "01:02:05.000", "es", "es", ("¿Más?",)),
    ]
    assert document(cues).attrib[f"{XML}lang"] == "es"


def test_more_than_a_hundred_hours_are_more_digits() -> None:
    (paragraph,) = shown([cue(360_000_000, 360_001_000, en="Still here.")])
    assert paragraph.begin == "100:00:00.000"


def test_each_language_has_its_region_with_the_first_above() -> None:
    cues = [cue(0, 1000, es="Llueve."), cue(2000, 3000, en="We stay.", es="Nos quedamos.")]
    assert [(p.begin, p.language, p.region, p.lines) for p in shown(cues)] == [
        ("00:00:00.000", "es", "es", ("Llueve.",)),
        ("00:00:02.000", "en", "en", ("We stay.",)),
        ("00:00:02.000", "es", "es", ("Nos quedamos.",)),
    ]
    regions = document(cues).findall(f"{TT}head/{TT}layout/{TT}region")
    assert [region.attrib[f"{XML}id"] for region in regions] == ["en", "es"]
    assert document(cues).attrib[f"{XML}lang"] == "es"


@pytest.mark.parametrize("texts", [{"es": "Uno."}, {"en": "One.", "es": "Uno."}])
def test_regions_lie_in_the_picture_and_apart(texts: dict[str, str]) -> None:
    boxes = [box(region) for region in document([cue(0, 1000, **texts)]).iter(f"{TT}region")]
    assert len(boxes) == len(texts)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= 100
        assert 0 <= top < bottom <= 100
    for (_, _, _, upper_bottom), (_, lower_top, _, _) in pairwise(boxes):
        assert upper_bottom <= lower_top


def test_it_says_that_it_is_an_imsc_text_document_in_media_time() -> None:
    text = subtitle_text([cue(0, 1000, en="It rains.")], "ttml")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = ET.fromstring(text.encode("utf-8"))
    assert root.tag == f"{TT}tt"
    profile = root.attrib[f"{TTP}contentProfiles"]
    assert profile == "http://www.w3.org/ns/ttml/profile/imsc1.1/text"
    assert root.attrib[f"{TTP}timeBase"] == "media"


@pytest.mark.parametrize("texts", [{}, {"ar": "مرحبا، 42."}, {"en": "One.", "es": "Uno."}])
def test_all_that_is_named_is_there(texts: dict[str, str]) -> None:
    root = document([cue(0, 1000, **texts)])
    ids = [element.attrib[f"{XML}id"] for element in root.iter() if f"{XML}id" in element.attrib]
    assert len(ids) == len(set(ids))
    named = {
        element.attrib[name]
        for element in root.iter()
        for name in ("style", "region")
        if name in element.attrib
    }
    assert named <= set(ids)


def test_languages_written_from_the_right_say_so() -> None:
    upper, lower = document([cue(0, 1000, en="Hi.", ar="مرحبا.")]).iter(f"{TT}region")
    assert (upper.get(f"{TTS}direction"), lower.get(f"{TTS}direction")) == (None, "rtl")


@pytest.mark.parametrize(
    "line",
    [
        "a & b &amp; c < d > e ]]> <!-- x -->",
        "<b>bold</b> <br/> </p>",
        "\"quotes\" and 'quotes'",
        "{\\an8}up \\N down",
        "صباح الخير، 42",
        "我们去港口。",
        "emoji 😀👩\u200d👩\u200d👧 e\u0301 10\u00a0000",
    ],
)
def test_text_is_kept_to_the_letter(line: str) -> None:
    (paragraph,) = shown([cue(0, 1000, en=(line, "second"))])
    assert paragraph.lines == (line, "second")


def test_what_xml_forbids_is_left_out() -> None:
    (paragraph,) = shown([cue(0, 1000, en="a\x00\x0b\x1bb\ud800c\ufffe\uffffd\x85e\nf")])
    assert paragraph.lines == ("a b c d e f",)


def test_what_says_nothing_is_no_paragraph() -> None:
    cues = [cue(0, 1000, en=()), cue(1000, 2000, en=" \x00"), cue(2000, 3000, en=" ", es="Sí.")]
    assert [paragraph.lines for paragraph in shown(cues)] == [("Sí.",)]


def test_no_cues_make_a_document_without_a_language() -> None:
    root = document([])
    assert root.attrib[f"{XML}lang"] == ""
    assert root.find(f"{TT}body/{TT}div") is not None
    assert list(root.iter(f"{TT}p")) == []
