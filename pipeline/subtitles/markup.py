"""The text of a cue as it stands in a file -> what is said in it, and back (pure).

What is said is translated; all around it stays: tags, positions, the dashes and names of speakers,
notes of music, and what is heard in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape, unescape
from typing import Literal

from ..config import SubtitleFormat
from ..text.languages import LanguageRules
from ..text.tokens import Token, tokenize
from .files import escaped, printable
from .line_breaks import line_pieces
from .marks import Mark, moved

_TAGS: dict[SubtitleFormat, str] = {
    "srt": r"</?[A-Za-z][^<>]*>|\{\\[^{}]*\}",
    "vtt": r"<[^<>]*>",
    "ass": r"\{[^{}]*\}",
    "ttml": r"""<!--.*?-->|<(?:[^<>"']|"[^"]*"|'[^']*')*>""",
}
_MUSIC = "♩♪♫♬"
_NOTE = rf"[{_MUSIC}]+|(?<!\S)#(?!\S)|\[[^\[\]]*\]"
_MARKUP = {name: re.compile(rf"(?P<tag>{tags})|(?P<note>{_NOTE})") for name, tags in _TAGS.items()}
_SOUND = re.compile(r"\s*\([^()]*\)\s*")  # where it is all of a line
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")  # of ASS: lines and curves, no text
_DASH = r"\s*[-‐‑–—－]{1,2}(?:\s+|(?=[^\s\d]))"  # not that of a number below zero
_ENDS = ".,;:!?…。、！？؟،»”’\"')]"
_IS_DASHED = re.compile(_DASH)
_LABEL = re.compile(rf"(?:{_DASH})?\s*")
_NAME = re.compile(r"([^:\n]{1,40}):\s+")  # BOB: or MR. SMITH: but no other words


@dataclass(frozen=True, slots=True)
class Speech:
    """What one speaker says in a cue.

    `raw` is all of it as it stands in the file: `before`, then `text` in one line, with its marks,
    and `after`. `label` is what is seen of `before` in the first line: a dash, a name. `has_dash`:
    it is another speaker than before. The text is empty where nothing is said.
    """

    raw: str
    before: str = ""
    label: str = ""
    text: str = ""
    marks: tuple[Mark, ...] = ()
    after: str = ""
    has_dash: bool = False

    @property
    def is_sung(self) -> bool:
        return any(note in self.raw for note in _MUSIC)


@dataclass(frozen=True, slots=True)
class _Part:
    raw: str
    kind: Literal["text", "tag", "note", "break"]
    text: str = ""


def speeches(text: str, subtitle_format: SubtitleFormat, rules: LanguageRules) -> list[Speech]:
    """What is said in a cue, from top to bottom; a line with a dash begins another speech."""
    if subtitle_format == "ass" and _DRAWING.search(text):
        return [Speech(text)]
    groups: list[list[_Part]] = [[]]
    for number, line in enumerate(text.split("\n")):
        parts = _parts(line, subtitle_format)
        is_dashed = _IS_DASHED.match(_seen(parts)) is not None
        if is_dashed and any(part.kind == "text" for part in groups[-1]):
            groups.append([])
        elif number:
            groups[-1].append(_Part("\n", "break", "\n"))
        groups[-1] += parts
    return [_speech(parts, rules) for parts in groups]


def seen_lines(text: str, subtitle_format: SubtitleFormat) -> tuple[str, ...]:
    """The lines of a cue as they are seen, without tags."""
    if subtitle_format == "ass" and _DRAWING.search(text):
        return ()
    lines = (_seen(_parts(line, subtitle_format)).strip() for line in text.split("\n"))
    return tuple(line for line in lines if line)


def rewritten(
    cue: Sequence[Speech],
    translations: Sequence[str],
    subtitle_format: SubtitleFormat,
    source: LanguageRules,
    target: LanguageRules,
) -> str:
    """The text of a cue with translations of its speeches, broken to lines anew; an empty one
    leaves its speech as it stands."""
    return "\n".join(
        _rewritten(speech, translation, subtitle_format, source, target)
        if translation
        else speech.raw
        for speech, translation in zip(cue, translations, strict=True)
    )


def _parts(line: str, subtitle_format: SubtitleFormat) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    for found in _MARKUP[subtitle_format].finditer(line):
        parts.append(_text(line[at : found.start()], subtitle_format))
        kind = "tag" if found["tag"] is not None else "note"
        parts.append(_Part(found[0], kind, "" if kind == "tag" else found[0]))
        at = found.end()
    parts.append(_text(line[at:], subtitle_format))
    parts = [part for part in parts if part.raw]
    if _SOUND.fullmatch(_seen(parts)):
        return [replace(part, kind="note") if part.kind == "text" else part for part in parts]
    return parts


def _text(raw: str, subtitle_format: SubtitleFormat) -> _Part:
    return _Part(raw, "text", unescape(raw) if subtitle_format in ("vtt", "ttml") else raw)


def _seen(parts: Sequence[_Part]) -> str:
    return "".join(part.text for part in parts)


def _speech(parts: list[_Part], rules: LanguageRules) -> Speech:
    raw = "".join(part.raw for part in parts)
    spoken = [at for at, part in enumerate(parts) if part.kind == "text" and part.text.strip()]
    if not spoken:
        return Speech(raw)
    last = parts[spoken[-1]]
    before, rest = _headed(parts[: spoken[-1] + 1])
    if not any(char.isalpha() for part in rest if part.kind == "text" for char in part.text):
        return Speech(raw)
    text, marks = _marked(rest, rules)
    return Speech(
        raw,
        "".join(part.raw for part in before),
        _seen(before).rpartition("\n")[2].lstrip(),
        text,
        marks,
        last.text[len(last.text.rstrip()) :]
        + "".join(part.raw for part in parts[spoken[-1] + 1 :]),
        has_dash=_IS_DASHED.match(_seen(parts).lstrip("\n")) is not None,
    )


def _headed(parts: Sequence[_Part]) -> tuple[list[_Part], list[_Part]]:
    """What stands before what is said, dash and name included, and the rest."""
    before: list[_Part] = []
    for number, part in enumerate(parts):
        if part.kind != "text":
            before.append(part)
            continue
        label_chars = _label_chars(part.text)
        label = part.text[:label_chars]
        raw = label if part.raw == part.text else escape(label, quote=False)
        before.append(replace(part, raw=raw, text=label))
        if label_chars < len(part.text):
            head = replace(part, text=part.text[label_chars:])
            return before, [head, *parts[number + 1 :]]
    return before, []


def _label_chars(text: str) -> int:
    label = _LABEL.match(text)
    assert label is not None, "each part of it may be absent"
    name = _NAME.match(text, label.end())
    return name.end() if name and name[1].isupper() else label.end()


def _marked(parts: Sequence[_Part], rules: LanguageRules) -> tuple[str, tuple[Mark, ...]]:
    """The text of some parts in one line, and the marks in it."""
    text, places = "", list[tuple[_Part, int]]()
    for part in parts:
        if part.kind in ("tag", "note"):
            places.append((part, len(text)))
        said = part.text if part.kind == "text" else ""
        if part.kind == "break" or (part.kind == "note" and rules.has_spaces):
            said = " " if rules.has_spaces else ""
        text = re.sub(r"[^\S\u00a0\u202f]+", " ", text + said)
    return text.strip(), _counted(text, places, rules)


def _counted(
    text: str, places: Sequence[tuple[_Part, int]], rules: LanguageRules
) -> tuple[Mark, ...]:
    """Marks at characters of a text, as marks at its words."""
    spans: list[tuple[int, int]] = []
    for token in tokenize(text, rules):
        start = text.index(token.text, spans[-1][1] if spans else 0)
        spans.append((start, start + len(token.text)))
    marks: list[Mark] = []
    for part, at in places:
        mark = Mark(part.raw, 0, is_note=part.kind == "note")
        passed = sum(start < at if mark.closes else end <= at for start, end in spans)
        is_tight = mark.closes and any(start < at < end for start, end in spans)
        marks.append(replace(mark, at=passed, is_tight=is_tight))
    return tuple(marks)


def _rewritten(
    speech: Speech,
    translation: str,
    subtitle_format: SubtitleFormat,
    source: LanguageRules,
    target: LanguageRules,
) -> str:
    tokens = tokenize(printable(translation), target)
    marks = moved(speech.marks, tokenize(speech.text, source), tokens)
    # Dash and name are counted as a part of the first word: no line ends after them.
    shown = [replace(tokens[0], text=speech.label + tokens[0].text), *tokens[1:]]
    at, lines = 0, list[str]()
    for piece in line_pieces(shown, target):
        line = ""
        for token in tokens[at : at + len(piece)]:
            space = token.space if line else ""
            line += space + _marked_word(token, at, marks, subtitle_format)
            at += 1
        lines.append(line)
    return speech.before + "\n".join(lines) + speech.after


def _marked_word(
    token: Token, at: int, marks: Sequence[Mark], subtitle_format: SubtitleFormat
) -> str:
    before = (mark for mark in marks if mark.at == at and not mark.closes)
    after = [mark for mark in marks if mark.at == at + 1 and mark.closes]
    opening = "".join(f"{mark.raw} " if mark.is_note else mark.raw for mark in before)
    core = len(token.text.rstrip(_ENDS)) if any(mark.is_tight for mark in after) else 0
    core = core or len(token.text)
    inner = "".join(mark.raw for mark in after if mark.is_tight)
    outer = "".join(mark.raw for mark in after if not mark.is_tight)
    word, ending = (
        _escaped(each, subtitle_format) for each in (token.text[:core], token.text[core:])
    )
    return f"{opening}{word}{inner}{ending}{outer}"


def _escaped(text: str, subtitle_format: SubtitleFormat) -> str:
    return (
        escape(text, quote=False) if subtitle_format == "ttml" else escaped(text, subtitle_format)
    )
