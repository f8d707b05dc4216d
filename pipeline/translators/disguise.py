"""A text with common amounts in the place of its own, and with a number for each address (pure).

Any translator has seen "20 dollars" more often than "$1,199.50", and where "20 dólares" comes back,
"$1.199,50" goes there. These are placeholders that a translator has learned already (Crego et al.
2016, arXiv 1610.05540, section 3.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..events import TranslationRequest
from ..text.amounts import Amount, find_amounts, localized, said_place
from ..text.number_words import ends_with_number, said_in_words
from ..text.passthrough import addresses, has_kept
from ..text.units import (
    are_followed_by,
    common_unit,
    sign_of_words,
    unit_word_end,
    unit_words_end,
)

# What a text has of them already is not taken.
_YEARS = (1990, 2000, 2010, 1980, 1970, 2005, 1995, 1985)
_NUMBERS = (20, 30, 40, 50, 60, 70, 80, 90, 12, 15, 14, 16, 18, 13, 17, 19)
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")


@dataclass(frozen=True, slots=True)
class _Item:
    """A number in the place of what is to be kept, from `start` to before `end` of the text.

    It stands there as `there`, with a word for `unit` or as "20th", and in what is translated
    already as `seen`; `back` comes into the translation. `words` are the units of words behind it,
    which are not hidden."""

    number: int
    start: int
    end: int
    there: str
    seen: str
    back: str
    unit: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Disguise:
    """A text with other amounts. `is_needed`: one of its own is more than a whole number."""

    items: Sequence[_Item]
    is_needed: bool

    def hidden(self, request: TranslationRequest) -> TranslationRequest:
        """The request with both sides alike: people have seen the real ones."""
        text, at = "", 0
        for item in self.items:
            text += request.text[at : item.start] + item.there
            at = item.end
        return replace(
            request,
            text=text + request.text[at:],
            pinned=self._hide(request.pinned, request.target),
            draft=self._hide(request.draft, request.target),
            required=tuple(self._hide(each, request.target) for each in request.required),
        )

    def restored(self, answer: str, request: TranslationRequest) -> str | None:
        """The translation with the real ones; None where a stand-in is not there exactly once, or
        other numbers are."""
        target = request.target
        pinned = self._hide(request.pinned, target)
        if not answer.startswith(pinned) or not has_kept(_without_addresses(request.text), answer):
            return None
        rest = answer[len(pinned) :]
        seen, found = find_amounts(pinned, target), find_amounts(rest, target)
        gone = [each for each in self.items if not said_place(seen, each.number, pinned, target)]
        places: list[tuple[slice, str]] = []
        for item in gone:
            place = _place(item, found, rest, target)
            if place is None or ends_with_number(rest[: place.start], target):
                return None
            places.append((place, item.back))
        units = {str(item.number): item.unit for item in gone}
        if any(each.unit not in ("", units.get(each.number, "no number")) for each in found):
            return None
        if any(each.number not in units for each in found):
            return None
        for place, back in sorted(places, key=lambda each: -each[0].start):
            rest = rest[: place.start] + back + rest[place.stop :]
        return request.pinned + rest

    def _hide(self, text: str, language: str) -> str:
        """Put the stand-ins into what is translated already."""
        for item in self.items:
            back = rf"(?<![\w.,:]){re.escape(item.back)}(?![.,:]?\w)"
            place = re.search(back, text)
            if place is None and item.back.isdecimal():
                place = said_in_words(int(item.back), text, language)
            if place is not None:
                text = text[: place.start()] + item.seen + text[place.end() :]
        return text


def disguised(request: TranslationRequest) -> Disguise | None:
    """None where there is nothing to hide, or too much."""
    spans = kept_items(request)
    amounts = find_amounts(request.text, request.source)
    taken = {each.number for each in amounts}
    by_start = {each.start: each for each in amounts}
    free = [number for number in _NUMBERS if str(number) not in taken]
    years = [number for number in _YEARS if str(number) not in taken]
    if not spans or len(spans) > min(len(free), len(years)):
        return None
    items: list[_Item] = []
    for start, end, back in spans:
        amount = by_start.get(start)
        is_year = amount is not None and _YEAR.fullmatch(amount.text) is not None
        number = (years if is_year else free).pop(0)
        items.append(_item(number, start, end, back, amount, request))
    is_needed = any(not request.text[item.start : item.end].isdecimal() for item in items)
    return Disguise(items, is_needed)


def kept_items(request: TranslationRequest) -> list[tuple[int, int, str]]:
    """Where the amounts and addresses of a text begin and end, and what they are in its
    translation."""
    source, target = request.source, request.target
    amounts = find_amounts(request.text, source)
    return sorted(
        [
            *((start, end, request.text[start:end]) for start, end in addresses(request.text)),
            *((each.start, each.end, localized(each, source, target)) for each in amounts),
        ]
    )


def items_with_units(request: TranslationRequest) -> list[tuple[int, int, str]]:
    """The same, with the sign of a unit for words that a translator would take for another's."""
    text, source, target = request.text, request.source, request.target
    signed: dict[int, tuple[int, int, str]] = {}
    for each in find_amounts(text, source):
        sign = sign_of_words(each.words)
        if sign and not each.unit:
            end = unit_words_end(text, each.end, source)
            signed[each.start] = each.start, end, f"{localized(each, source, target)} {sign}"
    return [signed.get(item[0], item) for item in kept_items(request)]


def _item(
    number: int, start: int, end: int, back: str, amount: Amount | None, request: TranslationRequest
) -> _Item:
    seen = there = str(number)
    if amount is not None and amount.is_ordinal:
        return _Item(number, start, end, f"{number}th", seen, amount.number)
    if amount is None or not amount.unit or amount.words:
        words = amount.words if amount is not None else ()
        return _Item(number, start, end, there, seen, back, words=words)
    unit, word, translated = common_unit(amount.unit, request.source, request.target)
    return _Item(number, start, end, f"{there}{word}", f"{seen}{translated}", back, unit)


def _place(item: _Item, found: Sequence[Amount], text: str, language: str) -> slice | None:
    """Where a stand-in is in a translation, with its unit."""
    place = said_place(found, item.number, text, language)
    if place is None:
        return None
    if text.startswith("th", place.stop):  # the ordinal that was asked for
        return slice(place.start, place.stop + 2)
    if not item.unit:
        return place if are_followed_by(item.words, text, place.stop, language) else None
    signed = next((each for each in found if each.number == str(item.number) and each.unit), None)
    if signed is not None:
        return slice(signed.start, signed.end)
    return slice(place.start, unit_word_end(item.unit, text, place.stop))


def _without_addresses(text: str) -> str:
    for start, end in reversed(addresses(text)):
        text = text[:start] + text[end:]
    return text
