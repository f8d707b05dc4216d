"""Units of amounts: their signs, and words for them in the languages that are listed (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

# The signs of a unit, and patterns of its words in English, Spanish, German, French, Italian and
# Portuguese. Words that mean much else are left out.
_UNITS = {
    "$": ("$ US$ R$ USD", r"d[oóò]ll?ar\w*"),
    "€": ("€ EUR", r"euros?"),
    "£": ("£ GBP", r"pounds?|libras?|pfund|livres?|sterlin\w*"),
    "¥": ("¥ JPY 円", r"yens?|ienes?"),
    "₹": ("₹ INR", r"rup[ei]\w*"),
    "%": ("%", r"per ?cent|por ?cien(?:to)?|prozent|pour ?cent|per ?cento|por ?cento"),
    "°": ("°C °F °", r"degrees?|grados?|gradi|grad|degrés?|graus?|celsius|fahrenheit"),
    "km/h": ("km/h kph", r"(?:kil|quil|chil)[oóôò]m\w+ (?:per|por|pro|par|à|all)\b"),
    "mph": ("mph", r"(?:mil|meil)\w+ (?:per|por|pro|par|à|all)\b"),
    "km": ("km", r"(?:kil|quil|chil)[oóôò]m\w+"),
    "cm": ("cm", r"[cz]ent[ií]m\w+"),
    "mm": ("mm", r"mill?[ií]m\w+"),
    "m": ("m", r"met(?:er|re|ro)\w*|mètres?|metri"),
    "mi": ("mi", r"miles?|millas?|meilen?|milles?|miglia|miglio|milhas?"),
    "kg": ("kg", r"(?:kil|quil|chil)(?:os?|i|ogr\w+)"),
    "g": ("g", r"gram\w*"),
    "mg": ("mg", r"mill?igram\w*"),
    "lb": ("lb lbs", r"pounds?|libras?|pfund|livres?|libbr[ae]"),
    "l": ("l L", r"lit(?:er|re|ro)\w*|litri"),
    "ml": ("ml mL", r"mill?il\w+"),
    "GB": ("GB", r"gigab\w+"),
    "MB": ("MB", r"megab\w+"),
    "TB": ("TB", r"terab\w+"),
    "kB": ("kB KB", r"(?:kil|quil|chil)ob\w+"),
    "GHz": ("GHz", r"giga(?:h|j)\w+"),
    "MHz": ("MHz", r"mega(?:h|j)\w+"),
    "kW": ("kW", r"(?:kil|quil|chil)ow\w+"),
    "W": ("W", r"watts?|vatios?"),
    "V": ("V", r"volts?|voltios?"),
    "h": ("h", r"hours?|horas?|stunden?|heures?|or[ae]"),
    "min": ("min", r"minut\w+"),
    "s": ("s", r"seconds?|segundos?|sekunden?|secondes?|secondi|secondo"),
    "million": ("M Mio", r"mill?i?[oóõ]\w+|milh(?:ão|ões)"),
    "billion": ("bn", r"billions?|mill?iard\w*|mil millones|bilh(?:ão|ões)|mil milhões"),
}
# Whose words hardly mean anything else, so that they are looked for in what is to be translated.
_SURE = "$ € % ° km kg l GB MB TB mi million billion".split()
_WORDS_IN: tuple[str, ...] = tuple("en es de fr it pt".split())
# Units that any translator has seen, which stand in for others.
_COMMON = {
    "$": "dollars dólares Dollar dollars dollari dólares",
    "%": "percent por·ciento Prozent pour·cent per·cento por·cento",
    "kg": "kilos kilos Kilo kilos chili quilos",
}
_MONEY = frozenset("$€£¥₹")
_BEFORE = ("US$", "R$", "$", "€", "£", "¥", "₹")
_SIGNS = {sign: unit for unit, (signs, _) in _UNITS.items() for sign in signs.split()}
_LONGEST_FIRST = sorted(_SIGNS, key=len, reverse=True)
BEFORE = rf"(?:{'|'.join(map(re.escape, _BEFORE))})[ \u00a0\u202f]?"
BEHIND = (
    rf"[ \u00a0\u202f]?(?:{'|'.join(map(re.escape, _LONGEST_FIRST))})(?![A-Za-z\u00c0-\u024f\d/])"
)
_WORD_FOLLOWS = re.compile(r"[ \u00a0\u202f-]+[^\W\d]")
# "2 millones de dólares", "2 Mio. Euro"
_BETWEEN = r"(?:[ \u00a0\u202f-]+(?:d[ei]|d'|of|US|Mio\.?|mill?i?[oóõ]\w+|mill?iard\w*|milh\w+))*"


def unit_of(sign: str) -> str:
    """The unit that a sign is for, "" for none."""
    return _SIGNS.get(sign.strip(), "")


def knows_words(language: str) -> bool:
    """Whether words for units are listed in a language."""
    return language in _WORDS_IN


def sign_of_words(units: Sequence[str]) -> str:
    """The sign that says the same as the words for a unit in any language, "" for none."""
    return units[0] if len(units) == 1 and units[0] in _SIGNS else ""


def unit_words_end(text: str, at: int, language: str) -> int:
    """Where the words for units end that stand at a place, which is that place if none do."""
    ends = (unit_word_end(unit, text, at) for unit in unit_words_at(text, at, language))
    return max(ends, default=at)


def is_followed_by(unit: str, text: str, at: int) -> bool:
    """Whether a word for a unit stands at a place, or behind what may stand between."""
    return _pattern(unit).match(text, at) is not None


def are_followed_by(units: Iterable[str], text: str, at: int, language: str) -> bool:
    """The same for all of some, as far as words of a language are listed."""
    return language not in _WORDS_IN or all(is_followed_by(unit, text, at) for unit in units)


def unit_words_at(text: str, at: int, language: str) -> tuple[str, ...]:
    """The units that the words at a place are surely for."""
    if language not in _WORDS_IN or not _WORD_FOLLOWS.match(text, at):
        return ()
    return tuple(unit for unit in _SURE if is_followed_by(unit, text, at))


def common_unit(unit: str, source: str, target: str) -> tuple[str, str, str]:
    """A unit of the same kind that is common, and the words for it in two languages with the blank
    before them; all "" where these are not known."""
    if not (knows_words(source) and knows_words(target)):
        return "", "", ""
    common = "$" if unit in _MONEY else "%" if unit == "%" else "kg"
    words = [word.replace("·", " ") for word in _COMMON[common].split()]
    here, there = (f" {words[_WORDS_IN.index(each)]}" for each in (source, target))
    return common, here, there


def unit_word_end(unit: str, text: str, at: int) -> int:
    """Where a word for a unit ends that stands at a place, which is that place if none does."""
    found = _pattern(unit).match(text, at)
    return found.end() if found else at


@cache
def _pattern(unit: str) -> re.Pattern[str]:
    words = rf"{_BETWEEN}[ \u00a0\u202f-]+(?:{_UNITS[unit][1]})(?!\w)"
    return re.compile(words, re.IGNORECASE)
