/**
 * The publisher of a room over WebRTC: its sound goes as a track, captions come on a data channel.
 *
 * It speaks to its page as Publisher does. Sound that is lost on the way is not sent again, and a
 * connection that is lost begins another session; no more than needed is sent, as Opus.
 */

import { growingWaits } from "../overlay/connection.js";

const LATE_S = 30; // for the last captions, after which the page does not wait for them

export class Caller {
  #options;
  #peer = null;
  #channel = null;
  #isStopping = false;
  #waits;
  #timer = null;

  constructor({
    address,
    token = null,
    start, // the fields of the protocol's `start`
    track,
    onMessage,
    onState,
    clock = globalThis,
    Peer = globalThis.RTCPeerConnection,
    fetch = globalThis.fetch.bind(globalThis),
    random = Math.random,
  }) {
    this.#options = { address, token, start, track, onMessage, onState, clock, Peer, fetch, random };
    this.#waits = growingWaits(random);
  }

  async open() {
    const { track, onState, Peer } = this.#options;
    onState("connecting");
    const peer = new Peer();
    this.#peer = peer;
    peer.addTrack(track);
    this.#channel = peer.createDataChannel("surtitle.v1");
    this.#channel.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    peer.onconnectionstatechange = () => {
      if (["failed", "closed"].includes(peer.connectionState)) this.#lose(peer);
    };
    this.#channel.onclose = () => this.#lose(peer);
    try {
      await peer.setLocalDescription();
      const { answer, refusal } = await this.#ask(peer.localDescription);
      if (peer !== this.#peer) return; // it was closed meanwhile
      if (refusal) return this.close("refused", refusal);
      await peer.setRemoteDescription(answer);
      onState("starting");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // what fetch says of a server that is away
      this.#lose(peer);
    }
  }

  /** Samples go by themselves. */
  push() {}

  stop() {
    this.#isStopping = true;
    if (this.#channel?.readyState !== "open") return this.close();
    this.#channel.send(JSON.stringify({ type: "stop" }));
    this.#timer = this.#options.clock.setTimeout(() => this.close(), LATE_S * 1000);
  }

  close(state = "stopped", reason = undefined) {
    this.#abandon();
    this.#options.onState(state, reason);
  }

  async #ask({ type, sdp }) {
    const { address, token, start, fetch } = this.#options;
    const response = await fetch(address, {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ type, sdp, start: { type: "start", version: 1, ...start } }),
    });
    if (response.status >= 500 && response.status !== 503) throw new TypeError("it is away");
    const answer = await response.json();
    return response.ok ? { answer } : { refusal: answer.message };
  }

  #hear(message) {
    const { onState, onMessage } = this.#options;
    if (message.type === "stopped") return this.#isStopping ? this.close() : this.#lose(this.#peer);
    if (message.type === "error") return this.#lose(this.#peer);
    if (message.type === "started") {
      this.#waits = growingWaits(this.#options.random);
      if (!this.#isStopping) onState("live");
    }
    onMessage(message);
  }

  #lose(peer) {
    if (peer !== this.#peer) return;
    if (this.#isStopping) return this.close();
    this.#abandon();
    this.#options.onState("lost");
    this.#timer = this.#options.clock.setTimeout(() => this.open(), this.#waits.next().value);
  }

  #abandon() {
    this.#options.clock.clearTimeout(this.#timer);
    const [peer, channel] = [this.#peer, this.#channel];
    this.#peer = this.#channel = null;
    if (peer === null) return;
    peer.onconnectionstatechange = channel.onmessage = channel.onclose = null;
    peer.close();
  }
}
