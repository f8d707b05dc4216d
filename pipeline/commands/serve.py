"""`surtitle serve`: the caption server."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import re
import secrets
import socket
import sys
import tomllib
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ..cluster.process import ClusterProcess
from ..config import FilesConfig, RecognizerConfig, ServerConfig, Tokens, TranslatorConfig
from ..recognizers import LiveRecognizer
from ..recognizers.hosted import open_live
from ..server.gate.limits import fit_to_this_process
from ..server.logs import set_up_logs
from ..server.storage.store import Store, default_store
from ..translators import Translator, open_translator
from ..workers.access import cluster_address
from ..workers.connection import open_cluster
from ..workers.remote import open_recognizer_of, open_translator_of
from .options import (
    add_ray_option,
    add_recognizer_options,
    add_translator_options,
    translator_config,
)
from .stopping import Stop

OTHER_CONNECTIONS = 568  # than those of viewers and publishers: pages, recordings, calls
PUBLISH_VARIABLE, VIEW_VARIABLE = "SURTITLE_PUBLISH_TOKEN", "SURTITLE_VIEW_TOKEN"

log = logging.getLogger(__name__)


def add_to(commands: Any) -> None:
    parser = commands.add_parser(
        "serve",
        help="serve live captions to browsers and programs",
        description="Serves live captions until Ctrl-C or SIGTERM; the second one ends it at once. "
        "Others can reach it, with tokens, when --host is not of this computer only.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, no one else's")
    parser.add_argument("--port", type=int, default=8765, help="default: 8765")
    add_recognizer_options(parser)
    parser.add_argument(
        "--recognizers",
        type=int,
        metavar="N",
        help="processes that recognize, each with the weights in memory; default: what half of the "
        "cores can keep busy, at most 4",
    )
    add_translator_options(parser)
    add_ray_option(
        parser,
        "recognize and translate in a Ray cluster, as far as `surtitle workers` has deployed that; "
        "auto: the one that this computer is a part of",
    )
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="where sessions are kept; default: surtitle/sessions.sqlite in the data folder",
    )
    tokens = parser.add_mutually_exclusive_group()
    tokens.add_argument("--new-tokens", action="store_true", help="make tokens, and print them")
    tokens.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help='TOML: publish = "..." and view = "..."; '
        f"default: ${PUBLISH_VARIABLE} and ${VIEW_VARIABLE}",
    )
    parser.add_argument(
        "--allow-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="web pages that may connect though they are another server's: https://example.com",
    )
    parser.add_argument(
        "--webrtc-ports",
        type=_port_range,
        default=range(0),
        metavar="FROM-TO",
        help="UDP ports for WebRTC, like 50000-50100; default: any that is free",
    )
    parser.add_argument(
        "--stun",
        type=_host_and_port,
        metavar="HOST:PORT",
        help="a server to ask for this computer's public address; default: nobody is asked",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="PEM, with its chain")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="PEM")
    parser.add_argument(
        "--keep",
        type=float,
        metavar="DAYS",
        help="delete sessions and results of recordings that are older; default: keep them",
    )
    for name, default, what in (
        ("--max-sessions", 16, "speakers at once"),
        ("--max-viewers", 2000, "viewers at once, of all rooms"),
        ("--max-room-viewers", 2000, "viewers of one room"),
    ):
        parser.add_argument(
            name, type=int, default=default, metavar="N", help=f"{what}; default: {default}"
        )
    parser.add_argument("--log-json", action="store_true", help="log JSON lines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    # A publisher may come back while its lost connection still counts.
    connections = arguments.max_viewers + 2 * arguments.max_sessions + OTHER_CONNECTIONS
    try:
        config = ServerConfig(
            host=arguments.host,
            port=arguments.port,
            tokens=_tokens(arguments),
            allowed_origins=tuple(arguments.allow_origin),
            webrtc_ports=arguments.webrtc_ports,
            stun_server=arguments.stun,
            tls_cert=arguments.tls_cert,
            tls_key=arguments.tls_key,
            max_sessions=arguments.max_sessions,
            max_viewers=arguments.max_viewers,
            max_room_viewers=arguments.max_room_viewers,
            max_connections=connections,
            max_address_connections=max(1, connections // 4),
        )
        files_config = FilesConfig(keep_days=arguments.keep)
        recognizer_config = RecognizerConfig(
            arguments.asr, arguments.asr_model, processes=arguments.recognizers
        )
        translator_choice = translator_config(arguments)
        ray = None if arguments.ray is None else cluster_address(arguments.ray)
    except (ValueError, OSError) as error:
        print(f"surtitle serve: {error}", file=sys.stderr)
        return 2
    from ..server.app import listen, open_server
    from ..server.files.ear import open_ear
    from ..server.files.service import FilesService

    set_up_logs(as_json=arguments.log_json)
    config = fit_to_this_process(config, log.warning)
    with ExitStack() as stack:
        listening = stack.enter_context(listen(config))  # first, as it fails fast
        cluster = None if ray is None else open_cluster(ray)
        if cluster is not None:
            stack.callback(cluster.close)
        recognizer, translator = _opened(recognizer_config, translator_choice, cluster)
        path = arguments.store or default_store()
        store = Store(path)
        files = FilesService(
            path.with_name(f"{path.stem}.files"),
            files_config,
            partial(open_ear, recognizer_config, recognizer.languages),
        )
        port = listening.getsockname()[1]

        _keep_out_of_collections()

        async def serve() -> None:
            async with open_server(config, recognizer, translator, store, files=files) as server:
                print(greeting(config, port, shows_tokens=arguments.new_tokens), flush=True)
                serving = asyncio.create_task(server.serve([listening]))
                stopping = asyncio.create_task(stop.wanted())
                await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                log.info("the server is stopping: the sessions end first")
                server.should_exit = True
                await serving

        with Stop() as stop:
            try:
                asyncio.run(serve())
            finally:
                store.close()
    return 0


def _opened(
    recognizer_config: RecognizerConfig,
    translator_config: TranslatorConfig,
    cluster: ClusterProcess | None,
) -> tuple[LiveRecognizer, Translator]:
    """What listens and what translates: in the cluster what is deployed there, else here."""
    recognizer: LiveRecognizer | None = None
    translator: Translator | None = None
    if cluster is not None:
        recognizer = open_recognizer_of(cluster, recognizer_config, log.info)
        translator = open_translator_of(cluster, log.info)
    return (
        recognizer or open_live(recognizer_config, None, log.info),
        translator or open_translator(translator_config, (), log.info),
    )


def _keep_out_of_collections() -> None:
    """Spare what is loaded now, which stays, the looks of the garbage collector.

    It looks at everything only when a quarter as much has come, and libraries and models are so
    much that what peers leave behind would wait for hundreds of them to come and go.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # counts what it looks at from now on


def _port_range(text: str) -> range:
    """Raises ArgumentTypeError."""
    found = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"ports are like 50000-50100, got {text!r}")
    return range(int(found[1]), int(found[2]) + 1)


def _host_and_port(text: str) -> tuple[str, int]:
    """Raises ArgumentTypeError."""
    found = re.fullmatch(r"\[?([^\s/\[\]]+?)\]?:(\d{1,5})", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"it must be like stun.example.com:3478, got {text!r}")
    return found[1], int(found[2])


def _tokens(arguments: argparse.Namespace) -> Tokens | None:
    """Raises ValueError, OSError."""
    if arguments.new_tokens:
        return Tokens(secrets.token_urlsafe(24), secrets.token_urlsafe(24))
    if arguments.tokens is not None:
        return read_tokens(arguments.tokens)
    publish, view = os.environ.get(PUBLISH_VARIABLE), os.environ.get(VIEW_VARIABLE)
    if not publish and not view:
        return None
    if not publish or not view:
        raise ValueError(f"set both {PUBLISH_VARIABLE} and {VIEW_VARIABLE}, or neither")
    return Tokens(publish, view)


def read_tokens(path: Path) -> Tokens:
    """Raises OSError, and ValueError naming the file but nothing of what is in it."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = {}
    publish, view = found.get("publish"), found.get("view")
    if not isinstance(publish, str) or not isinstance(view, str):
        raise ValueError(f'{path} must hold two lines, publish = "..." and view = "..."')
    return Tokens(publish, view)


def greeting(config: ServerConfig, port: int, *, shows_tokens: bool) -> str:
    """The addresses of the pages; with tokens that were just made, these as well."""
    host = socket.gethostname() if config.host in ("0.0.0.0", "::") else config.host
    base = f"{'http' if config.tls_cert is None else 'https'}://"
    base += f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    tokens = config.tokens if shows_tokens else None
    publish = f"#{urlencode({'token': tokens.publish})}" if tokens else ""
    view = f"#{urlencode({'token': tokens.view})}" if tokens else ""
    lines = [
        f"Speak:   {base}/capture{publish}",
        f"Read:    {base}/overlay?room=main{view}",
        f"Files:   {base}/files{publish}",
        "Ctrl-C ends the sessions and then the server.",
    ]
    if tokens is not None:
        lines += [
            "To keep these tokens, set before the next start:",
            f"  export {PUBLISH_VARIABLE}={tokens.publish}",
            f"  export {VIEW_VARIABLE}={tokens.view}",
        ]
    if config.tls_cert is None and not config.is_loopback:
        lines.append("Browsers give a page the microphone only over https: see --tls-cert.")
    return "\n".join(lines)
