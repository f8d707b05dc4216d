import assert from "node:assert/strict";
import { test } from "node:test";

import { AudioQueue, Publisher } from "../../web/capture/publisher.js";
import { FakeClock, fakeSockets } from "./fakes.mjs";

const RATE = 100; // samples a second, to keep the numbers small

function started(received_samples = 0) {
  return { type: "started", session: "s-1", resume: "key", received_samples };
}

/** Samples that count up, so that one can see which arrived. */
function ramp(start, length) {
  return Int16Array.from({ length }, (_, index) => start + index);
}

function audio(socket) {
  return socket.sent.filter((data) => data instanceof Int16Array).flatMap((data) => [...data]);
}

function controls(socket) {
  return socket.sent.filter((data) => !(data instanceof Int16Array));
}

function publishing() {
  const clock = new FakeClock();
  const { Socket, opened } = fakeSockets();
  const states = [];
  const losses = [];
  const publisher = new Publisher({
    address: "ws://host/v1/publish",
    token: "t",
    start: { room: "main", source: "en", targets: ["es"], sample_rate_hz: RATE, codec: "pcm_s16le" },
    onMessage: () => {},
    onState: (...state) => states.push(state.join(" ").trim()),
    onLoss: (seconds) => losses.push(seconds),
    clock,
    Socket,
    random: () => 1,
  });
  publisher.open();
  opened[0].onopen();
  return { clock, opened, states, losses, publisher };
}

test("30 s wait at most, the oldest are dropped", () => {
  const queue = new AudioQueue(RATE);
  const dropped = Array.from({ length: 33 }, (_, second) => queue.push(ramp(second * RATE, RATE)));
  assert.deepEqual(dropped.slice(-4), [0, RATE, RATE, RATE]);
  assert.equal(queue.take()[0], 3 * RATE);
  assert.equal(queue.sentTo, RATE);
});

test("what was sent waits again from any sample on, but not what was confirmed", () => {
  const queue = new AudioQueue(RATE);
  for (const start of [0, 10, 20]) queue.push(ramp(start, 10));
  for (let piece = 0; piece < 3; piece++) queue.take();
  queue.confirm(10);
  queue.rewind(17);
  assert.deepEqual([...queue.take()], [17, 18, 19]);
  assert.equal(queue.sentTo, 20);
  queue.restart();
  assert.deepEqual([...queue.take(), ...queue.take()], [...ramp(17, 13)]);
  assert.equal(queue.sentTo, 13);
  assert.ok(queue.isEmpty);
});

test("what is said while the connection is made is sent once it stands", () => {
  const { opened, publisher, states } = publishing();
  publisher.push(ramp(0, 10));
  assert.deepEqual(audio(opened[0]), []);
  opened[0].hear(started());
  publisher.push(ramp(10, 10));
  assert.deepEqual(audio(opened[0]), [...ramp(0, 20)]);
  assert.deepEqual(states, ["connecting", "starting", "live"]);
  assert.equal(controls(opened[0])[0].room, "main");
});

test("after a loss the session is resumed from where the server stopped hearing", () => {
  const { clock, opened, publisher, states } = publishing();
  opened[0].hear(started());
  publisher.push(ramp(0, 10));
  opened[0].onclose();
  publisher.push(ramp(10, 10));
  clock.advance(500);
  opened[1].onopen();
  assert.deepEqual(controls(opened[1]), [{ type: "start", version: 1, resume: "key" }]);
  opened[1].hear(started(7));
  publisher.push(ramp(20, 10));
  assert.deepEqual(audio(opened[1]), [...ramp(7, 23)]);
  assert.deepEqual(states, ["connecting", "starting", "live", "lost", "connecting", "live"]);
});

test("a connection that is away for longer than audio is kept costs the oldest of it", () => {
  const { clock, opened, publisher, losses } = publishing();
  opened[0].hear(started());
  opened[0].onclose();
  for (let second = 0; second < 35; second++) publisher.push(ramp(second * RATE, RATE));
  assert.deepEqual(losses, [1, 1, 1, 1, 1]);
  clock.advance(500);
  opened[1].onopen();
  opened[1].hear(started(0));
  assert.deepEqual(audio(opened[1]), [...ramp(500, 2500)]);
});

test("no more is sent than the server may be behind", () => {
  const { opened, publisher } = publishing();
  opened[0].hear(started());
  for (let second = 0; second < 28; second++) publisher.push(ramp(second * RATE, RATE));
  assert.equal(audio(opened[0]).length, 25 * RATE);
  opened[0].hear({ type: "status", heard_ms: 2000 });
  assert.equal(audio(opened[0]).length, 27 * RATE);
});

test("a session that the server has forgotten goes on as another, without what was heard", () => {
  const { clock, opened, publisher, losses } = publishing();
  opened[0].hear(started());
  for (let second = 0; second < 5; second++) publisher.push(ramp(second * RATE, RATE));
  opened[0].hear({ type: "status", heard_ms: 3000 });
  opened[0].onclose();
  clock.advance(500);
  opened[1].onopen();
  opened[1].hear({ type: "error", code: "unknown_session", message: "gone" });
  opened[2].onopen();
  opened[2].hear(started(0));
  assert.deepEqual(audio(opened[2]), [...ramp(300, 200)]);
  assert.deepEqual(losses, []);
});

test("a session that the server ends unasked goes on as another", () => {
  const { clock, opened, publisher, states } = publishing();
  opened[0].hear(started());
  for (let second = 0; second < 5; second++) publisher.push(ramp(second * RATE, RATE));
  opened[0].hear({ type: "status", heard_ms: 3000 });
  opened[0].hear({ type: "stopped", session: "s-1" });
  publisher.push(ramp(500, 10));
  assert.equal(audio(opened[0]).length, 500);
  opened[0].onclose();
  clock.advance(500);
  opened[1].onopen();
  assert.equal(controls(opened[1])[0].room, "main");
  opened[1].hear({ ...started(0), session: "s-2" });
  assert.deepEqual(audio(opened[1]), [...ramp(300, 210)]);
  assert.ok(!states.includes("stopped"));
});

test("waits grow while a server only starts sessions and dies", () => {
  const { clock, opened } = publishing();
  const waits = [0, 1, 2, 3].map((n) => {
    if (n > 0) opened[n].onopen();
    opened[n].hear(started());
    opened[n].hear({ type: "caption", text: "sent again" });
    opened[n].hear({ type: "status", heard_ms: 1000 }); // which is new once
    opened[n].onclose();
    const start = clock.now;
    while (opened.length === n + 1) clock.advance(1);
    return clock.now - start;
  });
  assert.deepEqual(waits, [500, 1000, 2000, 4000]);
});

test("audio waits here while the socket is full", () => {
  const { opened, publisher } = publishing();
  opened[0].hear(started());
  opened[0].bufferedAmount = 1 << 20;
  publisher.push(ramp(0, 10));
  assert.deepEqual(audio(opened[0]), []);
  opened[0].bufferedAmount = 0;
  publisher.push(ramp(10, 10));
  assert.deepEqual(audio(opened[0]), [...ramp(0, 20)]);
});

test("stopping sends the rest and waits for the last captions", () => {
  const { opened, publisher, states } = publishing();
  opened[0].hear(started());
  publisher.push(ramp(0, 10));
  publisher.stop();
  assert.deepEqual(opened[0].sent.at(-1), { type: "stop" });
  assert.equal(states.at(-1), "live");
  opened[0].hear({ type: "stopped", session: "s-1" });
  assert.equal(states.at(-1), "stopped");
});

test("stopping while the recognizer starts loses nothing of what was said", () => {
  const { opened, publisher, states } = publishing();
  publisher.push(ramp(0, 10));
  publisher.stop();
  assert.equal(states.at(-1), "starting");
  opened[0].hear(started());
  assert.deepEqual(audio(opened[0]), [...ramp(0, 10)]);
  assert.deepEqual(opened[0].sent.at(-1), { type: "stop" });
  opened[0].hear({ type: "stopped", session: "s-1" });
  assert.deepEqual(states, ["connecting", "starting", "stopped"]);
});

test("stopping where no server is ends at once", () => {
  const { opened, publisher, states } = publishing();
  opened[0].onclose();
  publisher.stop();
  assert.equal(states.at(-1), "stopped");
});

test("a connection lost while stopping is made again, to stop for good", () => {
  const { clock, opened, publisher, states } = publishing();
  opened[0].hear(started());
  publisher.push(ramp(0, 10));
  publisher.stop();
  opened[0].onclose();
  clock.advance(500);
  opened[1].onopen();
  opened[1].hear(started(10));
  assert.deepEqual(opened[1].sent.at(-1), { type: "stop" });
  opened[1].hear({ type: "stopped", session: "s-1" });
  assert.equal(states.at(-1), "stopped");
});

test("a refusal is told in the server's words, too much at once is not one", () => {
  const { clock, opened, states } = publishing();
  opened[0].hear(started());
  opened[0].hear({ type: "error", code: "too_fast", message: "slow down" });
  opened[0].onclose();
  clock.advance(500);
  opened[1].onopen();
  opened[1].hear({ type: "error", code: "room_taken", message: "room main is taken" });
  clock.advance(60_000);
  assert.equal(opened.length, 2);
  assert.equal(states.at(-1), "refused room main is taken");
});
