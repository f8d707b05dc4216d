"""What a bench prints, and writes as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def report(
    about: Mapping[str, object], lines: Iterable[DataclassInstance], out: Path | None
) -> None:
    """What is the same for all lines, and each line as soon as there is one."""
    with out.open("w", encoding="utf-8") if out else nullcontext() as file:
        print(" ".join(f"{key}: {value}" for key, value in about.items()), flush=True)
        if file:
            file.write(json.dumps(about) + "\n")
        for line in lines:
            print(line, flush=True)
            if file:
                file.write(json.dumps(asdict(line)) + "\n")
                file.flush()
