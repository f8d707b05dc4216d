/** A WebSocket and a clock that tests drive by hand. */

export class FakeClock {
  now = 0;
  #timers = new Map();
  #next = 1;

  setTimeout = (work, delay) => {
    this.#timers.set(this.#next, { at: this.now + delay, work });
    return this.#next++;
  };

  clearTimeout = (id) => {
    this.#timers.delete(id);
  };

  advance(milliseconds) {
    const end = this.now + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end);
      if (due.length === 0) break;
      const [id, { at, work }] = due.sort((a, b) => a[1].at - b[1].at)[0];
      this.#timers.delete(id);
      this.now = at;
      work();
    }
    this.now = end;
  }
}

/** Return a WebSocket class, and the list of those that were opened with it. */
export function fakeSockets() {
  const opened = [];
  class Socket {
    readyState = 1;
    bufferedAmount = 0;
    sent = [];
    isClosed = false;

    constructor(url, protocols) {
      Object.assign(this, { url: new URL(url), protocols });
      opened.push(this);
    }

    send(data) {
      this.sent.push(typeof data === "string" ? JSON.parse(data) : Int16Array.from(data));
    }

    close() {
      this.isClosed = true;
    }

    hear(message) {
      this.onmessage?.({ data: JSON.stringify(message) });
    }
  }
  return { Socket, opened };
}
