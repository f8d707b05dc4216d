from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def tiny_models() -> ModuleType:
    pytest.importorskip("transformers", reason="pip install --editable '.[dev]'")
    from .ctranslate2 import tiny_models

    return tiny_models


@pytest.fixture(scope="session")
def folders(
    tmp_path_factory: pytest.TempPathFactory, tiny_models: ModuleType
) -> Mapping[str, Path]:
    """A model of each layout, by the layout's name."""
    folder = tmp_path_factory.mktemp("ct2")
    return {
        "Marian": tiny_models.marian(folder),
        "M2M-100": tiny_models.m2m(folder),
        "NLLB": tiny_models.nllb(folder),
        "MADLAD": tiny_models.t5(folder),
        "T5": tiny_models.t5(folder / "plain", ()),
    }
