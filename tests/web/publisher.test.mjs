import assert from "node:assert/strict";
import { test } from "node:test";

import { AudioBuffer, Publisher } from "../../web/capture/publisher.js";
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

test("the buffer holds 30 s and forgets what is older", () => {
  const buffer = new AudioBuffer(RATE);
  for (let second = 0; second < 40; second++) buffer.push(ramp(second * RATE, RATE));
  assert.deepEqual([buffer.start, buffer.end], [1000, 4000]);
  assert.deepEqual([...buffer.at(1050)], [...ramp(1050, 50)]);
  assert.equal(buffer.at(4000), null);
  buffer.forget(1250);
  assert.equal(buffer.start, 1200);
});

test("what is said while the connection is made is sent once it stands", () => {
  const { opened, publisher, states } = publishing();
  publisher.push(ramp(0, 10));
  assert.deepEqual(audio(opened[0]), []);
  opened[0].hear(started());
  publisher.push(ramp(10, 10));
  assert.deepEqual(audio(opened[0]), [...ramp(0, 20)]);
  assert.deepEqual(states, ["connecting", "live"]);
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
  assert.deepEqual(states, ["connecting", "live", "lost", "connecting", "live"]);
});

test("when more is lost than can be sent again, another session begins and it is said", () => {
  const { clock, opened, publisher, losses } = publishing();
  opened[0].hear(started());
  opened[0].onclose();
  for (let second = 0; second < 35; second++) publisher.push(ramp(second * RATE, RATE));
  clock.advance(500);
  opened[1].onopen();
  opened[1].hear(started(0));
  assert.deepEqual(losses, [5]);
  opened[2].onopen();
  assert.equal(controls(opened[2])[0].room, "main");
  opened[2].hear(started(0));
  assert.deepEqual(audio(opened[2]), [...ramp(500, 3000)]);
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
  assert.deepEqual(losses, [0]);
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
