/**
 * What is on the page, rendered from the state. Text goes in by textContent only.
 */

import { shownLanguage, SPOKEN } from "./captions.js";
import { breakLines, direction, flow, lineStarts } from "./lines.js";

const ROLL_MS = 180;
const LOG_ENTRIES = 20;

/** One language on the page: rows of text that roll up when they are full. */
export class CaptionBlock {
  #element = document.createElement("div");
  #rows = document.createElement("div");
  #track = document.createElement("div");
  #canvas = document.createElement("canvas").getContext("2d");
  #lineCount;
  #isUppercase;
  #showing = null; // session and language
  #language = null;
  #starts = new Set();
  #shown = new Map(); // the key of a line that is on the page -> its element
  #top = null; // the key of the uppermost line that can be seen
  #captions = [];
  #hidden = new Map(); // segment_id -> the revision that was cleared away

  constructor(parent, { lines = 2, isUppercase = false, isBare = false, onResize }) {
    this.#lineCount = lines;
    this.#isUppercase = isUppercase;
    this.#element.className = isBare ? "block bare" : "block";
    this.#element.ariaHidden = "true"; // the log is for screen readers
    this.#rows.className = "rows";
    this.#rows.append(this.#track);
    this.#element.append(this.#rows);
    parent.append(this.#element);
    let width = 0;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === width) return;
      width = contentRect.width;
      this.#starts.clear();
      onResize();
    }).observe(this.#rows);
  }

  render(captions, language, session) {
    const showing = `${session} ${language}`;
    if (showing !== this.#showing) this.#restart(showing);
    this.#speak(captions.at(-1)?.language ?? language);
    this.#captions = captions;
    const visible = captions
      .filter((caption) => caption.text && !this.#isHidden(caption))
      .map((caption) => ({ ...caption, text: this.#cased(caption) }));
    this.#element.classList.toggle("filled", visible.length > 0);
    if (visible.length === 0 && this.#hidden.size > 0) return; // it is fading out
    const lines = breakLines(flow(visible), this.#ruler(), this.#starts);
    this.#starts = lineStarts(lines);
    this.#place(lines.slice(-this.#lineCount - 1));
  }

  /** Take what is shown off the page; newer revisions of it come back. */
  clear() {
    this.#hidden = new Map(this.#captions.map((caption) => [caption.segment_id, caption.revision]));
    this.#starts.clear();
    this.#element.classList.remove("filled"); // fades out; what comes next replaces the text
  }

  /** Begin with an empty block, for a new session or language. */
  #restart(showing) {
    this.#showing = showing;
    this.#starts.clear();
    this.#hidden.clear();
  }

  /** The language of the newest text, which may change where the block shows what is spoken. */
  #speak(language) {
    if (language === this.#language) return;
    this.#language = language;
    this.#element.lang = language === SPOKEN ? "" : (language ?? "");
    this.#element.dir = direction(language);
  }

  #isHidden({ segment_id, revision }) {
    return this.#hidden.get(segment_id) >= revision;
  }

  #cased({ text, language }) {
    return this.#isUppercase ? text.toLocaleUpperCase(language) : text;
  }

  #ruler() {
    const style = getComputedStyle(this.#rows);
    this.#canvas.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const room = this.#track.clientWidth;
    return (text) => Math.ceil(this.#canvas.measureText(text).width) <= room;
  }

  /** Put lines on the page; one more than can be seen is kept above them while it rolls out. */
  #place(lines) {
    const above = Math.max(0, lines.length - this.#lineCount);
    const elements = new Map();
    lines.forEach((line, index) => {
      const key = line[0].key;
      const element = this.#shown.get(key) ?? document.createElement("div");
      element.className = index < above ? "line above" : "line";
      fill(element, line);
      elements.set(key, element);
    });
    const isSameOrder = [...elements.keys()].join() === [...this.#shown.keys()].join();
    if (!isSameOrder) this.#track.replaceChildren(...elements.values());
    this.#shown = elements;
    const keys = [...elements.keys()];
    const rolled = above - Math.max(0, keys.indexOf(this.#top));
    const isRolling = rolled > 0 && keys.includes(this.#top);
    this.#top = keys[above];
    this.#track.style.transform = shift(above);
    if (isRolling && !isStill()) {
      const steps = [{ transform: shift(above - rolled) }, { transform: shift(above) }];
      this.#track.animate(steps, { duration: ROLL_MS, easing: "ease-out" });
    }
  }
}

/** The finished captions in words that screen readers speak. */
export class CaptionLog {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** A long sentence can be finished after the next one: entries of a session stand in its order. */
  add(captions, session) {
    for (const { text, language, segment_id, speaker } of captions) {
      const entry = document.createElement("p");
      entry.textContent = speaker ? `${speaker}: ${text}` : text;
      entry.lang = language;
      entry.dir = direction(language);
      Object.assign(entry.dataset, { session, segment: segment_id });
      let next = null;
      for (let last = this.#element.lastElementChild; last; last = last.previousElementSibling) {
        const { session: other, segment } = last.dataset;
        if (other !== String(session) || Number(segment) < segment_id) break;
        next = last;
      }
      this.#element.insertBefore(entry, next);
    }
    while (this.#element.children.length > LOG_ENTRIES) this.#element.firstChild.remove();
  }
}

/** What to tell about the connection and the room: a text, and whether it goes by itself. */
export function notice(connection, state, options) {
  switch (connection.state) {
    case "connecting":
      return { text: "" };
    case "refused":
      return { text: `The server refuses: ${connection.reason}` };
    case "lost":
      return {
        text: connection.hasBeenOpen
          ? "Connection lost. Trying again…"
          : "No connection. Does the server run, and is this address's token right? Trying again…",
      };
  }
  if (!state.isLive) return { text: `Room ${options.room}: nobody speaks yet.`, passing: true };
  if (state.source === SPOKEN) return { text: "" }; // any language may come
  const offered = [state.source, ...state.targets];
  const missing = [shownLanguage(state, options.lang), options.dual].find(
    (language) => language !== null && !offered.includes(language),
  );
  if (missing === undefined) return { text: "" };
  return { text: `No captions in "${missing}" here; there are: ${offered.join(", ")}.` };
}

/** Change only the words that changed, so that a draft fades into its final. */
function fill(element, line) {
  line.forEach((word, index) => {
    let span = element.children[index];
    if (span === undefined) {
      span = document.createElement("span");
      element.append(span);
    }
    const text = index > 0 && word.spaced ? ` ${word.text}` : word.text;
    if (span.textContent !== text) span.textContent = text;
    const kind = word.isName ? "word name" : word.isFinal ? "word final" : "word draft";
    if (span.className !== kind) span.className = kind;
  });
  while (element.children.length > line.length) element.lastChild.remove();
}

function shift(rows) {
  return `translateY(calc(${-rows} * var(--row)))`;
}

/** Whether the reader wants nothing to move. */
export function isStill() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
