"""The CTranslate2 models that can be fetched by a name: where they are, and on which terms.

NOTE: none of them could be fetched where this was written, as there was no way to the hub: names,
sizes, revisions and checksums are those that others have published. The way itself is tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OPUS = "OPUS-MT by Jörg Tiedemann and Santhosh Thottingal, University of Helsinki (EAMT 2020)"
M2M = "M2M-100 by Angela Fan et al., Meta AI (2020)"
MADLAD = "MADLAD-400 by Sneha Kudugunta et al., Google (2023)"
NLLB = "NLLB-200 by the NLLB Team, Meta AI (2022)"


@dataclass(frozen=True, slots=True)
class Entry:
    """A model of the hub. `languages` are its directions, for people. `revision` is a commit; where
    it is "", the first fetch takes the newest one, writes down which, and keeps to it.
    `model_sha256` is the checksum of model.bin, "" where nobody has published it. `sources` and
    `targets` are given where its files do not tell. Not `is_converted`: safetensors, which
    transformers converts here."""

    name: str
    repository: str
    size_mb: int
    license: str
    attribution: str
    languages: str
    revision: str = ""
    model_sha256: str = ""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    is_converted: bool = True

    @property
    def is_non_commercial(self) -> bool:
        return "-NC" in self.license


def _opus(
    direction: str,
    repository: str,
    revision: str = "",
    model_sha256: str = "",
    size_mb: int = 158,
) -> Entry:
    """The repositories say Apache-2.0 or CC-BY-4.0; the project itself says the latter, which asks
    for more."""
    source, target = direction.split("-")
    return Entry(
        f"opus-mt-{direction}",
        repository,
        size_mb,
        "CC-BY-4.0",
        OPUS,
        direction,
        revision,
        model_sha256,
        (source,),
        (target,),
    )


_ENTRIES = (
    _opus(
        "en-es",
        "michaelfeil/ct2fast-opus-mt-en-es",
        "76ec296588e2234f9b7dfad5254219a0f5ecb7af",
        "36cd9bcb181fc6d5832deeaf770ce183ff4edbbc5e4fe0f86cec92da4379f3b7",
    ),
    _opus(
        "es-en",
        "michaelfeil/ct2fast-opus-mt-es-en",
        "437f5ffc6c8544943c685ea405650e0d17cf6098",
        "3a3b91dcb396ee7b682554e7d9f501909385c48b478a691bfe9bf9e3e32d3656",
    ),
    *(
        _opus(direction, f"gaudi/opus-mt-{direction}-ctranslate2")
        for direction in ("en-de", "de-en", "en-fr", "fr-en", "it-en", "en-ru", "ru-en")
    ),
    *(
        _opus(direction, f"gaudi/opus-mt-{direction}-ctranslate2")
        for direction in ("en-zh", "zh-en", "en-ar", "ja-en", "ko-en")
    ),
    _opus("en-it", "ooeoeo/opus-mt-en-it-ct2-float16"),
    _opus("en-pt", "ooeoeo/opus-mt-tc-big-en-pt-ct2-float16", size_mb=470),
    Entry(
        "m2m100-418m",
        "jncraton/m2m100_418M-ct2-int8",
        490,
        "MIT",
        M2M,
        "between any two of 100 languages",
        "7c1b2620a4e58dacecbd8bf89cfd6da7eb9eb7b0",
        "d6703dd9f920ff896e45c3d97b490761bed5944937b90bbe6a7245f5652542d4",
    ),
    Entry(
        "madlad-3b",
        "santhosh/madlad400-3b-ct2",
        2760,
        "Apache-2.0",
        MADLAD,
        "between any two of 400 languages",
    ),
    Entry(
        "madlad-7b",
        "google/madlad400-7b-mt",
        33_200,
        "Apache-2.0",
        MADLAD,
        "between any two of 400 languages",
        is_converted=False,
    ),
    Entry(
        "nllb-600m",
        "osa911/nllb-200-distilled-600M-ct2-int8",
        631,
        "CC-BY-NC-4.0",
        NLLB,
        "between any two of 200 languages",
        "46858753dbaf8eb5e21bb6f0037c3b90851e090a",
        "ca3362e6e81906c0cf9c33bd6917674222c71d69617d0afb18507ce0b6c2e2e8",
    ),
)
CATALOG: Mapping[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def suggestion(source: str, target: str) -> str:
    """The name of a good model for a direction that anybody may use."""
    name = f"opus-mt-{source}-{target}"
    return name if name in CATALOG else "m2m100-418m"
