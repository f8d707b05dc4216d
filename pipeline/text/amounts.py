"""The amounts in a text: found, written as another language writes them, compared with those of its
translation (pure).

An amount is a number with what belongs to its value: sign, decimals, the sign of a currency or a
unit; a time of day; or a code, of which only the digits count (a phone number, a version). "1,200"
is 1200 in English and 1.2 in German: what it may be is told by its language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .languages import language_rules
from .number_words import ends_with_number, may_tell, said_in_words
from .passthrough import without_kept
from .units import BEFORE, BEHIND, is_followed_by, knows_words, unit_of, unit_words_at

Kind = Literal["number", "time", "code"]

_MARKS = {  # of thousands and decimals, where they are not those of English
    **dict.fromkeys("es de it pt nl id tr da el ro hr sl is ca gl".split(), (".", ",")),
    **dict.fromkeys("fr ru pl cs sv fi nb no uk hu bg sk".split(), ("\u202f", ",")),
}
_HALF_DAYS = frozenset("en es hi ar ko".split())  # languages in which people say "5:30 p.m."
_DOTTED_TIMES = frozenset("de es it fi da no nb sv id".split())  # "17.30"
_HALF_DAY = r"(?:[ \u00a0\u202f]?(?P<half>[ap])\.?[ \u00a0]?m\b(?:\.(?!\s*$))?)"
_SIGN = r"(?:(?<![\w.,)%])(?P<sign>[-\u2212\u2013+])(?=[$€£¥₹\d]))?"
_LETTER = "[A-Za-z\u00c0-\u024f]"  # one that digits may be part of a word with
_BEGIN = r"(?<![A-Za-z\u00c0-\u024f\d.,:-])"
_END = r"(?![A-Za-z\u00c0-\u024f\d])"
_AMOUNT = re.compile(
    # A phone number, a version, an address of a machine, a date: several groups of digits.
    r"(?P<code>\+\d[\d ()./-]{5,}\d|\(\d{2,5}\)[ -]?\d[\d -]{3,}\d"
    rf"|{_BEGIN}(?:\d{{3}}-\d{{4}}|\d+(?:-\d+){{2,}}+){_END}"
    rf"|{_BEGIN}v?\d+(?:\.\d+){{2,}}+(?!,\d)"
    # A name with a number in it: A380, GPT-4, 4K, 3D.
    rf"|(?<!{_LETTER}){_LETTER}+-?\d\w*(?:\.\d+)?|{_BEGIN}\d+[A-Z]{_END}(?<![LMWV]))"
    rf"|(?P<time>{_BEGIN}\d{{1,2}}[:h]\d{{2}}(?::\d{{2}})?{_END}{_HALF_DAY}?"
    rf"|{_BEGIN}\d{{1,2}}{_HALF_DAY.replace('half', 'half2')})"
    rf"|{_SIGN}(?P<before>{BEFORE})?(?P<digits>\d+(?:[.,'’\u00a0\u202f]\d+)*)"
    rf"(?P<behind>{BEHIND})?(?P<ordinal>(?:st|nd|rd|th)\b)?",
)
_DIGIT = re.compile(r"\d")
_GROUPED = re.compile(r"\d{1,3}(?:([.,'’\u00a0\u202f ])\d{3})(?:\1\d{3})*")
_SPACED = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_VERSION_BEFORE = re.compile(r"(?:\b(?:[Vv]ersi\w+|[Rr]elease|v)|[A-Z]\w*) $")


@dataclass(frozen=True, slots=True)
class Amount:
    """Where it stands, and what it says. `readings`: what its digits may be, the likeliest first;
    `unit`: that of its sign, and `words` are those of the words behind it; `is_name`: it is part of
    a name, as in "Python 3.12", and stays as it is. `number` is the digits with their marks, and
    stands at `number_at` of the text."""

    kind: Kind
    start: int
    end: int
    text: str
    readings: tuple[str, ...]
    unit: str = ""
    words: tuple[str, ...] = ()
    is_name: bool = False
    is_ordinal: bool = False
    number: str = ""
    number_at: int = 0


def find_amounts(text: str, language: str) -> list[Amount]:
    """All amounts of a text in the order in which they stand; not those in marks and addresses."""
    if not _DIGIT.search(text):
        return []
    language, text = _base(language), without_kept(text)
    if _marks(language)[0] == "\u202f" or language == "es":
        text = _SPACED.sub("\u202f", text)  # of the same length
    found: list[Amount] = []
    at = 0
    while match := _AMOUNT.search(text, at):
        amounts = _amounts(match, text, language)
        found += amounts
        at = match.end()
    return found


def _amounts(match: re.Match[str], text: str, language: str) -> list[Amount]:
    start, whole = match.start(), match[0]
    if match["code"] and not _GROUPED.fullmatch(whole):
        reading = re.sub(r"\W", "", whole)
        return [Amount("code", start, match.end(), whole, (reading,))]
    if match["time"]:
        half = match["half"] or match["half2"]
        return [Amount("time", start, match.end(), whole, _times(whole, half))]
    if match["code"]:  # a number after all
        return [Amount("number", start, match.end(), whole, _values(whole, language), number=whole)]
    digits, at = match["digits"], match.start("digits")
    values = _values(digits, language)
    if not values:  # no number: each of its groups is one
        return [
            Amount(
                "number",
                at + part.start(),
                at + part.end(),
                part[0],
                (_plain(part[0]),),
                number=part[0],
            )
            for part in re.finditer(r"\d+", digits)
        ]
    sign = "-" if match["sign"] and match["sign"] != "+" else ""
    unit = unit_of(match["before"] or "") or unit_of(match["behind"] or "")
    words = unit_words_at(text, match.end(), language)
    is_name = "." in digits and _is_in_name(text, start, language)
    readings = tuple(sign + value for value in values)
    if (
        language in _DOTTED_TIMES
        and not sign
        and not unit
        and re.fullmatch(r"\d{1,2}\.\d{2}", digits)
    ):
        readings += (_plain(digits[:-3]) + ":" + digits[-2:],)  # "17.30 Uhr"
    return [
        Amount(
            "number",
            start,
            match.end(),
            whole,
            readings,
            unit,
            words,
            is_name,
            bool(match["ordinal"]),
            digits,
            at - start,
        )
    ]


def localized(amount: Amount, source: str, target: str) -> str:
    """How another language writes an amount; what is part of a name stays."""
    source, target = _base(source), _base(target)
    if amount.kind == "time" and len(amount.readings) > 1 and target not in _HALF_DAYS:
        return next((each for each in amount.readings[::-1] if ":" in each), amount.text)
    if amount.kind != "number" or amount.is_name or not amount.number:
        return amount.text
    thousands, decimals = _marks(source)
    marks = dict(zip((thousands, decimals), _marks(target), strict=True))
    if source != target:
        marks |= {mark: _marks(target)[0] for mark in "\u00a0\u202f"}
    number = "".join(marks.get(char, char) for char in amount.number)
    if _values(amount.number, source)[:1] != _values(number, target)[:1]:
        number = amount.number  # it was not written as its language has it
    before = amount.text[: amount.number_at]
    behind = amount.text[amount.number_at + len(amount.number) :]
    if amount.is_ordinal:
        behind = "." if language_rules(target).dots_ordinals else behind if target == "en" else ""
    return before + number + behind


def agreeing(source_text: str, source: str, answer: str, target: str, fixed: int = 0) -> str | None:
    """A translation whose amounts are those of its source, None where they are not.

    Numbers that it has as they stand in the source are written as its own language has them, behind
    its first `fixed` characters. Numbers in words may stand for digits, and digits for words.
    """
    source, target = _base(source), _base(target)
    wanted, found = find_amounts(source_text, source), find_amounts(answer, target)
    missing: list[Amount] = []
    to_write: list[tuple[Amount, str]] = []
    for amount in wanted:
        fitting = [each for each in found if _has_units(amount, each, answer, target)]
        match = next((each for each in fitting if _says(amount, each)), None) or next(
            (each for each in fitting if each.text == amount.text and each.start >= fixed), None
        )
        if match is None:
            missing.append(amount)
            continue
        is_alone = not ends_with_number(source_text[: amount.start], source)
        if is_alone and ends_with_number(answer[: match.start], target):
            return None  # "dos 1.200"
        if match.text == amount.text and match.start >= fixed:
            to_write.append((match, localized(amount, source, target)))
        found.remove(match)
    if not all(_is_said(amount, answer, target) for amount in missing):
        return None
    if not all(may_tell(source_text, each.readings[0], source) for each in found):
        return None
    for amount, text in sorted(to_write, key=lambda each: -each[0].start):
        answer = answer[: amount.start] + text + answer[amount.end :]
    return answer


def said_place(amounts: Sequence[Amount], number: int, text: str, language: str) -> slice | None:
    """Where a whole number stands in a text, in digits or in words, if it stands there once;
    `amounts` are those of the text."""
    places = [
        slice(each.start + each.number_at, each.start + each.number_at + len(each.number))
        for each in amounts
        if each.number == str(number)
    ]
    if len(places) == 1:
        return places[0]
    word = said_in_words(number, text, _base(language)) if not places else None
    return slice(word.start(), word.end()) if word else None


def _says(wanted: Amount, found: Amount) -> bool:
    if "code" in (wanted.kind, found.kind):
        return wanted.readings == found.readings
    return not set(wanted.readings).isdisjoint(found.readings)


def _has_units(wanted: Amount, found: Amount, answer: str, target: str) -> bool:
    """Whether an amount of the answer is one of the same things."""
    told = {wanted.unit, *wanted.words}
    if not told.issuperset((found.unit, *found.words) if found.unit else found.words):
        return False
    if wanted.unit and not found.unit and not knows_words(target):
        return True  # by a word, maybe
    needed = {wanted.unit, *wanted.words} if knows_words(target) else {wanted.unit}
    return all(
        unit == found.unit or is_followed_by(unit, answer, found.end) for unit in needed if unit
    )


def _is_said(amount: Amount, answer: str, target: str) -> bool:
    """Whether a small whole number stands in the answer as a word."""
    number = amount.readings[0]
    return number.isdecimal() and said_in_words(int(number), answer, target) is not None


def _values(digits: str, language: str) -> tuple[str, ...]:
    """What a number may be, () where it is none. With a mark before its last three digits it is
    what its language says; else the mark is that of decimals, whatever the language."""
    _, decimals = _marks(language)
    marks = re.sub(r"\d", "", digits)
    if not marks:
        return (_plain(digits),)
    whole, mark, rest = (
        re.split(r"([.,])(?=\d+$)", digits) if marks[-1] in ".," else (digits, "", "")
    )
    if _GROUPED.fullmatch(digits) and not digits.startswith("0"):
        grouped = _plain(re.sub(r"\D", "", digits))
        is_decimal = len(marks) == 1 and mark == decimals
        return (_plain(f"{whole}.{rest}"),) if is_decimal else (grouped,)
    if mark and (whole.isdecimal() or (_GROUPED.fullmatch(whole) and mark not in whole)):
        return (_plain(re.sub(r"\D", "", whole) + "." + rest),)
    return ()


def _times(text: str, half: str | None) -> tuple[str, ...]:
    """What a time of day may be written as: "5:30" and, in the afternoon, "17:30"."""
    numbers = re.findall(r"\d+", text)
    hour, rest = int(numbers[0]), numbers[1:]
    hours = [hour]
    if half == "p" and hour < 12:
        hours.append(hour + 12)
    elif half == "a" and hour == 12:
        hours.append(0)
    written = [":".join((str(each), *(rest or ["00"]))) for each in hours]
    return (*written, *(map(str, hours) if not rest else ()))


def _plain(digits: str) -> str:
    """Without zeros that say nothing."""
    whole, dot, rest = digits.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (dot + rest if rest else "")


def _is_in_name(text: str, start: int, language: str) -> bool:
    """Whether a number belongs to the word before it, as a version does: one with a capital that
    is not there because a sentence begins."""
    match = _VERSION_BEFORE.search(text[:start])
    if match is None:
        return False
    rules = language_rules(language)
    word = match[0].strip().lower()
    common = rules.binding | rules.prepositions | rules.conjunctions | rules.relatives
    return not rules.capitalizes_nouns and word not in common


def _marks(language: str) -> tuple[str, str]:
    return _MARKS.get(language, (",", "."))


def _base(language: str) -> str:
    return language.lower().split("-")[0]
