"""A sentence as a recognizer without punctuation delivers it, and as people write it."""

from __future__ import annotations

import re

_OPENERS = {  # of questions
    "de": "was wann wo wer wie warum wieso welche welcher welches wohin ist sind kann kannst hast",
    "en": "what what's when where who who's how why which whose is are do does did can could will",
    "es": "qué cuál cuáles cómo cuándo dónde quién cuánto cuántos",
    "fr": "que quel quelle quels quelles qu'est-ce comment quand où qui combien pourquoi est-ce",
    "it": "che quale quali come quando dove dov'è chi quanto quanti perché cosa cos'è",
    "pt": "que qual quais como quando onde quem quanto quantos quantas por",
}
_OPENERS_AFTER = ("a", "de", "por", "en", "para", "con", "hasta", "desde")
_QUESTIONS = {"ja": re.compile("か$"), "zh": re.compile("[吗呢]$|什么|几|多少|谁|哪")}


def spoken(text: str) -> str:
    """Text as a recognizer without punctuation delivers it: lower case, apostrophes kept."""
    text = re.sub(r"[^\w\s'’-]", " ", text.lower()).replace("’", "'")
    return " ".join(text.split())


def is_spoken(text: str) -> bool:
    """Whether a text may be one that a recognizer without capitals delivered."""
    return text == text.lower()


def written(text: str, language: str) -> str:
    """A lower-case sentence with a capital and its end mark; questions by their first words."""
    if language in _QUESTIONS:
        return text + ("？" if _QUESTIONS[language].search(text) else "。")
    words = text.split()
    first = words[1:2] if language == "es" and words[0] in _OPENERS_AFTER else words[:1]
    text = text[:1].upper() + text[1:]
    if first and first[0] in _OPENERS.get(language, "").split():
        return f"¿{text}?" if language == "es" else f"{text}?"
    return f"{text}."


def joint(language: str) -> str:
    """What stands between two sentences."""
    return "" if language in ("ja", "zh") else " "
