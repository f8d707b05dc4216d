import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection, growingWaits, socketAddress, tokenOf } from "../../web/overlay/connection.js";
import { FakeClock, fakeSockets } from "./fakes.mjs";

const SNAPSHOT = { type: "snapshot", session: "s-1", sequence: 4, is_live: true, captions: [] };

function connected({ random = () => 1, token = null } = {}) {
  const clock = new FakeClock();
  const { Socket, opened } = fakeSockets();
  const messages = [];
  const states = [];
  const connection = new Connection({
    address: (seen) => socketAddress("http://host/overlay", "v1/view", { room: "main", ...seen }),
    token,
    onMessage: (message) => messages.push(message.type),
    onState: (...state) => states.push(state.join(" ")),
    clock,
    Socket,
    random,
  });
  connection.open();
  return { clock, opened, messages, states, connection };
}

test("waits double up to a limit, and chance shortens them by half at most", () => {
  const take = (random) => {
    const waits = growingWaits(random);
    return Array.from({ length: 7 }, () => waits.next().value);
  };
  assert.deepEqual(take(() => 1), [500, 1000, 2000, 4000, 8000, 15000, 15000]);
  assert.deepEqual(take(() => 0), [250, 500, 1000, 2000, 4000, 7500, 7500]);
});

test("addresses keep the page's host, and take its scheme along", () => {
  assert.equal(
    socketAddress("https://host:8443/live/overlay?x=1#token=t", "v1/view", { lang: "en,es" }),
    "wss://host:8443/live/v1/view?lang=en%2Ces",
  );
  assert.equal(socketAddress("http://host/", "v1/publish"), "ws://host/v1/publish");
});

test("the token comes from the fragment and goes out as a subprotocol", () => {
  assert.equal(tokenOf("#token=abc-1"), "abc-1");
  assert.equal(tokenOf(""), null);
  const { opened } = connected({ token: "abc-1" });
  assert.deepEqual(opened[0].protocols, ["surtitle.v1", "bearer.abc-1"]);
  assert.ok(!opened[0].url.href.includes("abc-1"));
});

test("after a loss it goes on with the session after the last message seen", () => {
  const { clock, opened, states } = connected();
  opened[0].hear(SNAPSHOT);
  opened[0].hear({ type: "caption", sequence: 7 });
  opened[0].hear({ type: "status" });
  opened[0].onclose();
  clock.advance(499);
  assert.equal(opened.length, 1);
  clock.advance(1);
  assert.equal(opened[1].url.search, "?room=main&session=s-1&after=7");
  assert.deepEqual(states, ["open", "lost"]);
});

/** Lose the connection, and see after how long another is made. */
function waitAfterLoss({ clock, opened }) {
  opened.at(-1).onclose();
  const [start, before] = [clock.now, opened.length];
  while (opened.length === before) clock.advance(1);
  return clock.now - start;
}

test("waits grow while nothing answers, and are short again after a message", () => {
  const page = connected();
  assert.deepEqual([1, 2, 3].map(() => waitAfterLoss(page)), [500, 1000, 2000]);
  page.opened.at(-1).hear(SNAPSHOT);
  page.opened.at(-1).hear({ type: "status" });
  assert.equal(waitAfterLoss(page), 500);
});

test("waits grow while a server only answers and dies", () => {
  const page = connected();
  const waits = [1, 2, 3, 4].map(() => {
    page.opened.at(-1).hear(SNAPSHOT);
    return waitAfterLoss(page);
  });
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
});

test("a connection that has stood for long in a silent room was a good one", () => {
  const page = connected();
  const silent = { ...SNAPSHOT, session: null, is_live: false };
  for (let n = 0; n < 4; n++) waitAfterLoss(page);
  page.opened.at(-1).hear(silent);
  page.clock.advance(20_000);
  page.opened.at(-1).hear(silent);
  assert.equal(waitAfterLoss(page), 500);
});

test("a room where nobody speaks is asked for without a session", () => {
  const { clock, opened } = connected();
  opened[0].hear({ ...SNAPSHOT, session: null, is_live: false });
  opened[0].onclose();
  clock.advance(500);
  assert.equal(opened[1].url.search, "?room=main");
});

test("a live room that falls silent is a dead connection", () => {
  const { clock, opened, states } = connected();
  opened[0].hear(SNAPSHOT);
  clock.advance(9000);
  opened[0].hear({ type: "status" });
  clock.advance(9999);
  assert.equal(opened.length, 1);
  clock.advance(501);
  assert.ok(opened[0].isClosed);
  assert.equal(opened.length, 2);
  assert.deepEqual(states, ["open", "lost"]);
});

test("a room where nobody speaks may be silent", () => {
  const { clock, opened } = connected();
  opened[0].hear({ ...SNAPSHOT, session: null, is_live: false });
  clock.advance(3_600_000);
  assert.equal(opened.length, 1);
});

test("a refusal is told in the server's words, and ends the tries", () => {
  const { clock, opened, states } = connected();
  opened[0].hear({ type: "error", code: "unauthorized", message: "no such token" });
  opened[0].onclose?.();
  clock.advance(60_000);
  assert.equal(opened.length, 1);
  assert.deepEqual(states, ["refused no such token"]);
});

test("a session that is unknown is not asked for again", () => {
  const { clock, opened } = connected();
  opened[0].hear(SNAPSHOT);
  opened[0].onclose();
  clock.advance(500);
  opened[1].hear({ type: "error", code: "unknown_session", message: "gone" });
  opened[1].onclose();
  clock.advance(1000);
  assert.equal(opened[2].url.search, "?room=main");
});

test("when the network is back it does not wait", () => {
  const { opened, connection } = connected();
  connection.hurry();
  assert.equal(opened.length, 1);
  opened[0].onclose();
  connection.hurry();
  assert.equal(opened.length, 2);
});

test("begun anew it asks for all, of whatever is wanted then", () => {
  const { clock, opened, connection } = connected();
  opened[0].hear(SNAPSHOT);
  connection.restart();
  assert.equal(opened.length, 2);
  assert.ok(opened[0].isClosed);
  assert.equal(opened[1].url.href, "ws://host/v1/view?room=main"); // nothing was seen yet
  clock.advance(60_000);
  assert.equal(opened.length, 2); // and the old one is not missed
});
