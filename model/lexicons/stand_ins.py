"""Rare names, numbers and times give way to common ones while a model translates, and come back.

A small model garbles a name that its training data does not have, and knows "Mary" and "ten" well:
"Gabriela has forty-seven cats" is translated as "Mary has ten cats", and in "Mary tiene diez gatos"
the terms' translations take the places of "Mary" and "diez". These are placeholders (Crego et al.
2016, arXiv 1610.05540, section 3.4) which the model has learned already, and whose neighbors agree
with them. What terms there are, and which ones stand in for others of their kind, says the lexicon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ..network.spelling import is_spoken, spoken
from ..network.tokenizer import Direction
from .lexicon import PEOPLE, WORD, StandInTerms, place_of, put, read_stand_in_terms

_PERSON, _NUMBER = "man", "count"  # the kinds of what no list has
_DIGITS = re.compile(r"(?!\d{4}$)\d+(?:[.,]\d+)*")  # no year
_MARKS = {"en": (",", "."), "fr": ("\u202f", ",")}  # of thousands and decimals; else . and ,
_TITLES = frozenset(
    "Mr Mrs Ms Miss Dr Doctor Professor Sr Sra Dra señor señora doctor doctora don doña profesor "
    "profesora M Mme Mlle monsieur madame mademoiselle docteur professeur Herr Herrn Frau "
    "Doktor Sig Signor signor Signora signora signorina dottor dottoressa professor professoressa "
    "senhor senhora doutor doutora Dona dona professora".split()
)

_Form = tuple[str, str]  # what may stand in a translation, and what takes its place


class _Found(NamedTuple):
    """A term in a text, as numbers of words, and its translations with their kinds."""

    words: range
    translations: Sequence[tuple[str, str]]

    def is_a(self, *kinds: str) -> bool:
        """A kind for itself, or that of it before a vowel, as French has them."""
        return any(kind.startswith(kinds) for kind, _ in self.translations)


@dataclass(frozen=True, slots=True)
class Disguise:
    """A text with stand-ins; for each, what it may be in the translation, and what comes there."""

    text: str
    swaps: tuple[tuple[_Form, ...], ...] = ()

    def hide(self, translation: str) -> str:
        """Put the stand-ins into a translation of the text, for the terms that it has already."""
        for forms in self.swaps:
            back = [(term, other) for other, term in forms]
            translation = _swapped(translation, back) or translation
        return translation

    def restore(self, translation: str) -> str | None:
        """Put the terms back; None where a stand-in does not stand exactly once."""
        for forms in self.swaps:
            found = _swapped(translation, forms)
            if found is None:
                return None
            translation = found
        return translation


class StandIns:
    """Those of a direction."""

    def __init__(self, terms: StandInTerms, direction: Direction) -> None:
        self._direction, self._others = direction, terms.stand_ins
        self._also_words, self._terms = terms.also_words, terms.translations
        self._spoken_terms = {spoken(term): found for term, found in self._terms.items()}
        self._most_words = max(len(term.split()) for term in self._terms)

    def disguise(self, text: str) -> Disguise:
        """1. Find names and numbers, listed or not; 2. leave those that are common, 3. and put the
        first free common one of the same kind in the place of each other."""
        text = text.replace("’", "'")
        words = list(WORD.finditer(text))
        heard = is_spoken(text)
        found = _without_series(
            sorted(self._find(text, words, heard), key=lambda one: one.words.start),
            text,
            words,
        )  # 1
        terms = [text[words[one.words[0]].start() : words[one.words[-1]].end()] for one in found]
        taken = {
            term.lower()
            for one, term in zip(found, terms, strict=True)
            if term.lower() in (other.lower() for other in self._stand_ins(one))
        }
        pieces: list[str] = []
        swaps: list[tuple[_Form, ...]] = []
        end = 0
        for one, term in zip(found, terms, strict=True):
            free = [other for other in self._stand_ins(one) if other.lower() not in taken]
            if term.lower() in taken or not free:  # 2
                continue
            first = words[one.words[0]]
            # A model has hardly seen a number in words at the beginning of a sentence.
            is_digits = _DIGITS.fullmatch(term) is not None or _begins_sentence(text, first)
            chosen = max(free, key=lambda o: (free.count(o), o.isdigit() == is_digits))  # 3
            taken.add(chosen.lower())
            swaps.append(self._forms(one, chosen))
            start = first.start()
            if heard:
                chosen = chosen.lower()
            elif text[start].isupper():
                chosen = chosen[0].upper() + chosen[1:]
            pieces += text[end:start], chosen
            end = start + len(term)
        return Disguise("".join((*pieces, text[end:])), tuple(swaps))

    def _stand_ins(self, found: _Found) -> list[str]:
        """Once for every kind that it shares with the term."""
        kinds = (kind for kind, _ in found.translations)
        return [other for kind in kinds for other in dict(self._others[kind])]

    def _forms(self, found: _Found, chosen: str) -> tuple[_Form, ...]:
        return tuple(
            (form, term)
            for kind, term in found.translations
            for other, form in self._others[kind]
            if other == chosen
        )

    def _find(self, text: str, words: Sequence[re.Match[str]], heard: bool) -> Iterator[_Found]:
        terms = self._spoken_terms if heard else self._terms
        free, names = set(range(len(words))), set[int]()
        for count in range(min(self._most_words, len(words)), 0, -1):
            for first in range(len(words) - count + 1):
                place = range(first, first + count)
                term = text[words[first].start() : words[place[-1]].end()]
                begins = _begins_sentence(text, words[first])
                if begins and term not in terms:
                    term = term[0].lower() + term[1:]
                is_doubtful = (heard or begins) and term.lower() in self._also_words
                if term in terms and not is_doubtful and free.issuperset(place):
                    free.difference_update(place)
                    found = _Found(place, terms[term])
                    if found.is_a(*PEOPLE):
                        names.add(place[-1])
                    yield found
        for at in sorted(free):
            word = words[at][0]
            if _DIGITS.fullmatch(word):
                yield _Found(range(at, at + 1), ((_NUMBER, _localized(word, self._direction)),))
            elif at and word[0].isupper() and self._goes_with_name(at, text, words, names):
                names.add(at)
                yield _Found(range(at, at + 1), ((_PERSON, word),))

    def _goes_with_name(
        self, at: int, text: str, words: Sequence[re.Match[str]], names: set[int]
    ) -> bool:
        """Whether a word with a capital stands behind a title or another name."""
        if words[at - 1][0] in _TITLES:
            return True
        is_word = words[at][0] == "I" or self._direction[0] == "de"  # where nouns have capitals
        return at - 1 in names and not is_word and _is_joined(text, words, at)


@cache
def stand_ins(direction: Direction) -> StandIns | None:
    """Those of the lexicon of a direction; None where there is none."""
    terms = read_stand_in_terms(direction)
    return StandIns(terms, direction) if terms else None


def _without_series(
    found: Iterable[_Found], text: str, words: Sequence[re.Match[str]]
) -> list[_Found]:
    """Names side by side are one name; numbers side by side are a time, or something else that has
    to stay as it is."""
    kept: list[_Found] = []
    in_series: set[int] = set()
    for one in found:
        last = kept[-1] if kept else None
        if (
            last is None
            or last.words.stop != one.words.start
            or not _is_joined(text, words, one.words.start)
        ):
            kept.append(one)
        elif last.is_a(*PEOPLE) and one.is_a(*PEOPLE):
            name = " ".join((last.translations[0][1], one.translations[0][1]))
            kind = last.translations[0][0]
            kept[-1] = _Found(range(last.words.start, one.words.stop), ((kind, name),))
        else:
            if last.is_a(_NUMBER) and one.is_a(_NUMBER):
                in_series |= {len(kept) - 1, len(kept)}
            kept.append(one)
    return [one for at, one in enumerate(kept) if at not in in_series]


def _is_joined(text: str, words: Sequence[re.Match[str]], at: int) -> bool:
    return text[words[at - 1].end() : words[at].start()] == " "


def _begins_sentence(text: str, word: re.Match[str]) -> bool:
    before = text[: word.start()].rstrip(" \"'“«(¿¡-")
    return not before or (before[-1] in ".!?:…" and before[:-1].rpartition(" ")[2] not in _TITLES)


def _swapped(text: str, forms: Iterable[_Form]) -> str | None:
    for old, new in sorted(forms, key=lambda form: -len(form[0])):
        if place := place_of(old, text):
            return put(new, place, old, text)
    return None


def _localized(digits: str, direction: Direction) -> str:
    """A number with the marks of thousands and decimals of the other language."""
    old, new = (_MARKS.get(language, (".", ",")) for language in direction)
    return digits.translate(str.maketrans(dict(zip(old, new, strict=True))))
