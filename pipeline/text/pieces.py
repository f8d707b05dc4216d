"""A text -> pieces that a translator takes one by one, cut as its own marks say (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .clauses import AFTER_WEAK_MARK, INSIDE_WORD, cut_cost, ends_sentence
from .languages import LanguageRules, language_rules
from .scripts import are_parted, count_unspaced
from .tokens import CLOSING, OPENING, clusters

MAX_UNITS = 32  # a long sentence
WORD_CHARS = 10  # of a word are a unit; a shorter one is one too
UNSPACED_CHARS = 2  # of a script without spaces are about a word
MAX_WORD_CHARS = 50  # of what is longer, nobody knows whether it is one word

_GOES_ON = ("」", "』")
_WORDS = re.compile(r"\S+\s*")  # with the space behind them


def pieces(text: str, language: str, max_units: float = MAX_UNITS) -> list[str]:
    """The sentences of a text, and of a long one its clauses; joined with "" they are the text.

    A unit is a word; of a long word, each WORD_CHARS characters. Where words are not parted by
    spaces, UNSPACED_CHARS are one, whatever the language is said to be. What is longer than
    `max_units` is cut at the best place of its later half.
    """
    rules = language_rules(language)
    atoms = _atoms(text)
    found: list[str] = []
    begin = 0
    for end in range(1, len(atoms) + 1):
        if end == len(atoms) or _ends(atoms[end - 1], atoms[end], rules):
            found += _cut(atoms[begin:end], rules, max_units)
            begin = end
    return found


def fitting_pieces(
    text: str, language: str, fits: Callable[[str], bool], max_units: float = MAX_UNITS
) -> list[str]:
    """`pieces`, of which those that do not fit are cut to shorter ones, as far as a word, or a
    character where a word never ends, can be cut."""
    found: list[str] = []
    for piece in pieces(text, language, max_units):
        if max_units < 1 / WORD_CHARS or fits(piece):
            found.append(piece)
        else:
            found += fitting_pieces(piece, language, fits, max_units / 2)
    return found


def joined(texts: Sequence[str], language: str) -> str:
    """The translation of a text, from those of its pieces."""
    has_spaces = language_rules(language).has_spaces
    whole = ""
    for text in filter(None, map(str.strip, texts)):
        is_parted = whole and (has_spaces or _is_inside_word(whole, text))
        whole += f" {text}" if is_parted else text
    return whole


def _ends(atom: str, following: str, rules: LanguageRules) -> bool:
    """Whether a sentence ends between two atoms. Inside of a word none does, and what is quoted in
    Japanese goes on: it is said who said it."""
    if atom.endswith(_GOES_ON):
        return False
    is_word = atom != atom.rstrip() or count_unspaced(atom) or are_parted(atom, following)
    return bool(is_word) and ends_sentence(atom.strip(), following.strip(), rules)


def _cut(atoms: Sequence[str], rules: LanguageRules, max_units: float) -> list[str]:
    """A sentence, or its parts."""
    sizes = [_size(atom) for atom in atoms]
    found: list[str] = []
    begin, size = 0, 0.0
    for end in range(1, len(atoms) + 1):
        size += sizes[end - 1]
        while size > max_units and end - begin > 1:
            places = range(begin + max(1, (end - begin) // 2), end)
            cut = min(places, key=lambda at: (_cost(atoms[at - 1], atoms[at], rules), -at))
            found.append("".join(atoms[begin:cut]))
            begin, size = cut, sum(sizes[cut:end])
    return [*found, "".join(atoms[begin:])]


def _cost(before: str, after: str, rules: LanguageRules) -> float:
    """What a cut between two atoms costs."""
    if _is_inside_word(before, after):
        return INSIDE_WORD
    core = before.strip()
    if core != before.lstrip() and count_unspaced(core[-1]) and count_unspaced(after[0]):
        return AFTER_WEAK_MARK  # between such scripts a space is a mark
    return cut_cost(core, after.strip(), rules)


def _is_inside_word(before: str, after: str) -> bool:
    """Whether two characters meet that a script with spaces would not leave to each other."""
    return before[-1:].isalnum() and after[:1].isalnum() and not are_parted(before, after)


def _size(atom: str) -> float:
    core = atom.strip()
    unspaced = count_unspaced(core)
    size = unspaced / UNSPACED_CHARS + (len(core) - unspaced) / WORD_CHARS
    return size if core == atom else max(1.0, size)  # a word of its own


def _atoms(text: str) -> list[str]:
    """What a cut leaves whole, with the space behind it: words, and of a script without spaces, or
    where a word never ends, characters with the marks that stick to them."""
    words = _WORDS.findall(text)
    if not words:
        return [text] if text else []
    words[0] = text[: len(text) - len(text.lstrip())] + words[0]
    return [atom for word in words for atom in _atoms_of(word)]


def _atoms_of(word: str) -> list[str]:
    core = word.strip()
    is_unspaced = count_unspaced(core) > 0
    if not is_unspaced and len(core) <= MAX_WORD_CHARS:
        return [word]
    at = word.index(core)
    atoms: list[str] = []
    for cluster in clusters(core, keep_latin=is_unspaced):
        for start in range(0, len(cluster), MAX_WORD_CHARS):
            _add(atoms, cluster[start : start + MAX_WORD_CHARS])
    atoms[0] = word[:at] + atoms[0]
    atoms[-1] += word[at + len(core) :]
    return atoms


def _add(atoms: list[str], part: str) -> None:
    """Closing marks stick to what precedes them, opening ones to what follows."""
    sticks = atoms and (CLOSING.issuperset(part) or OPENING.issuperset(atoms[-1]))
    if sticks and len(atoms[-1]) + len(part) <= MAX_WORD_CHARS:
        atoms[-1] += part
    else:
        atoms.append(part)
