"""`surtitle models`: the translators on this computer."""

from __future__ import annotations

import argparse
from typing import Any

from ...model.errors import CheckpointError
from ...model.installed import inspect, model_folders, models_folder


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="list the translators that are installed",
        description="Lists what --checkpoint finds by name: the embedded translators, and the "
        "folders in surtitle/models in the data folder. Putting one there installs it.",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """A damaged one is listed with what is wrong with it, and the status is then 1."""
    status = 0
    for name, folder in model_folders().items():
        try:
            found = inspect(folder)
        except CheckpointError as error:
            print(f"{name}\n  {error}")
            status = 1
            continue
        directions = " ".join("-".join(direction) for direction in found.directions)
        size = f"{found.parameters / 1e6:.1f} M parameters, {found.size_bytes / 1e6:.1f} MB"
        print(f"{name}\n  {size}\n  {directions}\n  {folder}")
    print(f"Others are found in {models_folder()}")
    return status
