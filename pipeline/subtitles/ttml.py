"""Cues -> a TTML document in the Text Profile of IMSC 1.1 (pure).

The numbers of sections are those of "TTML Profiles for Internet Media Subtitles and Captions 1.1"
(W3C, 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from .cues import Cue

_ROOT = {
    "xmlns": "http://www.w3.org/ns/ttml",
    "xmlns:ttp": "http://www.w3.org/ns/ttml#parameter",
    "xmlns:tts": "http://www.w3.org/ns/ttml#styling",
    "ttp:contentProfiles": "http://www.w3.org/ns/ttml/profile/imsc1.1/text",  # 7.9
    "ttp:timeBase": "media",
}
_STYLE = {
    "xml:id": "text",
    "tts:fontFamily": "proportionalSansSerif",
    "tts:fontSize": "90%",  # of a cell, which is a fifteenth of the picture's height
    "tts:lineHeight": "125%",  # 8.4.6: players differ in what "normal" means
    "tts:textAlign": "center",
    "tts:color": "white",
    "tts:textOutline": "black 5%",
}
# Regions lie within the picture and apart from each other (7.12.1.2), and have room for twice the
# lines that belong there: what flows over may be clipped (7.4).
_ALONE = {"tts:origin": "5% 65%", "tts:extent": "90% 30%", "tts:displayAlign": "after"}
_UPPER = {  # ends where the lower one begins: the languages stay together, whichever wraps
    "tts:origin": "5% 60%",
    "tts:extent": "90% 20%",
    "tts:displayAlign": "after",
    "tts:fontSize": "75%",
    "tts:color": "#ffeca0",
}
_LOWER = {"tts:origin": "5% 80%", "tts:extent": "90% 15%", "tts:displayAlign": "before"}
_PLACES = ((), (_ALONE,), (_UPPER, _LOWER))  # of no language, of one, of two

_RIGHT_TO_LEFT = frozenset("ar dv fa he ps sd ug ur yi".split())


def ttml_text(cues: Sequence[Cue]) -> str:
    """The document of cues in one language or two; their lines hold nothing that XML forbids."""
    languages = _languages(cues)
    tt = ET.Element("tt", _ROOT | {"xml:lang": languages[-1] if languages else ""})
    head = ET.SubElement(tt, "head")
    ET.SubElement(ET.SubElement(head, "styling"), "style", _STYLE)
    layout = ET.SubElement(head, "layout")
    for language, place in zip(languages, _PLACES[len(languages)], strict=True):
        direction = {"tts:direction": "rtl"} if language in _RIGHT_TO_LEFT else {}
        ET.SubElement(layout, "region", {"xml:id": language, "style": "text"} | place | direction)
    div = ET.SubElement(ET.SubElement(tt, "body"), "div")
    for cue in cues:
        for block in cue.blocks:
            attributes = {"xml:lang": block.language, "region": block.language}
            times = {"begin": _clock(cue.start_ms), "end": _clock(cue.end_ms)}
            _fill(ET.SubElement(div, "p", times | attributes), block.lines)
    ET.indent(tt)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(tt, encoding="unicode")}\n'


def _languages(cues: Sequence[Cue]) -> list[str]:
    """From top to bottom, in the order of the cues that have both."""
    fullest_first = sorted(cues, key=lambda cue: -len(cue.blocks))
    return list(dict.fromkeys(block.language for cue in fullest_first for block in cue.blocks))


def _fill(paragraph: ET.Element, lines: Sequence[str]) -> None:
    paragraph.text = lines[0]
    for line in lines[1:]:
        ET.SubElement(paragraph, "br").tail = line


def _clock(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.{milliseconds:03}"
