/**
 * The publisher of a room: audio goes out, a connection that broke is made again, and the session
 * goes on where the server stopped hearing.
 */

import { growingWaits, subprotocols } from "../overlay/connection.js";

const KEPT_S = 30; // of audio that waits
const MOST_AHEAD_S = 25; // of what the server has heard; it refuses to be 30 s behind
const MOST_UNSENT_BYTES = 256 * 1024; // what may wait in the socket; the rest waits here
const OPEN = 1; // a WebSocket's readyState

/**
 * Audio on its way: what waits to be sent, 30 s at most, and what was sent and may have to be sent
 * again. Samples count from the start of the session, in the order in which they were sent.
 */
export class AudioQueue {
  #most;
  #waiting = [];
  #waitingCount = 0;
  #sent = [];
  #sentFrom = 0;
  sentTo = 0;

  constructor(sampleRate) {
    this.#most = KEPT_S * sampleRate;
  }

  get isEmpty() {
    return this.#waitingCount === 0;
  }

  /** Return how many samples, the oldest that wait, were dropped for it. */
  push(piece) {
    this.#waiting.push(piece);
    this.#waitingCount += piece.length;
    let dropped = 0;
    while (this.#waitingCount - dropped > this.#most) dropped += this.#waiting.shift().length;
    this.#waitingCount -= dropped;
    return dropped;
  }

  /** The next piece to send, or null. */
  take() {
    const piece = this.#waiting.shift();
    if (piece === undefined) return null;
    this.#waitingCount -= piece.length;
    this.#sent.push(piece);
    this.sentTo += piece.length;
    return piece;
  }

  /** Let go of what the server has heard. */
  confirm(sample) {
    while (this.#sent.length > 0 && this.#sentFrom + this.#sent[0].length <= sample) {
      this.#sentFrom += this.#sent.shift().length;
    }
  }

  /** What was sent from a sample on waits again. */
  rewind(sample) {
    this.confirm(sample);
    const again = this.#sent;
    if (again.length > 0) again[0] = again[0].subarray(Math.max(0, sample - this.#sentFrom));
    this.#waiting.unshift(...again);
    this.#waitingCount += again.reduce((sum, piece) => sum + piece.length, 0);
    this.#sent = [];
    this.#sentFrom = this.sentTo = sample;
  }

  /** All that is held waits for another session. */
  restart() {
    this.rewind(this.#sentFrom);
    this.#sentFrom = this.sentTo = 0;
  }
}

/**
 * `onState` hears "connecting", "starting" (the recognizer is not ready yet), "live", "lost"
 * (another try follows), "stopped", or "refused" with the server's words. `onLoss` hears the seconds
 * of audio that had to be left out: the connection was away for long, or the server hears more
 * slowly than people speak. `onMessage` hears `started` again when the session had to be replaced by
 * another.
 */
export class Publisher {
  #options;
  #socket = null;
  #queue;
  #isReady = false; // the server has said where to begin, and was not told to stop
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
    this.#queue = new AudioQueue(start.sample_rate_hz);
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
    const dropped = this.#queue.push(piece);
    if (dropped > 0) this.#options.onLoss(dropped / this.#options.start.sample_rate_hz);
    this.#pump();
  }

  /** Send what is left and end the session; "stopped" follows when its last captions are there. */
  stop() {
    this.#isStopping = true;
    if (this.#isReady) this.#pump();
    else if (this.#socket?.readyState !== OPEN) this.close(); // else it starts, and is told then
  }

  close(state = "stopped", reason = undefined) {
    this.#abandon();
    this.#options.clock.clearTimeout(this.#retry);
    this.#options.onState(state, reason);
  }

  #begin() {
    const { start, onState } = this.#options;
    if (this.#resume === null) onState("starting");
    const fields = this.#resume === null ? start : { resume: this.#resume };
    this.#socket.send(JSON.stringify({ type: "start", version: 1, ...fields }));
  }

  #hear(message) {
    switch (message.type) {
      case "started":
        return this.#go(message);
      case "stopped": // unasked, of a server that stops: there will be another session
        return this.#isStopping ? this.close() : this.#forget();
      case "error":
        return this.#fail(message);
      case "status":
        this.#confirm(Math.floor((message.heard_ms * this.#options.start.sample_rate_hz) / 1000));
    }
    this.#options.onMessage(message);
  }

  /** So much has been heard: a server that only starts, and dies, is asked ever more rarely. */
  #confirm(heard) {
    if (heard > this.#heard) this.#waits = growingWaits(this.#options.random);
    this.#heard = heard;
    this.#queue.confirm(heard);
    this.#pump();
  }

  #go(started) {
    if (this.#resume === null) this.#queue.restart();
    else this.#queue.rewind(started.received_samples);
    this.#resume = started.resume;
    this.#isReady = true;
    if (!this.#isStopping) this.#options.onState("live");
    this.#options.onMessage(started);
    this.#pump();
  }

  #fail({ code, message }) {
    if (code === "too_fast" || code === "internal") return; // the server closes; then we resume
    if (code !== "unknown_session") return this.close("refused", message);
    if (this.#isStopping) return this.close();
    this.#forget();
    this.#abandon();
    this.open();
  }

  /** The session is over; the next connection begins another. */
  #forget() {
    this.#resume = null;
    this.#heard = 0;
    this.#isReady = false;
  }

  #pump() {
    if (!this.#isReady || this.#socket.readyState !== OPEN) return;
    const most = this.#heard + MOST_AHEAD_S * this.#options.start.sample_rate_hz;
    while (this.#queue.sentTo < most && this.#socket.bufferedAmount < MOST_UNSENT_BYTES) {
      const piece = this.#queue.take();
      if (piece === null) break;
      this.#socket.send(piece);
    }
    if (this.#isStopping && this.#queue.isEmpty) {
      this.#socket.send(JSON.stringify({ type: "stop" }));
      this.#isReady = false;
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
    this.#isReady = false;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
