"""Subtitle files as they stand: literal files in, cues and the same files out."""

from __future__ import annotations

from pathlib import Path

import pytest

from surtitle.pipeline.config import SubtitleFormat
from surtitle.pipeline.errors import MediaError
from surtitle.pipeline.subtitles.documents import FileCue, parse_document, read_document

SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500 X1:40 X2:600\r\n- Hello.\r\n- <i>You?</i>\r\n\r\n"
    "2\r\n00:00:03,000 --> 00:00:04,000\r\n\r\n"
    "3\r\n0:00:05.5 --> 01:00:06,000\r\nTwo\r\n\r\nblocks\r\n4\r\n"
    "01:00:07,000 --> 01:00:08,000\r\n42\r\n"
)
VTT = """WEBVTT - a talk
Language: en-US

NOTE
00:01 is no cue

STYLE
::cue { color: white }

intro
00:01.000 --> 00:02.000 line:0 align:start
<v Bob>Hi &amp; bye
there

100:00:03.000 --> 100:00:04.000
x
"""
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname
Style: Default,Arial

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.50,Default,Bob,0,0,0,,{\\an8}Hello, you\\Nthere
Comment: 0,0:00:01.00,0:00:02.50,Default,Bob,0,0,0,,a note
Dialogue: 1,1:00:03.00,1:00:04.00,Signs,,0,0,0,,Exit
"""
TTML = """<?xml version="1.0" encoding="UTF-8"?>
<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en-US"
    xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25">
  <head><metadata>é &lt;p&gt;</metadata></head>
  <body><div begin="10s" xml:lang='fr'>
    <!-- <p begin="1s">no cue</p> -->
    <p begin="00:00:01.500" end="00:00:02:05" region="r" data="a>b">Él <span>is</span><br/>
      here &amp; so</p>
    <p xml:id="empty"/>
    <p begin="3s" dur="500ms">b</p>
    <p><span begin="4s" end="5s">c</span> <span begin="5s" end="6s">d</span></p>
  </div></body>
</tt>
"""
FILES: dict[SubtitleFormat, str] = {"srt": SRT, "vtt": VTT, "ass": ASS, "ttml": TTML}
CUES: dict[SubtitleFormat, list[FileCue]] = {
    "srt": [
        FileCue(1000, 2500, "- Hello.\n- <i>You?</i>"),
        FileCue(3000, 4000, ""),
        FileCue(5500, 3_606_000, "Two\n\nblocks"),
        FileCue(3_607_000, 3_608_000, "42"),
    ],
    "vtt": [
        FileCue(1000, 2000, "<v Bob>Hi &amp; bye\nthere"),
        FileCue(360_003_000, 360_004_000, "x"),
    ],
    "ass": [
        FileCue(1000, 2500, "{\\an8}Hello, you\nthere", "Default\0Bob"),
        FileCue(3_603_000, 3_604_000, "Exit", "Signs\0"),
    ],
    "ttml": [
        FileCue(11_500, 12_200, "Él <span>is</span>\nhere &amp; so"),
        FileCue(13_000, 13_500, "b"),
        FileCue(
            14_000,
            16_000,
            '<span begin="4s" end="5s">c</span> <span begin="5s" end="6s">d</span>',
        ),
    ],
}


@pytest.mark.parametrize("name", FILES)
def test_cues_have_their_times_and_texts(name: SubtitleFormat) -> None:
    assert list(parse_document(FILES[name], name).cues) == CUES[name]


@pytest.mark.parametrize("name", FILES)
def test_a_file_whose_texts_stay_stays_the_same(name: SubtitleFormat) -> None:
    document = parse_document(FILES[name], name)
    assert document.written([None] * len(document.cues), "nl", "es") == FILES[name]
    texts = [cue.text for cue in document.cues]
    again = parse_document(document.written(texts, "nl", "es"), name)
    assert again.cues == document.cues


@pytest.mark.parametrize("name", FILES)
def test_all_but_the_texts_stays_when_they_change(name: SubtitleFormat) -> None:
    document = parse_document(FILES[name], name)
    texts = [f"uno {number}\ndos" for number in range(len(document.cues))]
    again = parse_document(document.written(texts, "nl", "es"), name)
    assert [cue.text for cue in again.cues] == texts
    assert again.between == document.between
    kept = zip(again.cues[:2], document.cues[:2], strict=True)  # the third has its times in tags
    assert all((a.start_ms, a.end_ms) == (b.start_ms, b.end_ms) for a, b in kept)


def test_what_names_the_source_language_names_the_target_then() -> None:
    vtt = parse_document(VTT, "vtt").written([None] * 2, "en", "es")
    assert vtt == VTT.replace("Language: en-US", "Language: es")
    ttml = parse_document(TTML, "ttml").written([None] * 3, "en", "es")
    assert ttml == TTML.replace('xml:lang="en-US"', 'xml:lang="es"')


def test_lines_end_as_in_the_file() -> None:
    document = parse_document(SRT, "srt")
    assert "uno\r\ndos\r\n" in document.written(["uno\ndos", None, None, None], "en", "es")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("srt", "nothing here", "it holds no cues; it does not seem to be SRT"),
        ("ass", "[Events]\nDialogue: 0,1,2", "line 2 has not the 10 fields"),
        ("ass", ASS.replace("0:00:01.00", "soon"), "'soon' is no time of ASS"),
        ("ttml", "<tt><p>", "line 1 is not XML"),
        ("ttml", TTML.replace("3s", "3 s"), "'3 s' is no time of TTML"),
        ("ttml", '<!DOCTYPE tt [<!ENTITY a "aaa">]><tt/>', "declares entities"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    path = tmp_path / f"talk.{name}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MediaError, match=f"{path}: .*{reason}"):
        read_document(path)


def test_a_file_in_another_encoding_is_read_where_it_says_so_and_named_where_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "talk.srt"
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nÉl.\n", encoding="utf-16")
    assert read_document(path).cues[0].text == "Él."
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nÉl.\n", encoding="latin-1")
    with pytest.raises(MediaError, match="line 3 is not UTF-8"):
        read_document(path)
    with pytest.raises(MediaError, match="does not exist"):
        read_document(tmp_path / "none.srt")
