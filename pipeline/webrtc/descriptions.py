"""Session descriptions (SDP), as text, before aiortc reads them and after it has answered (pure).

A description is lines about the session and then sections, each of which begins with an "m=" line.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address

MAX_CHARS = 100_000  # Chromium's offer of sound, picture and a data channel has 7,000
MAX_SECTIONS = 32
_BUNDLE = "a=group:BUNDLE"  # media that share one way
_CODEC_LINES = ("a=mid:", "a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")
_TRANSPORT_LINES = (
    "a=candidate:", "a=end-of-candidates", "a=ice-", "a=fingerprint:", "a=setup:"
)  # fmt: skip
_CANDIDATE = re.compile(r"a=candidate:\S+ \d+ (\S+) \d+ (\S+) \d+ typ \S+")


@dataclass(frozen=True, slots=True)
class Section:
    """One medium, by its lines: `kind` is "audio", "video" or "application"."""

    lines: tuple[str, ...]

    @property
    def kind(self) -> str:
        return self.lines[0].removeprefix("m=").partition(" ")[0]

    @property
    def mid(self) -> str | None:
        """Its name in the description."""
        return next((line[6:] for line in self.lines if line.startswith("a=mid:")), None)

    @property
    def is_closed(self) -> bool:
        return self.lines[0].split(" ")[1] == "0"

    def refused(self) -> Section:
        """As an answer says that it is not wanted: its port is 0."""
        medium, _, rest = self.lines[0].split(" ", 2)
        mid = [line for line in self.lines if line.startswith("a=mid:")]
        return Section((f"{medium} 0 {rest}", "c=IN IP4 0.0.0.0", "a=inactive", *mid))

    def idle(self, transport: Section) -> Section:
        """As an answer says that nothing is to be sent of it, over the way that all share.

        Friendlier than to refuse it: WHIP wants no answer in parts, and aiortc takes none.
        """
        medium, _, rest = self.lines[0].split(" ", 2)
        ours = [line for line in self.lines if line.startswith(_CODEC_LINES)]
        shared = [line for line in transport.lines if line.startswith(_TRANSPORT_LINES)]
        head = [f"{medium} 9 {rest}", "c=IN IP4 0.0.0.0", "a=inactive", "a=rtcp-mux"]
        return Section((*head, *ours, *shared))


@dataclass(frozen=True, slots=True)
class Description:
    """`head` are the lines about the whole session."""

    head: tuple[str, ...]
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        lines = [*self.head, *(line for section in self.sections for line in section.lines)]
        return "".join(f"{line}\r\n" for line in lines)

    @property
    def ice_user(self) -> str | None:
        """The user name by which its ICE checks are known: of the session, or a first section."""
        lines = [*self.head, *(line for section in self.sections for line in section.lines)]
        return next((line[12:] for line in lines if line.startswith("a=ice-ufrag:")), None)


def parse(text: str) -> Description:
    """Raises ValueError for what is no description."""
    if len(text) > MAX_CHARS:
        raise ValueError(f"a session description has at most {MAX_CHARS} characters")
    lines = text.splitlines()
    if not lines or lines[0].strip() != "v=0":
        raise ValueError(f"a session description begins with v=0, got {text[:40]!r}")
    if bad := next((line for line in lines if not re.match(r"[a-z]=|$", line)), None):
        raise ValueError(f"a line of a session description is like a=mid:0, got {bad[:40]!r}")
    lines = [line for line in lines if line]
    starts = [n for n, line in enumerate(lines) if line.startswith("m=")]
    if not 0 < len(starts) <= MAX_SECTIONS:
        raise ValueError(
            f"a session description has 1 to {MAX_SECTIONS} media (m=), got {len(starts)}"
        )
    ends = [*starts[1:], len(lines)]
    sections = [Section(tuple(lines[a:b])) for a, b in zip(starts, ends, strict=True)]
    if short := next((one for one in sections if len(one.lines[0].split(" ")) < 4), None):
        raise ValueError(f"a medium is like m=audio 9 UDP/TLS/RTP/SAVPF 111, got {short.lines[0]}")
    return Description(tuple(lines[: starts[0]]), tuple(sections))


def check_names(description: Description) -> None:
    """Raises ValueError where aiortc would not find the medium that others of a bundle share: it
    would put these on a way that is not there, and could not be closed."""
    named = [
        [line[6:] for line in section.lines if line.startswith("a=mid:")]
        for section in description.sections
    ]
    if any(len(mids) > 1 for mids in named):
        raise ValueError("a medium has one name (a=mid)")
    if [section.kind for section in description.sections].count("application") > 1:
        raise ValueError("all data channels have one medium (m=application)")
    names = {mid for mids in named for mid in mids}
    for line in description.head:
        if line.startswith(_BUNDLE) and not names.issuperset(line.split()[1:]):
            raise ValueError(f"a bundle names media that are not there: {line[:100]}")


def without_sections(
    description: Description, kinds: Collection[str]
) -> tuple[Description, list[int]]:
    """The description with sections of `kinds` alone, and the places of those left out.

    Sections that the other side has closed already, by the port 0, are left out as well.
    """

    def is_wanted(section: Section) -> bool:
        return section.kind in kinds and not section.is_closed

    kept = tuple(section for section in description.sections if is_wanted(section))
    mids = {section.mid for section in description.sections} - {section.mid for section in kept}
    head = tuple(_without_mids(line, mids) for line in description.head)
    left_out = [n for n, section in enumerate(description.sections) if not is_wanted(section)]
    return Description(head, kept), left_out


def with_left_out(
    answer: Description, offer: Description, left_out: Collection[int]
) -> Description:
    """An answer to the whole offer: what was left out of it idles at its place, or is refused."""
    grouped = [
        mid for line in offer.head if line.startswith(_BUNDLE) for mid in line.split(" ")[1:]
    ]
    answered, first = iter(answer.sections), answer.sections[0]

    def answer_to(number: int, section: Section) -> Section:
        if number not in left_out:
            return next(answered)
        if section.is_closed or section.mid not in grouped:
            return section.refused()
        return section.idle(first)

    sections = tuple(answer_to(n, section) for n, section in enumerate(offer.sections))
    closed = {section.mid for section in sections if section.is_closed}
    group = " ".join([_BUNDLE, *(mid for mid in grouped if mid not in closed)])
    head = tuple(group if line.startswith(_BUNDLE) and grouped else line for line in answer.head)
    return Description(head, sections)


def with_safe_candidates(description: Description, *, allows_loopback: bool) -> Description:
    """Without the addresses that nobody should be made to send to, and without their end.

    Where all are left out the other side can still be found: it is answered when it calls. So an
    end of the candidates, after which aiortc would not wait for that, is not told.
    """
    sections = tuple(
        Section(tuple(line for line in section.lines if _is_safe(line, allows_loopback)))
        for section in description.sections
    )
    head = tuple(line for line in description.head if line != "a=end-of-candidates")
    return Description(head, sections)


def is_safe_candidate(line: str, *, allows_loopback: bool) -> bool:
    """Whether a line "a=candidate:..." names an address that may be sent to."""
    found = _CANDIDATE.match(line)
    if found is None or found[1].lower() != "udp":
        return False
    try:
        address = ip_address(found[2])
    except ValueError:
        return False  # a name (".local") would have to be asked for on the network
    if address.is_loopback:
        return allows_loopback
    return not (address.is_link_local or address.is_multicast or address.is_unspecified)


def _is_safe(line: str, allows_loopback: bool) -> bool:
    if line.startswith("a=candidate:"):
        return is_safe_candidate(line, allows_loopback=allows_loopback)
    return line != "a=end-of-candidates"


def _without_mids(line: str, mids: Collection[str | None]) -> str:
    if not line.startswith(_BUNDLE):
        return line
    name, *grouped = line.split(" ")
    return " ".join([name, *(mid for mid in grouped if mid not in mids)])
