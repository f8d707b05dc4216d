"""`surtitle models`: the translators and recognizers on this computer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ...model.errors import CheckpointError
from ...model.installed import inspect, model_folders, models_folder
from ..errors import TranslatorError
from ..recognizers.installed import WHISPER_MB, fetch_recognizer, installed_recognizers
from ..translators.ctranslate2.catalog import CATALOG
from ..translators.ctranslate2.installed import ct2_folders
from ..translators.ctranslate2.layouts import directions_text, read_card, read_layout


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "models",
        help="list the translators and recognizers that are installed, fetch others",
        description="Lists what --checkpoint finds by name: the embedded translators, and the "
        "folders in surtitle/models in the data folder. Putting one there installs it. Then the "
        "recognizers: their size, languages, license, and where they are; and of both what can be "
        "fetched.",
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(metavar="ACTION")
    fetch = actions.add_parser("fetch", help="get one, once; then it works offline")
    fetch.add_argument(
        "name", metavar="NAME", help="as `surtitle models` lists them: opus-mt-en-es, or base, say"
    )
    fetch.add_argument(
        "--from",
        dest="mirror",
        type=Path,
        metavar="FOLDER",
        help="a translator from this folder, a copy of its repository or of several, and not from "
        "the hub, nor from the mirror of it that HF_ENDPOINT names",
    )
    fetch.add_argument(
        "--non-commercial",
        action="store_true",
        help="also a translator that may not be used commercially",
    )
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
    def say(line: str) -> None:
        print(line, file=sys.stderr)

    if arguments.name in CATALOG:
        print(_fetch_translator(arguments, say))
    else:
        print(fetch_recognizer(arguments.name, say))
    return 0


def _fetch_translator(arguments: argparse.Namespace, say: Callable[[str], None]) -> Path:
    from ..translators.ctranslate2.fetching import Told, fetch_translator  # 0.5 s

    console = Console(stderr=True)
    columns = BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        return fetch_translator(
            arguments.name,
            Told(say, lambda done, total: progress.update(task, completed=done, total=total)),
            mirror=arguments.mirror,
            may_be_non_commercial=arguments.non_commercial,
        )


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
    for name, folder in ct2_folders().items():
        try:
            layout, card = read_layout(folder), read_card(folder)
        except TranslatorError as error:
            print(f"{name}\n  {error}")
            status = 1
            continue
        size_mb = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
        terms = f", license {card['license']}" if "license" in card else ""
        print(f"{name}\n  {layout.name}, {size_mb:,.1f} MB, {directions_text(layout)}{terms}")
        if "attribution" in card:
            print(f"  {card['attribution']}")
        print(f"  {folder}")
    print(f"Others are found in {models_folder()}")
    print("`surtitle models fetch NAME` gets, none of them tried where this was written:")
    for entry in CATALOG.values():
        if entry.name not in ct2_folders():
            limit = "; not for commercial use: --non-commercial" if entry.is_non_commercial else ""
            print(
                f"  {entry.name}: {entry.size_mb:,} MB, {entry.languages}, {entry.license}{limit}"
            )
    return status
