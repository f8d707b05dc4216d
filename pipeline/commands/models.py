"""`surtitle models`: the translators and recognizers on this computer."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ...model.errors import CheckpointError
from ...model.installed import inspect, model_folders, models_folder
from ..recognizers.installed import WHISPER_MB, fetch_recognizer, installed_recognizers


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="list the translators and recognizers that are installed, fetch recognizers",
        description="Lists what --checkpoint finds by name: the embedded translators, and the "
        "folders in surtitle/models in the data folder. Putting one there installs it. Then the "
        "recognizers: their size, languages, license, and where they are.",
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ACTION")
    fetch = actions.add_parser("fetch", help="get a recognizer, once; then it works offline")
    fetch.add_argument("name", metavar="NAME", help="as `surtitle models` lists them: base, say")
    fetch.set_defaults(run=run_fetch)


def run(arguments: argparse.Namespace) -> int:
    """A damaged one is listed with what is wrong with it, and the status is then 1."""
    print("Translators (--checkpoint)")
    status = _list_translators()
    print("\nRecognizers (--asr, and --asr-model for those of Whisper)")
    found = installed_recognizers()
    for one in found:
        facts = f"{one.size_bytes / 1e6:,.1f} MB, {one.languages}, license {one.license}"
        print(f"{one.name}\n  {facts}\n  {one.folder}")
    there = {one.name.removeprefix("whisper ") for one in found}
    others = (f"{name} ({mb:,} MB)" for name, mb in WHISPER_MB.items() if name not in there)
    print(f"`surtitle models fetch NAME` gets of Whisper: {', '.join(others)}")
    return status


def run_fetch(arguments: argparse.Namespace) -> int:
    print(fetch_recognizer(arguments.name, lambda line: print(line, file=sys.stderr)))
    return 0


def _list_translators() -> int:
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
