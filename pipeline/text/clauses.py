"""Where a text may be cut: sentence ends, clauses, and words that lean on the next one (pure)."""

from __future__ import annotations

import re

from .languages import LanguageRules

SENTENCE_MARKS = frozenset(".?!…。！？؟।")
STRONG_MARKS = frozenset(";:—–；：؛")
WEAK_MARKS = frozenset(",，、،")
CLOSING_QUOTES = "\"'”’»›)]}」』）】》"
OPENING_QUOTES = "\"'“‘«‹([{「『（【《¿¡„"

# The price of a cut, in the unit of line balance: about what a few characters off balance cost.
AFTER_SENTENCE, AFTER_STRONG_MARK, AFTER_WEAK_MARK = 0, 2, 4
BEFORE_CONJUNCTION, BEFORE_PREPOSITION, ANYWHERE = 8, 12, 20
INSIDE_NAME, INSIDE_PHRASE, INSIDE_WORD = 40, 80, 160
PAUSE_MS_PER_COST = 25  # a pause of 400 ms makes any place as good as a clause mark


def ends_sentence(word: str, following: str | None, rules: LanguageRules) -> bool:
    """Whether a sentence ends after `word`; `following` is the word after it, None at the end."""
    core = word.rstrip(CLOSING_QUOTES)
    if not core or core[-1] not in SENTENCE_MARKS:
        return False
    if following and following.lstrip(OPENING_QUOTES)[:1].islower():
        return False  # "Really?" he asked
    return not core.endswith(".") or not _is_abbreviation(core, rules)


def cut_cost(before: str, after: str, rules: LanguageRules, pause_ms: int = 0) -> float:
    """How bad it is to cut between two words, `pause_ms` apart where they were spoken.

    AFTER_SENTENCE is best. INSIDE_PHRASE is a cut to be made only where nothing else is possible.
    """
    return _text_cost(before, after, rules) - max(0, pause_ms) / PAUSE_MS_PER_COST


def _text_cost(before: str, after: str, rules: LanguageRules) -> int:
    core = before.rstrip(CLOSING_QUOTES)
    last = core[-1:]
    if last in SENTENCE_MARKS:
        ends = ends_sentence(before, after, rules)
        return AFTER_SENTENCE if ends else INSIDE_PHRASE if last == "." else AFTER_STRONG_MARK
    if last in STRONG_MARKS:
        return AFTER_STRONG_MARK
    if last in WEAK_MARKS:
        return AFTER_WEAK_MARK
    if not any(character.isalnum() for character in before):
        return INSIDE_PHRASE  # a hyphen or quote that stands alone opens what follows
    return _cost_between(_bare(before), _bare(after), before, after, rules)


def binds(word: str, rules: LanguageRules) -> bool:
    """Whether a word leans on the next one, so that nothing is cut after it."""
    bare = _bare(word)
    stem, apostrophe, ending = bare.partition("'")
    leaning = rules.binding | rules.conjunctions | rules.relatives | rules.prepositions
    return (
        bare in leaning
        or bare in rules.abbreviations  # mr
        or (bool(apostrophe) and (stem in rules.binding or ending == "t"))  # it's, don't
    )


def _cost_between(
    bare_before: str, bare_after: str, before: str, after: str, rules: LanguageRules
) -> int:
    leans = binds(before, rules)
    if bare_after in rules.conjunctions and (not leans or bare_before in rules.binding):
        return BEFORE_CONJUNCTION  # also after a pronoun: with you | and me
    if bare_after in rules.relatives and not leans:
        return BEFORE_CONJUNCTION  # but not after an article: lo que
    if leans:
        return INSIDE_PHRASE
    if bare_after in rules.prepositions:
        return BEFORE_PREPOSITION
    if before[-1].isdigit():
        return INSIDE_NAME  # 3 | million
    capitals = before[:1].isupper() and after[:1].isupper()
    return INSIDE_NAME if capitals and not rules.capitalizes_nouns else ANYWHERE


def _is_abbreviation(core: str, rules: LanguageRules) -> bool:
    bare = core.rstrip(".").lstrip(OPENING_QUOTES)
    if bare.lower() in rules.abbreviations:
        return True
    if rules.dots_ordinals and re.fullmatch(r"\d{1,2}", bare):
        return True
    # Initials and "U.S."; "so do I." is a sentence.
    return bool(re.fullmatch(r"(\w\.)*[^\W\d_]", bare)) and bare != "I"


def _bare(word: str) -> str:
    return re.sub(r"^[^\w]+|[^\w']+$", "", word.replace("’", "'")).lower()
