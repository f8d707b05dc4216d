"""What a server has stored."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

Finals = dict[tuple[int, str], str]  # texts by segment and language


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    room: str
    finals: Finals

    @property
    def segments(self) -> list[tuple[str, str]]:
        """The English and Spanish of each, in order."""
        numbers = sorted({segment for segment, _ in self.finals})
        return [(self.finals.get((n, "en"), ""), self.finals.get((n, "es"), "")) for n in numbers]

    @property
    def words(self) -> list[str]:
        return [word for english, _ in self.segments for word in english.split()]


async def read_transcripts(url: str) -> list[Session]:
    """All sessions, the oldest first."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        listed = (await http.get("/v1/sessions")).raise_for_status().json()["sessions"]
        return [
            Session(each["id"], each["room"], await _finals(http, each["id"]))
            for each in sorted(listed, key=lambda each: each["id"])
        ]


async def _finals(http: httpx.AsyncClient, session: str) -> Finals:
    finals: Finals = {}
    for language in "en", "es":
        query = {"format": "json", "lang": language}
        answer = await http.get(f"/v1/sessions/{session}/transcript", params=query)
        for caption in answer.raise_for_status().json()["captions"]:
            finals[caption["segment_id"], language] = caption["text"]
    return finals
