"""Names, numbers, dates and times of day, to put in the place of others in pairs to learn from.

A corpus has a few of each again and again, here "Tom" in every seventh sentence, and a model then
writes these wherever any stands. Where a term and its translation stand in a pair, another of the
same kind fits too (data augmentation by translation pairs: Fadaee et al. 2017, arXiv 1705.00440).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

from ..network.batches import Pair
from ..network.tokenizer import Direction

INVENTED_SHARE = 0.3  # of the new names of people: what no list has must be copied too
PEOPLE = ("man", "woman")
_STAND_IN, _ALSO_WORDS = "=", "also words"  # rows of a lexicon's file that list no term
_ONE_WAY = "<"  # a row for translating from the file's second language alone
WORD = re.compile(r"[^\W_]+(?:[-:.,'’](?!s\b)[^\W_]+)*")  # without the 's of a possessive
_APOSTROPHES = frozenset("'’")  # before a word they say that a vowel was dropped: d'Anne
_INSERTED_KIND = re.compile(r"\{(.+?)\}")
_ONSETS = "b c d f g h j k l m n p r s t v w y z br ch dr gr kr sh st th tr".split()
_VOWELS = "a e i o u a e i o ai ee ia ou".split()
_CODAS = ["", "", "", *"l m n r s k d t nd rt".split()]

Term = tuple[str, str]  # in both languages


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The terms of a direction; `forms` has, for each kind, lists that are drawn from alike often,
    however long they are. `translations` has the kinds and translations of each term."""

    forms: dict[str, list[list[Term]]]
    translations: dict[str, list[Term]]
    most_words: int

    def vary(self, pair: Pair, rng: random.Random) -> Pair:
        """Every term replaced that stands once in the source, and its translation once in the
        target; in the draft too, where that has it."""
        source, target, draft = pair.source.replace("’", "'"), pair.target, pair.draft
        replaced: set[int] = set()  # words of the source
        for words, term, kind, translation in list(self._found(source)):
            in_source, in_target = place_of(term, source), place_of(translation, target)
            if not in_source or not in_target or not replaced.isdisjoint(words):
                continue
            replaced.update(words)
            new_term, new_translation = self._another(kind, rng)
            source = put(new_term, in_source, term, source)
            if in_draft := place_of(translation, draft):
                draft = put(new_translation, in_draft, translation, draft)
            target = put(new_translation, in_target, translation, target)
        return replace(pair, source=source, target=target, draft=draft)

    def _found(self, source: str) -> Iterator[tuple[range, str, str, str]]:
        """The words of every term, the term, its kind and its translation, the longest first."""
        words = list(WORD.finditer(source))
        for count in range(min(self.most_words, len(words)), 0, -1):
            for first in range(len(words) - count + 1):
                place = range(first, first + count)
                term = source[words[first].start() : words[place[-1]].end()]
                if not first and term not in self.translations:
                    term = term[0].lower() + term[1:]
                for kind, translation in self.translations.get(term, []):
                    yield place, term, kind, translation

    def _another(self, kind: str, rng: random.Random) -> Term:
        if kind in PEOPLE and rng.random() < INVENTED_SHARE:
            name = _invented_name(rng)
            return name, name
        return rng.choice(rng.choice(self.forms[kind]))


def place_of(term: str, text: str) -> slice | None:
    """Where a term stands as whole words, with a capital or without, if it stands there once."""
    places: list[slice] = []
    for form in {term, _capitalized(term)}:
        start = text.find(form)
        while start >= 0:
            end = start + len(form)
            before, behind = text[start - 1 : start], text[end : end + 1]
            if not before.isalnum() and before not in _APOSTROPHES and not behind.isalnum():
                places.append(slice(start, end))
            start = text.find(form, end)
    return places[0] if len(places) == 1 else None


def put(new: str, place: slice, old: str, text: str) -> str:
    """`text` with `new` in the place of `old`: with a capital at its beginning, and elsewhere if
    only the place gave `old` one."""
    if text[place] != old or not place.start:
        new = _capitalized(new)
    return text[: place.start] + new + text[place.stop :]


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def _invented_name(rng: random.Random) -> str:
    syllables = (
        rng.choice(_ONSETS) + rng.choice(_VOWELS) + rng.choice(_CODAS)
        for _ in range(rng.choice((1, 2, 2, 2, 3)))
    )
    return "".join(syllables).capitalize()


@dataclass(frozen=True, slots=True)
class StandInTerms:
    """What `stand_ins.py` needs of a lexicon: the kinds that have stand-ins, with those; the terms
    of these kinds, and names of the source language that are words as well."""

    stand_ins: dict[str, list[Term]]
    translations: dict[str, list[Term]]
    also_words: frozenset[str]


@cache
def read_lexicon(direction: Direction) -> Lexicon | None:
    """The terms of `lexicon.A-B.tsv`, which serves both directions; None where there is none."""
    rows = _read_rows(direction)
    if rows is None:
        return None
    forms = {kind: rows.forms(kind) for kind in rows.terms}
    translations = _by_term(forms)
    return Lexicon(forms, translations, max(len(term.split()) for term in translations))


def read_stand_in_terms(direction: Direction) -> StandInTerms | None:
    """Much quicker than the whole lexicon, which is for training. None where there is none."""
    rows = _read_rows(direction)
    if rows is None or not rows.stand_ins:
        return None
    translations = _by_term({kind: rows.forms(kind) for kind in rows.stand_ins})
    return StandInTerms(rows.stand_ins, translations, rows.also_words)


@dataclass(slots=True)
class _Rows:
    """The file as it is, and the terms of those kinds that were asked for."""

    terms: dict[str, list[Term]]
    stand_ins: dict[str, list[Term]]
    also_words: frozenset[str]
    known: dict[str, list[list[Term]]]

    def forms(self, kind: str) -> list[list[Term]]:
        """The terms that are listed, and those of each row with other kinds in it."""
        if kind not in self.known:
            rows = self.terms[kind]
            listed = [row for row in rows if not _INSERTED_KIND.search(row[0])]
            made = [self._expanded(*row) for row in rows if _INSERTED_KIND.search(row[0])]
            self.known[kind] = [listed, *made] if listed else made
        return self.known[kind]

    def _expanded(self, source: str, target: str) -> list[Term]:
        kinds = _INSERTED_KIND.findall(source)
        choices = [[term for form in self.forms(kind) for term in form] for kind in kinds]
        return [
            (
                _INSERTED_KIND.sub("{}", source).format(*(one for one, _ in chosen)),
                _filled(target, dict(zip(kinds, (other for _, other in chosen), strict=True))),
            )
            for chosen in product(*choices)
        ]


def _read_rows(direction: Direction) -> _Rows | None:
    source, target = direction
    for first, second in (direction, (target, source)):
        path = Path(__file__).with_name(f"lexicon.{first}-{second}.tsv")
        if path.exists():
            return _parse(path.read_text(encoding="utf-8"), swap=first != source)
    return None


def _parse(text: str, swap: bool) -> _Rows:
    rows = _Rows(defaultdict(list), defaultdict(list), frozenset(), {})
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        kind, *terms = line.split("\t")
        source, target = reversed(terms) if swap else terms
        if kind == _ALSO_WORDS:
            rows.also_words = frozenset(source.split())
        elif kind.startswith(_STAND_IN):
            rows.stand_ins[kind.removeprefix(_STAND_IN)].append((source, target))
        elif swap or not kind.startswith(_ONE_WAY):
            rows.terms[kind.removeprefix(_ONE_WAY)].append((source, target))
    return rows


def _by_term(forms: dict[str, list[list[Term]]]) -> dict[str, list[Term]]:
    """Of each term the kinds and translations, the longest first: "dos en punto" before "dos"."""
    translations: dict[str, list[Term]] = defaultdict(list)
    for kind, groups in forms.items():
        if not kind.startswith("_"):
            for term, translation in (term for group in groups for term in group):
                translations[term].append((kind, translation))
    for found in translations.values():
        found.sort(key=lambda one: -len(one[1]))
    return dict(translations)


def _filled(target: str, values: dict[str, str]) -> str:
    return _INSERTED_KIND.sub(lambda match: values[match[1]], target)
