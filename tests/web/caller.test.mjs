import assert from "node:assert/strict";
import { test } from "node:test";

import { Caller } from "../../web/capture/caller.js";
import { FakeClock } from "./fakes.mjs";

const START = { room: "hall", source: "en", targets: ["es"], speaker: "Ana" };

class FakePeer {
  connectionState = "new";
  localDescription = { type: "offer", sdp: "v=0" };
  tracks = [];
  isClosed = false;
  channel = {
    readyState: "connecting",
    sent: [],
    send: (text) => this.channel.sent.push(JSON.parse(text)),
  };

  addTrack(track) {
    this.tracks.push(track);
  }

  createDataChannel() {
    return this.channel;
  }

  async setLocalDescription() {}

  async setRemoteDescription(answer) {
    this.remote = answer;
    this.channel.readyState = "open";
  }

  hear(message) {
    this.channel.onmessage?.({ data: JSON.stringify(message) });
  }

  close() {
    this.isClosed = true;
  }
}

/** A caller, and what it does; `answer` is what the server says, or a function that fails. */
function calling({ status = 201, answer = { type: "answer", sdp: "v=0" }, token = "secret" } = {}) {
  const seen = { peers: [], requests: [], states: [], messages: [], reason: null };
  const clock = new FakeClock();
  class Peer extends FakePeer {
    constructor() {
      super();
      seen.peers.push(this);
    }
  }
  const server = { status, answer };
  const fetch = async (address, request) => {
    seen.requests.push({ address, ...request, body: JSON.parse(request.body) });
    if (server.status === 0) throw new TypeError("Failed to fetch");
    return {
      ok: server.status < 300,
      status: server.status,
      json: async () => server.answer,
    };
  };
  const caller = new Caller({
    address: "v1/offer",
    token,
    start: START,
    track: "a track",
    onMessage: (message) => seen.messages.push(message),
    onState: (state, reason) => {
      seen.states.push(state);
      seen.reason = reason ?? null;
    },
    clock,
    Peer,
    fetch,
    random: () => 1,
  });
  return { caller, seen, clock, server };
}

test("the track is offered with what the protocol's start says", async () => {
  const { caller, seen } = calling();
  await caller.open();
  const [{ address, headers, body }] = seen.requests;
  assert.equal(address, "v1/offer");
  assert.equal(headers.Authorization, "Bearer secret");
  assert.deepEqual(body.start, { type: "start", version: 1, ...START });
  assert.deepEqual([body.type, body.sdp], ["offer", "v=0"]);
  assert.deepEqual(seen.peers[0].tracks, ["a track"]);
  seen.peers[0].hear({ type: "started" });
  assert.deepEqual(seen.states, ["connecting", "starting", "live"]);
});

test("the last captions come before it stops", async () => {
  const { caller, seen } = calling();
  await caller.open();
  const [peer] = seen.peers;
  peer.hear({ type: "started" });
  caller.stop();
  assert.deepEqual(peer.channel.sent, [{ type: "stop" }]);
  peer.hear({ type: "caption", text: "The end." });
  peer.hear({ type: "stopped" });
  assert.equal(seen.messages.at(-1).text, "The end.");
  assert.equal(seen.states.at(-1), "stopped");
  assert.ok(peer.isClosed);
});

test("a server that does not say goodbye is not waited for", async () => {
  const { caller, seen, clock } = calling();
  await caller.open();
  caller.stop();
  clock.advance(30_000);
  assert.equal(seen.states.at(-1), "stopped");
});

test("a refusal is told in the server's words, and not asked for again", async () => {
  const { caller, seen, clock } = calling({ status: 409, answer: { message: "taken" } });
  await caller.open();
  clock.advance(60_000);
  assert.deepEqual([seen.states.at(-1), seen.reason], ["refused", "taken"]);
  assert.equal(seen.requests.length, 1);
});

test("a lost connection is made again, after waits that grow", async () => {
  const { caller, seen, clock } = calling();
  await caller.open();
  seen.peers[0].connectionState = "failed";
  seen.peers[0].onconnectionstatechange();
  assert.equal(seen.states.at(-1), "lost");
  assert.ok(seen.peers[0].isClosed);
  clock.advance(500);
  assert.equal(seen.peers.length, 2);
});

test("a server that is away is tried again", async () => {
  const { caller, seen, clock, server } = calling({ status: 0 });
  await caller.open();
  assert.equal(seen.states.at(-1), "lost");
  server.status = 201;
  clock.advance(500);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(seen.states.at(-1), "starting");
});

test("a session that ends unasked is followed by another", async () => {
  const { caller, seen } = calling();
  await caller.open();
  seen.peers[0].hear({ type: "stopped" });
  assert.equal(seen.states.at(-1), "lost");
});
