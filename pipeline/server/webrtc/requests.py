"""What a peer asks for: the query of an address, and the fragments that follow (pure).

All that parse raise RefusedError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...config import AUTO, CAPTION_MODES, LiveConfig
from ...errors import RefusedError
from ...protocols import View, shown
from ...protocols.captions_parsing import MAX_TARGETS, parse_room, parse_speaker, parse_view

MOST_CANDIDATES = 50  # in one fragment; browsers have a dozen


@dataclass(frozen=True, slots=True)
class Publish:
    """Speak in a room; without a `speaker`'s name, alone."""

    room: str
    config: LiveConfig
    speaker: str


@dataclass(frozen=True, slots=True)
class Fragment:
    """Candidates that come late, each with the medium it is for; `ice_user` names their ICE."""

    ice_user: str | None
    candidates: tuple[tuple[str | None, str], ...]


def parse_publish(room: str, query: Mapping[str, str], default_source: str) -> Publish:
    """`?source=en&targets=es,de&speaker=Ana&mode=fresh`, of which all may be left out."""
    source = query.get("source", default_source)
    named = [part for part in query.get("targets", "").split(",") if part]
    if len(named) > MAX_TARGETS:
        raise RefusedError("bad_request", f"targets may be at most {MAX_TARGETS}, got {len(named)}")
    mode = query.get("mode", "fresh")
    if mode not in CAPTION_MODES:
        raise RefusedError("bad_request", f"mode must be fresh or stable, got {shown(mode)}")
    targets = tuple(target for target in named if target != source)
    try:
        config = LiveConfig(source, targets, mode)
    except ValueError as error:
        raise RefusedError("bad_request", f"{error!s:.200}") from error
    return Publish(parse_room(room), config, parse_speaker(query.get("speaker", "")))


def parse_tile(room: str, query: Mapping[str, str]) -> tuple[View, tuple[str, ...]]:
    """`?lang=es&dual=en`: what to read, and what to draw; without them, all and what is spoken."""
    drawn = tuple(dict.fromkeys(query[name] for name in ("lang", "dual") if query.get(name)))
    view = parse_view({"room": room, "lang": ",".join(drawn)})
    return view, drawn or (AUTO,)


def parse_fragment(text: str) -> Fragment:
    """As RFC 8840 has it: lines of a description, without most of them."""
    ice_user: str | None = None
    mid: str | None = None
    candidates: list[tuple[str | None, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line[:2] not in ("a=", "m="):
            raise RefusedError("bad_request", f"a line must be like a=mid:0, got {shown(line)}")
        name, _, value = line[2:].partition(":")
        if name == "ice-ufrag":
            ice_user = value
        elif name == "mid":
            mid = value
        elif name == "candidate":
            candidates.append((mid, line))
    if len(candidates) > MOST_CANDIDATES:
        raise RefusedError(
            "bad_request", f"at most {MOST_CANDIDATES} candidates at once, got {len(candidates)}"
        )
    return Fragment(ice_user, tuple(candidates))
