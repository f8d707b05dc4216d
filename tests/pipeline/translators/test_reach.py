from __future__ import annotations

import pytest

from surtitle.pipeline.config import AUTO
from surtitle.pipeline.errors import TranslatorError
from surtitle.pipeline.translators.queue import TranslationQueue
from surtitle.pipeline.translators.reach import Reach

from ..scripted_translator import ScriptedTranslator

PAIRS = {("en", "es"), ("en", "de"), ("es", "en")}


class Some(ScriptedTranslator):
    """Knows PAIRS, and counts how often it is asked."""

    checks = 0

    def check(self, source: str, target: str) -> None:
        self.checks += 1
        if (source, target) not in PAIRS:
            raise TranslatorError(f"cannot translate {source} to {target}")


def reach(*targets: str, translator: Some | None = None) -> Reach:
    return Reach(TranslationQueue(translator or Some()), targets)


def test_each_target_must_be_reached_from_some_language() -> None:
    reach("es", "de").check({"en", "es", "fr"})
    with pytest.raises(TranslatorError, match="cannot translate en to it"):
        reach("es", "it").check({"en", "es"})


def test_a_language_is_asked_for_once() -> None:
    translator = Some()
    one = reach("de", translator=translator)
    assert [one.reaches("en", "de"), one.reaches("es", "de"), one.reaches("es", "de")] == [
        True,
        False,
        False,
    ]
    assert translator.checks == 2


def test_people_are_told_what_is_not_translated_now() -> None:
    one = reach("en", "de", "fr")
    assert one.notice("es") == "es is spoken, which is not translated into de, fr here"
    assert reach("es", "de").notice("en") == ""
    assert reach("es").notice("es") == ""  # it needs no translation
    assert one.notice(AUTO) == ""  # nobody has spoken yet
