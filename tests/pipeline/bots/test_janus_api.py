"""A Janus of the tests, which answers by a script, against the client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from surtitle.pipeline.bots import janus_api
from surtitle.pipeline.bots.janus_api import (
    SUBPROTOCOL,
    JanusRefused,
    Session,
    check_address,
    open_session,
)
from surtitle.pipeline.client.connection import ConnectionLost
from surtitle.pipeline.errors import RemoteError

from ...patience import PATIENCE_S

Message = dict[str, Any]
Answer = Callable[[Message], list[Any]]
SUCCESS = {"janus": "success", "data": {"id": 7}}


def honest(message: Message) -> list[Any]:
    """What a Janus answers: an acknowledgement, and then the plugin."""
    if message["janus"] == "message":
        data = {"videoroom": "joined"}
        event = {"janus": "event", "sender": 7, "plugindata": {"data": data}}
        return [{"janus": "ack"}, event | {"jsep": {"type": "offer", "sdp": "v=0"}}]
    return [{"janus": "ack"}] if message["janus"] == "keepalive" else [SUCCESS]


def run(
    scenario: Callable[[Session], Awaitable[None]], answer: Answer = honest, **options: Any
) -> list[Message]:
    """What the gateway was asked. `answer` gives what is sent back: a text as it is, None: the
    connection is closed."""
    asked: list[Message] = []

    async def gateway(socket: ServerConnection) -> None:
        async for raw in socket:
            asked.append(json.loads(raw))
            for reply in answer(asked[-1]):
                if reply is None:
                    return
                known = {"transaction": asked[-1]["transaction"]}
                await socket.send(json.dumps(known | reply) if isinstance(reply, dict) else reply)

    async def within() -> None:
        options.setdefault("subprotocols", [SUBPROTOCOL])
        async with serve(gateway, "127.0.0.1", 0, **options) as server:
            port = server.sockets[0].getsockname()[1]
            async with open_session(f"ws://127.0.0.1:{port}") as session:
                await scenario(session)

    asyncio.run(asyncio.wait_for(within(), PATIENCE_S))
    return asked


async def nothing(session: Session) -> None:
    pass


def instead(what: str, *replies: Any) -> Answer:
    """Honest, but for one kind of request."""
    return lambda message: list(replies) if message["janus"] == what else honest(message)


def test_a_plugin_answers_after_the_acknowledgement() -> None:
    async def scenario(session: Session) -> None:
        handle = await session.attach("janus.plugin.videoroom")
        answer = await handle.ask("join", {"type": "answer", "sdp": "v=0"}, room=5)
        assert (answer.data, answer.jsep["type"]) == ({"videoroom": "joined"}, "offer")
        await handle.detach()

    create, attach, join, detach, destroy = run(scenario)
    assert attach["plugin"] == "janus.plugin.videoroom" and attach["session_id"] == 7
    assert join["body"] == {"request": "join", "room": 5} and join["jsep"]["sdp"] == "v=0"
    assert (create["janus"], detach["janus"], destroy["janus"]) == ("create", "detach", "destroy")


def test_what_happens_in_a_room_waits_for_its_handle() -> None:
    event = {"janus": "event", "sender": 7, "plugindata": {"data": {"leaving": 3}}}

    async def scenario(session: Session) -> None:
        handle = await session.attach("x")
        await handle.ask("join")
        heard = await handle.events.get()
        assert (heard.kind, heard.data) == ("event", {"leaving": 3})

    plugin = honest({"janus": "message"})
    stranger = event | {"sender": 99, "transaction": "-"}
    run(scenario, instead("message", *plugin, stranger, event | {"transaction": "-"}))


@pytest.mark.parametrize(
    "refusal",
    [
        {"janus": "error", "error": {"code": 433, "reason": "Unauthorized"}},
        {
            "janus": "event",
            "sender": 7,
            "plugindata": {"data": {"error_code": 433, "error": "Unauthorized"}},
        },
    ],
)
def test_a_refusal_has_its_code_and_reason(refusal: Message) -> None:
    async def scenario(session: Session) -> None:
        handle = await session.attach("x")
        with pytest.raises(JanusRefused, match="Janus refuses: Unauthorized .433.") as refused:
            await handle.ask("join")
        assert refused.value.code == 433

    run(scenario, instead("message", refusal))


@pytest.mark.parametrize(
    "reply",
    [None, "{", "[]", "null", '{"janus": 5}', {"janus": "timeout", "transaction": "-"}],
    ids=str,
)
def test_a_gateway_that_goes_or_is_mad_is_lost(reply: Any) -> None:
    async def scenario(session: Session) -> None:
        handle = await session.attach("x")
        with pytest.raises(ConnectionLost):
            await handle.ask("join")
        with pytest.raises(ConnectionLost):
            await session.lost

    run(scenario, instead("message", reply))


@pytest.mark.parametrize("data", [None, [], {}, {"id": "seven"}, {"id": None}])
def test_a_session_without_a_number_is_none(data: Any) -> None:
    with pytest.raises(ConnectionLost, match="not understood"):
        run(nothing, instead("create", {"janus": "success", "data": data}))


def test_a_gateway_that_does_not_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janus_api, "ANSWER_S", 0.05)

    async def scenario(session: Session) -> None:
        with pytest.raises(ConnectionLost, match="has not answered"):
            await session.attach("x")

    run(scenario, instead("attach"))


def test_a_session_is_kept_alive_and_lost_where_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janus_api, "KEEPALIVE_S", 0.01)
    count = 0

    def answer(message: Message) -> list[Any]:
        nonlocal count
        count += message["janus"] == "keepalive"
        gone = {"janus": "error", "error": {"code": 458, "reason": "No such session"}}
        return [gone] if message["janus"] == "keepalive" and count == 3 else honest(message)

    async def scenario(session: Session) -> None:
        with pytest.raises(ConnectionLost, match="No such session"):
            await session.lost

    run(scenario, answer)


def test_more_events_than_can_be_held_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janus_api, "WAITING_EVENTS", 3)
    event = {"janus": "event", "sender": 7, "plugindata": {}, "transaction": "-"}

    async def scenario(session: Session) -> None:
        await session.attach("x")
        with pytest.raises(ConnectionLost):
            await session.attach("y")
        with pytest.raises(ConnectionLost, match="more than 3 events"):
            await session.lost

    def answer(message: Message) -> list[Any]:
        return [event] * 4 if message.get("plugin") == "y" else honest(message)

    run(scenario, answer)


def test_a_server_that_is_no_janus_is_told() -> None:
    with pytest.raises(RemoteError, match="does not speak janus-protocol"):
        run(nothing, subprotocols=None)


@pytest.mark.parametrize(
    ("status", "error"), [(404, RemoteError), (502, ConnectionLost), (503, ConnectionLost)]
)
def test_a_proxy_whose_janus_is_away_may_have_it_again(status: int, error: type[Exception]) -> None:
    def answer(socket: ServerConnection, request: Any) -> Any:
        return socket.respond(status, "")

    with pytest.raises(error, match=f"answers with status {status}"):
        run(nothing, process_request=answer)


@pytest.mark.parametrize("address", ["http://x:8088/janus", "ws:///x", "127.0.0.1:8188"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="like ws://127.0.0.1:8188"):
        check_address(address)
