"""The rooms of a server: sessions that are started and fed, and the captions that leave them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from ..config import AUTO, LiveConfig, ServerConfig
from ..errors import RecognizerError, RefusedError, SurtitleError, TranslatorError
from ..events import Caption, Ended, Failed, Status
from ..live import Session
from ..protocols import Started, View
from ..recognizers import LiveRecognizer, terms_notices
from ..translators.queue import TranslationQueue
from .conversation import Conversation
from .hub import Hub, Outbox
from .live_session import LiveSession
from .metrics import Metrics
from .storage.store import Store
from .storage.stored_first import StoredFirst

STATUS_S = 1.0
STALL_PROBE_S = 0.1
PARTING_S = 2.0  # for the last captions to leave, when the server stops
NORMAL, GOING_AWAY, FAILED = 1000, 1001, 1011  # WebSocket close codes
_ID_CHARS = "abcdefghijkmnpqrstuvwxyz23456789"  # without those that look like others

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _RoomSession:
    """What readers and the store see as one session: of one publisher, or of a conversation."""

    id: str
    hub: Hub
    conversation: Conversation | None  # None: one publisher has the room
    speakers: list[LiveSession] = field(default_factory=list[LiveSession])


class Rooms:
    """All rooms of a server.

    A room is there while somebody publishes or views, and `resume_s` longer. `run` must be running;
    `tasks` hold the sessions. A publisher without a speaker's name has its room for itself; those
    with one share theirs, each heard alone, in a session that lasts until the last has left.
    """

    def __init__(
        self,
        config: ServerConfig,
        recognizer: LiveRecognizer,
        translations: TranslationQueue,
        store: Store,
        metrics: Metrics,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.recognizer = recognizer
        self._config = config
        self._translations = translations
        self._store = store
        self._metrics = metrics
        self._tasks = tasks
        self._hubs: dict[str, Hub] = {}
        self._sessions: dict[str, _RoomSession] = {}  # by room
        self._running: dict[LiveSession, asyncio.Task[None]] = {}
        self._is_closing = False

    def start(
        self, room: str, config: LiveConfig, sample_rate_hz: int, speaker: str = ""
    ) -> LiveSession:
        """Begin a session in a room, or with a speaker's name join its conversation.

        Raises RefusedError.
        """
        self._refuse_when_closing()
        found = self._sessions.get(room)
        if found is not None and (not speaker or found.conversation is None):
            raise RefusedError(
                "room_taken",
                f"somebody publishes in the room {room!r}; name another, or wait until it is free",
            )
        if len(self._running) >= self._config.max_sessions:
            raise RefusedError(
                "too_many_sessions",
                f"this server has {self._config.max_sessions} sessions, as many as it may; "
                "try again later",
            )
        session = found or self._new_session(room, is_shared=bool(speaker))
        live = self._new_live(session, config, sample_rate_hz, speaker)
        if found is None:
            # Everybody in a conversation may speak a language of their own.
            shown = replace(config, source=AUTO) if speaker else config
            self._store.begin(session.id, room, shown)
            session.hub.begin(session.id, shown)
            self._hubs[room], self._sessions[room] = session.hub, session
        session.speakers.append(live)
        self._running[live] = self._tasks.create_task(self._run(session, live))
        self._metrics.sessions.set(len(self._running))
        log.info("a session begins", extra={"room": room, "session": live.id})
        return live

    def _new_session(self, room: str, *, is_shared: bool) -> _RoomSession:
        hub = self._hubs.get(room) or Hub(room, self._metrics)
        return _RoomSession(_new_id(), hub, Conversation() if is_shared else None)

    def _new_live(
        self, session: _RoomSession, config: LiveConfig, sample_rate_hz: int, speaker: str
    ) -> LiveSession:
        """Raises RefusedError."""
        hub, conversation = session.hub, session.conversation
        voice = conversation.join(speaker) if conversation is not None else None
        captions = StoredFirst(
            partial(self._store.add, session.id), partial(hub.publish, session.id)
        )

        def publish(caption: Caption) -> None:
            captions.publish(caption if voice is None else voice.place(caption))

        owner = session.id if voice is None else f"{session.id}/{_new_key()}"
        try:
            heard = Session(owner, config, self.recognizer, self._translations, publish)
        except (RecognizerError, TranslatorError) as error:
            raise RefusedError("unsupported_language", str(error)) from error
        return LiveSession(
            session.id, heard, captions, hub, config, sample_rate_hz, self._config, voice
        )

    def resume(self, key: str) -> LiveSession:
        """The session that waits for a publisher with this key. Raises RefusedError."""
        for live in self._running:
            if secrets.compare_digest(live.resume_key.encode(), key.encode(errors="replace")):
                return live
        raise RefusedError(
            "unknown_session",
            f"there is no session with this key any more; it is kept {self._config.resume_s:g} s "
            "without its publisher; start a new one",
        )

    def started(self, live: LiveSession) -> Started:
        """What the client of a session is told when it listens."""
        return Started(
            room=live.hub.room,
            session_id=live.id,
            resume_key=live.resume_key,
            config=live.config,
            recognizer=self.recognizer.name,
            notices=tuple(terms_notices(self.recognizer, live.config.terms)),
            received_samples=live.received_samples,
        )

    @contextmanager
    def viewed(self, request: View) -> Generator[Outbox, None, None]:
        """A viewer is in a room. Raises RefusedError."""
        self._refuse_when_closing()
        everywhere = sum(len(hub.viewers) for hub in self._hubs.values())
        hub = self._hubs.get(request.room)
        if everywhere >= self._config.max_viewers or (
            hub is not None and len(hub.viewers) >= self._config.max_room_viewers
        ):
            raise RefusedError(
                "too_many_viewers", "there is no place for a viewer; try again later"
            )
        hub = self._hubs.setdefault(request.room, Hub(request.room, self._metrics))
        outbox = hub.view(request)
        self._metrics.viewers.set(everywhere + 1)
        try:
            yield outbox
        finally:
            hub.leave(outbox)
            self._metrics.viewers.dec()
            self._forget_later(request.room)

    def is_live(self, session_id: str) -> bool:
        return any(session.id == session_id for session in self._sessions.values())

    async def run(self) -> None:
        """Tell everyone the status each second, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_event_loop())
            while True:
                await asyncio.sleep(STATUS_S)
                for session in list(self._sessions.values()):
                    self._tell_status(session)

    async def aclose(self) -> None:
        """End all sessions as if their publishers had asked for it, then let all viewers go."""
        self._is_closing = True
        for live in list(self._running):
            live.stop()
        if running := list(self._running.values()):
            _, late = await asyncio.wait(running, timeout=self._config.shutdown_s)
            for task in late:
                task.cancel()
            if late:
                log.warning("%d sessions were cut off before their last captions", len(late))
                await asyncio.wait(late)
        hubs = list(self._hubs.values())
        for hub in hubs:
            hub.close(GOING_AWAY)
        with suppress(TimeoutError):
            async with asyncio.timeout(PARTING_S):
                for hub in hubs:
                    await hub.empty.wait()

    def _tell_status(self, session: _RoomSession) -> None:
        """Tell viewers how the slowest speaker is followed, and each speaker its own."""
        told: list[tuple[LiveSession, Status]] = []
        for live in list(session.speakers):
            try:
                told.append((live, self._completed(live)))
            except Exception as error:
                live.fail(error)
        if not told:
            return
        session.hub.publish(session.id, _joined([status for _, status in told]))
        for live, status in told:
            live.tell(status)
            self._metrics.lag_s.observe(status.lag_ms / 1000)
            self._count_drafts(live, status.dropped_drafts)

    def _completed(self, live: LiveSession) -> Status:
        status = live.status()
        notice = _unstored_notice(self._store.unstored) or status.notice
        return replace(status, viewers=len(live.hub.viewers), notice=notice)

    async def _run(self, session: _RoomSession, live: LiveSession) -> None:
        last, code = Ended(live.id), NORMAL
        try:
            await live.run()
            self._count_drafts(live, live.session.status().dropped_drafts)
        except Exception as error:  # one session fails: the others go on
            log.error("a session failed", exc_info=error, extra={"session": live.id})
            why = str(error) if isinstance(error, SurtitleError) else "see the server's log"
            last, code = Failed(live.id, "internal", f"the session has failed: {why}"), FAILED
        finally:
            del self._running[live]
            session.speakers.remove(live)
            self._metrics.sessions.set(len(self._running))
            if not session.speakers:
                del self._sessions[session.hub.room]
                self._store.end(session.id)
                self._forget_later(session.hub.room)
                session.hub.publish(session.id, last)
            log.info("a session ends", extra={"room": live.hub.room, "session": live.id})
            live.tell(last)
            live.close(GOING_AWAY if self._is_closing else code)

    def _count_drafts(self, live: LiveSession, dropped: int) -> None:
        withheld = live.session.withheld_drafts
        self._metrics.untranslated_drafts.inc(dropped - live.untranslated_drafts)
        self._metrics.withheld_drafts.inc(withheld - live.withheld_drafts)
        live.untranslated_drafts, live.withheld_drafts = dropped, withheld

    async def _watch_event_loop(self) -> None:
        while True:
            asked_s = time.monotonic()
            await asyncio.sleep(STALL_PROBE_S)
            self._metrics.stall_s.observe(max(0.0, time.monotonic() - asked_s - STALL_PROBE_S))

    def _refuse_when_closing(self) -> None:
        if self._is_closing:
            raise RefusedError("internal", "the server is stopping; try again later")

    def _forget_later(self, room: str) -> None:
        """Keep an unused room for those that come back."""
        asyncio.get_running_loop().call_later(self._config.resume_s, self._forget_unused, room)

    def _forget_unused(self, room: str) -> None:
        hub = self._hubs.get(room)
        if hub is not None and not hub.viewers and room not in self._sessions:
            del self._hubs[room]


def _joined(statuses: list[Status]) -> Status:
    """As one, of which each number is the worst, or the sum."""
    first, *others = statuses
    if not others:
        return first
    return Status(
        lag_ms=max(status.lag_ms for status in statuses),
        queued=sum(status.queued for status in statuses),
        dropped_drafts=sum(status.dropped_drafts for status in statuses),
        heard_ms=max(status.heard_ms for status in statuses),
        term_hits=sum(status.term_hits for status in statuses),
        viewers=first.viewers,
        notice=next((status.notice for status in statuses if status.notice), ""),
    )


def _unstored_notice(unstored: int) -> str:
    if unstored == 0:
        return ""
    return f"{unstored} final caption{' is' if unstored == 1 else 's are'} not stored yet"


def _new_id() -> str:
    """Like 20261124-101500-x7k2mq: the time it began, in UTC."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{_new_key()}"


def _new_key() -> str:
    return "".join(secrets.choice(_ID_CHARS) for _ in range(6))
