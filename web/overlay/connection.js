/**
 * The WebSocket of a page: opened, watched, and opened again after growing waits.
 */

const SUBPROTOCOL = "surtitle.v1";
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const SILENCE_MS = 10_000; // a live room has a status each second
const STEADY_MS = 15_000; // a connection to a silent room that has stood so long is a good one

/** Error codes of the protocol after which asking again would not help. */
const REFUSALS = new Set(["bad_request", "unauthorized", "unsupported_language"]);

/** Yield waits in ms that double, each shortened by chance: many pages are not to come at once. */
export function* growingWaits(random = Math.random) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    yield wait * (0.5 + random() / 2);
  }
}

/** A browser cannot set headers on a WebSocket: the token is named as a subprotocol. */
export function subprotocols(token) {
  return token ? [SUBPROTOCOL, `bearer.${token}`] : [SUBPROTOCOL];
}

/** The token in an address's fragment, "#token=..."; null where there is none. */
export function tokenOf(hash) {
  return new URLSearchParams(hash.slice(1)).get("token") || null;
}

/** The address of a WebSocket beside the page at `base`. */
export function socketAddress(base, path, query = {}) {
  const address = new URL(path, base);
  address.protocol = address.protocol.replace("http", "ws");
  address.search = new URLSearchParams(query).toString();
  address.hash = "";
  return address.href;
}

/**
 * A viewer of one room, until `close`.
 *
 * `onMessage` hears every message but errors. `onState` hears "open", "lost" (another try follows)
 * or "refused" with the server's words (none does). A new connection goes on after the last message
 * that was seen.
 */
export class Connection {
  #address;
  #token;
  #handlers;
  #clock;
  #Socket;
  #random;
  #socket = null;
  #waits;
  #retry = null;
  #silence = null;
  #steady = null; // until the connection has stood for long
  #seen = {};

  constructor({
    address, // (what was seen) => URL
    token = null,
    onMessage,
    onState,
    clock = globalThis,
    Socket = globalThis.WebSocket,
    random = Math.random,
  }) {
    this.#address = address;
    this.#token = token;
    this.#handlers = { onMessage, onState };
    this.#clock = clock;
    this.#Socket = Socket;
    this.#random = random;
    this.#waits = growingWaits(random);
  }

  open() {
    this.#clock.clearTimeout(this.#retry);
    const socket = new this.#Socket(this.#address(this.#seen), subprotocols(this.#token));
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => this.#lose(socket);
  }

  /** Begin anew, for when something else is wanted than before. */
  restart() {
    this.close();
    this.#seen = {};
    this.open();
  }

  /** Try at once, for when the network is back. */
  hurry() {
    if (this.#socket === null && this.#retry !== null) this.open();
  }

  close() {
    this.#abandon();
    this.#clock.clearTimeout(this.#retry);
    this.#retry = null;
  }

  #hear(message) {
    if (message.type === "error") return this.#refuse(message);
    // A server may answer, and die at once, again and again.
    if (message.type === "snapshot") this.#steady ??= this.#clock.setTimeout(this.#calm, STEADY_MS);
    else this.#calm();
    if (message.type === "snapshot") {
      this.#seen = message.session === null ? {} : { session: message.session };
      this.#handlers.onState("open");
    }
    if (this.#seen.session && Number.isInteger(message.sequence)) {
      this.#seen.after = message.sequence;
    }
    this.#watch(message);
    this.#handlers.onMessage(message);
  }

  #calm = () => {
    this.#waits = growingWaits(this.#random);
  };

  /** A phone that slept, or changed its network, has a connection that is dead and says nothing. */
  #watch(message) {
    this.#clock.clearTimeout(this.#silence);
    const isLive = message.type === "snapshot" ? message.is_live : this.#silence !== null;
    const lose = () => this.#lose(this.#socket);
    this.#silence = isLive ? this.#clock.setTimeout(lose, SILENCE_MS) : null;
  }

  #refuse({ code, message }) {
    if (code === "unknown_session") this.#seen = {};
    if (!REFUSALS.has(code)) return; // the server closes now
    this.close();
    this.#handlers.onState("refused", message);
  }

  #lose(socket) {
    if (socket !== this.#socket) return; // a connection that was given up already
    this.#abandon();
    this.#handlers.onState("lost");
    this.#retry = this.#clock.setTimeout(() => this.open(), this.#waits.next().value);
  }

  #abandon() {
    this.#clock.clearTimeout(this.#silence);
    this.#clock.clearTimeout(this.#steady);
    this.#silence = this.#steady = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
