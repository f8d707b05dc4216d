"""How good translations are: BLEU and chrF by sacrebleu, and counts of what must not happen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..network.spelling import joint

MAX_REPEATS = 3  # of one word in a row; more is a loop
COMMON_WORDS = 60  # of a language that tell it from another
_BLEU_TOKENIZERS = {"ja": "char", "zh": "zh"}  # 13a, the usual one, parts words at spaces


@dataclass(frozen=True, slots=True)
class Scores:
    """BLEU and chrF are cased, in percent, with sacrebleu's signatures; the rest count lines."""

    lines: int
    bleu: float
    chrf: float
    empty: int
    looping: int
    copied: int
    signatures: tuple[str, str]


def evaluate(
    sources: Sequence[str], answers: Sequence[str], references: Sequence[str], language: str
) -> Scores:
    """Compare answers in `language` with one reference per line. Needs sacrebleu."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(tokenize=_BLEU_TOKENIZERS.get(language)), CHRF()
    return Scores(
        lines=len(answers),
        bleu=bleu.corpus_score(answers, [references]).score,
        chrf=chrf.corpus_score(answers, [references]).score,
        empty=sum(not answer.strip() for answer in answers),
        looping=sum(map(_loops, answers)),
        copied=sum(map(_is_copy, sources, answers)),
        signatures=(str(bleu.get_signature()), str(chrf.get_signature())),
    )


def corpus_chrf(answers: Sequence[str], references: Sequence[str]) -> float:
    """chrF of all sentences together, in percent. Needs sacrebleu."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().corpus_score(answers, [references]).score


def chrf_signature() -> str:
    """How sacrebleu computes the chrF of a corpus. Needs sacrebleu."""
    from sacrebleu.metrics.chrf import CHRF

    chrf = CHRF()
    chrf.corpus_score(["a"], [["a"]])
    return str(chrf.get_signature())


def sentence_chrf(answer: str, reference: str) -> float:
    """chrF of one sentence, in percent. Needs sacrebleu."""
    from sacrebleu.metrics.chrf import CHRF

    return CHRF().sentence_score(answer, [reference]).score


class LanguageCheck:
    """Whether an answer is in the target language, by the most frequent words of both (of Chinese
    and Japanese, characters): a rough count, which sees few words of a short answer."""

    def __init__(
        self, sources: Iterable[str], references: Iterable[str], source: str, target: str
    ) -> None:
        wanted, unwanted = _common(references, target), _common(sources, source)
        self._source, self._target = source, target
        self._wanted, self._unwanted = wanted - unwanted, unwanted - wanted

    def is_wrong(self, answer: str) -> bool:
        """Whether it has more frequent words of the source language than of its own."""
        unwanted = sum(word in self._unwanted for word in _words(answer, self._source))
        return unwanted > sum(word in self._wanted for word in _words(answer, self._target))


def _common(texts: Iterable[str], language: str) -> set[str]:
    counts = Counter(word for text in texts for word in _words(text, language))
    return {word for word, _ in counts.most_common(COMMON_WORDS)}


def _words(text: str, language: str) -> list[str]:
    return re.findall(r"\w+" if joint(language) else r"[^\W\x00-\x7f]", text.lower())


def _loops(text: str) -> bool:
    words = re.findall(r"\w+", text.lower())
    run = 1
    for before, word in zip(words, words[1:], strict=False):
        run = run + 1 if word == before else 1
        if run > MAX_REPEATS:
            return True
    return False


def _is_copy(source: str, answer: str) -> bool:
    """Three words or more that were not translated; names alone are rightly kept."""
    return len(source.split()) > 2 and answer.lower().strip(" .!?¡¿") == source.lower().strip(
        " .!?"
    )
