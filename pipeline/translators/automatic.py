"""Which translators work where nobody has named one: the best that are installed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ..errors import TranslatorError
from . import Translator
from .ctranslate2.catalog import suggestion
from .ctranslate2.installed import Installed, ct2_folders, installed_models
from .ctranslate2.layouts import is_ctranslate2_model
from .pivot import PIVOT, PivotTranslator

Direction = tuple[str | None, str]  # the source is None where it is not known yet


def open_automatic(
    checkpoints: Sequence[str],
    directions: Collection[Direction],
    say: Callable[[str], None],
    decoding: str | None = None,
) -> Translator:
    """The models that are named, of either kind; else those of CTranslate2 that are installed, and
    the embedded one for what these do not know, or where nobody knows the directions yet.

    Raises TranslatorError.
    """
    if checkpoints:
        return PivotTranslator(_named(checkpoints, decoding), say, remedy)
    installed = _needed(installed_models(), directions)
    translators: list[Translator] = []
    if installed:
        from .ctranslate2.translator import CTranslate2Translator

        translators.append(CTranslate2Translator(*(one.folder for one in installed)))
    lacking = [each for each in directions if not _is_known(each, translators, say)]
    if lacking or not directions:
        from .own import OwnTranslator, models_for_each

        names = models_for_each(with_english(lacking))
        translators.append(OwnTranslator(*names, decoding=decoding))
        works = [each for each in lacking if each[0] is None or _is_known(each, translators, say)]
        is_small = all(name.startswith("embedded") for name in names)
        if is_small and (works or not (lacking or installed)):
            say(_small(works))
    return PivotTranslator(translators, say, remedy)


def remedy(source: str, target: str) -> str:
    """What to do for a direction that is not known."""
    return f"; `surtitle models fetch {suggestion(source, target)}` gets one that can"


def open_installed(checkpoints: Sequence[str], directions: Collection[Direction]) -> Translator:
    """CTranslate2 models only. Raises TranslatorError."""
    from .ctranslate2.translator import CTranslate2Translator

    models: Sequence[str | Path] = checkpoints
    if not checkpoints:
        installed = installed_models()
        models = [one.folder for one in _needed(installed, directions) or installed]
    if not models:
        raise TranslatorError(
            f"no CTranslate2 model is installed; `surtitle models fetch {_name(directions)}` "
            "gets one, and `surtitle models` lists all"
        )
    return CTranslate2Translator(*models)


def with_english(directions: Collection[Direction]) -> list[Direction]:
    """The directions, and the two halves of those that may go through English."""
    halves = [
        half
        for source, target in directions
        if PIVOT not in (source, target)
        for half in ((source, PIVOT), (PIVOT, target))
    ]
    return list(dict.fromkeys([*directions, *halves]))


def _named(checkpoints: Sequence[str], decoding: str | None) -> list[Translator]:
    known = ct2_folders()
    ct2 = [
        each
        for each in checkpoints
        if each in known or is_ctranslate2_model(Path(each).expanduser())
    ]
    own = [each for each in checkpoints if each not in ct2]
    translators: list[Translator] = []
    if ct2:
        from .ctranslate2.translator import CTranslate2Translator

        translators.append(CTranslate2Translator(*ct2))
    if own:
        from .own import OwnTranslator

        translators.append(OwnTranslator(*own, decoding=decoding))
    return translators


def _needed(
    installed: Sequence[Installed], directions: Collection[Direction]
) -> Sequence[Installed]:
    """The models to load: the first that knows a direction, else those that know a half of it; all
    where nobody knows the directions yet."""
    if not directions:
        return installed
    chosen = {one.name for each in directions for one in _models_of(each, installed)}
    return [one for one in installed if one.name in chosen]


def _models_of(direction: Direction, installed: Sequence[Installed]) -> Iterator[Installed]:
    source, target = direction
    if source is None:
        yield from (one for one in installed if {target, PIVOT} & one.layout.targets.keys())
        return
    direct = [one for one in installed if one.layout.knows(source, target)]
    if direct or PIVOT in (source, target):
        yield from direct[:1]
        return
    for half in ((source, PIVOT), (PIVOT, target)):
        yield from [one for one in installed if one.layout.knows(*half)][:1]


def _is_known(
    direction: Direction, translators: Sequence[Translator], say: Callable[[str], None]
) -> bool:
    source, target = direction
    if source is None or not translators:
        return False
    try:
        PivotTranslator(translators, say).check(source, target)
    except TranslatorError:
        return False
    return True


def _name(directions: Collection[Direction]) -> str:
    source, target = next(iter(directions), (None, "es"))
    return suggestion(source or PIVOT, target)


def _small(directions: Collection[Direction]) -> str:
    return (
        "the embedded translator is a small one, for trying out; "
        f"`surtitle models fetch {_name(directions)}` gets a good one"
    )
