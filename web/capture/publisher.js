/**
 * The publisher of a room: audio goes out, a connection that broke is made again, and the session
 * goes on where the server stopped hearing.
 */

import { growingWaits, subprotocols } from "../overlay/connection.js";

const KEPT_S = 30; // so long the server keeps a session, too
const MOST_UNSENT_BYTES = 256 * 1024; // what may wait in the socket; the rest waits here

/** Audio that may have to be sent again, 30 s at most; samples count from the session's start. */
export class AudioBuffer {
  #pieces = [];
  #start = 0;
  #most;
  end = 0;

  constructor(sampleRate) {
    this.#most = KEPT_S * sampleRate;
  }

  /** The first sample that is still held. */
  get start() {
    return this.#start;
  }

  push(piece) {
    this.#pieces.push(piece);
    this.end += piece.length;
    while (this.end - this.#start > this.#most) this.#start += this.#pieces.shift().length;
  }

  /** Let go of pieces that lie before a sample. */
  forget(sample) {
    while (this.#pieces.length > 0 && this.#start + this.#pieces[0].length <= sample) {
      this.#start += this.#pieces.shift().length;
    }
  }

  /** The rest of the piece that holds a sample, or null at the end. */
  at(sample) {
    let start = this.#start;
    for (const piece of this.#pieces) {
      if (sample < start + piece.length) return piece.subarray(Math.max(0, sample - start));
      start += piece.length;
    }
    return null;
  }

  /** Count anew from here: what is held becomes the beginning of another session. */
  rebase() {
    this.end -= this.#start;
    this.#start = 0;
  }
}

/**
 * `onState` hears "connecting", "live", "lost" (another try follows), "stopped", or "refused" with
 * the server's words. `onLoss` hears that another session begins, and how many seconds of audio
 * were lost between the two.
 */
export class Publisher {
  #options;
  #socket = null;
  #buffer;
  #next = null; // the sample to send next; null while the server has not said where to begin
  #resume = null;
  #heard = 0; // samples that the server has confirmed
  #isStopping = false;
  #waits;
  #retry = null;

  constructor({
    address,
    token = null,
    start, // the fields of the protocol's `start`
    onMessage,
    onState,
    onLoss,
    clock = globalThis,
    Socket = globalThis.WebSocket,
    random = Math.random,
  }) {
    this.#options = { address, token, start, onMessage, onState, onLoss, clock, Socket, random };
    this.#buffer = new AudioBuffer(start.sample_rate_hz);
    this.#waits = growingWaits(random);
  }

  open() {
    const { address, token, Socket, clock, onState } = this.#options;
    clock.clearTimeout(this.#retry);
    onState("connecting");
    const socket = new Socket(address, subprotocols(token));
    this.#socket = socket;
    socket.onopen = () => this.#begin();
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => this.#lose();
  }

  /** Take 16-bit samples; they are kept until they could be sent. */
  push(piece) {
    this.#buffer.push(piece);
    this.#pump();
  }

  /** Send what is left and end the session; "stopped" follows when its last captions are there. */
  stop() {
    this.#isStopping = true;
    if (this.#next === null) this.close();
    else this.#pump();
  }

  close(state = "stopped", reason = undefined) {
    this.#abandon();
    this.#options.clock.clearTimeout(this.#retry);
    this.#options.onState(state, reason);
  }

  #begin() {
    const { start } = this.#options;
    const fields = this.#resume === null ? start : { resume: this.#resume };
    this.#socket.send(JSON.stringify({ type: "start", version: 1, ...fields }));
  }

  #hear(message) {
    switch (message.type) {
      case "started":
        return this.#go(message);
      case "stopped":
        return this.close();
      case "error":
        return this.#fail(message);
      case "status":
        this.#heard = Math.floor((message.heard_ms * this.#options.start.sample_rate_hz) / 1000);
        this.#buffer.forget(this.#heard);
    }
    this.#options.onMessage(message);
  }

  #go(started) {
    const { onMessage, onState, random } = this.#options;
    const isResumed = this.#resume !== null;
    this.#resume = started.resume;
    this.#waits = growingWaits(random);
    if (isResumed && started.received_samples < this.#buffer.start) {
      return this.#startAnew(this.#buffer.start - started.received_samples);
    }
    if (!isResumed) this.#buffer.rebase();
    this.#next = started.received_samples;
    onState("live");
    onMessage(started);
    this.#pump();
  }

  #fail({ code, message }) {
    if (code === "unknown_session" && this.#resume !== null) {
      return this.#startAnew(this.#buffer.start - this.#heard);
    }
    if (code === "too_fast" || code === "internal") return; // the server closes; then we resume
    this.close("refused", message);
  }

  /** The session cannot go on: begin another with the audio that is held. */
  #startAnew(lostSamples) {
    const { start, onLoss } = this.#options;
    if (this.#isStopping) return this.close();
    onLoss(Math.max(0, lostSamples) / start.sample_rate_hz);
    this.#resume = null;
    this.#heard = 0;
    this.#abandon();
    this.open();
  }

  #pump() {
    if (this.#next === null) return;
    if (this.#next < this.#buffer.start) {
      return this.#startAnew(this.#buffer.start - this.#next); // a network slower than speech
    }
    while (this.#socket.bufferedAmount < MOST_UNSENT_BYTES) {
      const piece = this.#buffer.at(this.#next);
      if (piece === null) break;
      this.#socket.send(piece);
      this.#next += piece.length;
    }
    if (this.#isStopping && this.#next === this.#buffer.end) {
      this.#socket.send(JSON.stringify({ type: "stop" }));
      this.#next = null;
    }
  }

  #lose() {
    const { clock, onState } = this.#options;
    this.#abandon();
    onState("lost");
    this.#retry = clock.setTimeout(() => this.open(), this.#waits.next().value);
  }

  #abandon() {
    const socket = this.#socket;
    this.#socket = null;
    this.#next = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
