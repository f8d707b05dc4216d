"""What a peer asks for: the query of an address, and the fragments that follow (pure).

All that parse raise RefusedError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from ...audio.pcm import SAMPLE_RATE_HZ
from ...config import AUTO, CAPTION_MODES, LiveConfig
from ...errors import RefusedError
from ...protocols import Start, View, decode_json, shown
from ...protocols.captions_parsing import (
    CODEC,
    MAX_TARGETS,
    parse_room,
    parse_speaker,
    parse_start,
    parse_view,
)

MOST_CANDIDATES = 50  # in one fragment; browsers have a dozen


@dataclass(frozen=True, slots=True)
class Publish:
    """Speak in a room; without a `speaker`'s name, alone."""

    room: str
    config: LiveConfig
    speaker: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A page that speaks, and is shown a tile in the languages `drawn`."""

    publish: Publish
    description: str
    drawn: tuple[str, ...]


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


def parse_offer(body: str) -> Offer:
    """`start` is as in the caption protocol; what it says of the sound's form is not needed."""
    try:
        value = decode_json(body)
    except ValueError as error:
        raise RefusedError("bad_request", str(error)) from error
    if not isinstance(value, dict):
        raise RefusedError("bad_request", f"the body must be a JSON object, got {shown(value)}")
    fields = cast("dict[str, object]", value)
    for name in "sdp", "lang", "dual":
        if not isinstance(fields.get(name, ""), str):
            raise RefusedError("bad_request", f"{name} must be a text, got {shown(fields[name])}")
    asked = fields.get("start")
    if not isinstance(asked, dict):
        raise RefusedError("bad_request", f"start must be an object, got {shown(asked)}")
    form = {"codec": CODEC, "sample_rate_hz": SAMPLE_RATE_HZ}
    start = parse_start(json.dumps(cast("dict[str, object]", asked) | form))
    if not isinstance(start, Start):
        raise RefusedError("bad_request", "a session cannot be resumed over WebRTC; start another")
    _, drawn = parse_tile(start.room, cast("dict[str, str]", fields))
    return Offer(
        Publish(start.room, start.config, start.speaker), cast(str, fields.get("sdp", "")), drawn
    )


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
