/**
 * The cues of a recording on the page: times that the player jumps to, texts that can be corrected.
 */

import { nameOf } from "../languages.js";
import { direction } from "../overlay/lines.js";
import { rowAt, sideBySide } from "./cues.js";
import { clock } from "./jobs.js";

const GROWS_BY_ITSELF = CSS.supports("field-sizing", "content");

export class CueTable {
  #element;
  #onSeek;
  #onCorrect;
  #rows = [];
  #elements = [];
  #current = -1;

  /** `onSeek` hears a time in ms; `onCorrect` a language, a cue's number and its new text. */
  constructor(element, { onSeek, onCorrect }) {
    this.#element = element;
    this.#onSeek = onSeek;
    this.#onCorrect = onCorrect;
  }

  /** Show cues by language, in one or two languages. */
  show(cues, left, right) {
    this.#rows = sideBySide(cues[left], right === null ? [] : cues[right]);
    this.#current = -1;
    const sides = { left, ...(right !== null && { right }) };
    this.#elements = this.#rows.map((row) => this.#row(row, sides));
    this.#element.classList.toggle("single", right === null);
    this.#element.replaceChildren(...this.#elements);
    this.#element.querySelectorAll("textarea").forEach(fit);
  }

  /** Mark what is said at a time; bring it into sight where nobody writes. */
  mark(time_ms) {
    const index = rowAt(this.#rows, time_ms);
    if (index === this.#current) return;
    this.#elements[this.#current]?.removeAttribute("aria-current");
    this.#current = index;
    const element = this.#elements[index];
    element?.setAttribute("aria-current", "true");
    if (element && !this.#element.contains(document.activeElement)) this.#reveal(element);
  }

  /** Within the list only: the page itself stays where it is. */
  #reveal(element) {
    const list = this.#element;
    const top = element.offsetTop - list.offsetTop;
    const isInside =
      top >= list.scrollTop && top + element.offsetHeight <= list.scrollTop + list.clientHeight;
    if (!isInside) list.scrollTop = top - list.clientHeight / 3;
  }

  #row(row, sides) {
    const element = document.createElement("li");
    const time = document.createElement("button");
    time.type = "button";
    time.className = "time";
    time.textContent = clock(row.start_ms);
    time.setAttribute("aria-label", `Play from ${clock(row.start_ms)}`);
    time.addEventListener("click", () => this.#onSeek(row.start_ms));
    element.append(time);
    for (const [side, language] of Object.entries(sides)) {
      const cell = document.createElement("div");
      cell.append(...row[side].map((cue) => this.#field(cue, language)));
      element.append(cell);
    }
    return element;
  }

  #field({ number, start_ms, lines }, language) {
    const field = document.createElement("textarea");
    field.value = lines.join("\n");
    field.rows = 1;
    field.lang = language;
    field.dir = direction(language);
    field.spellcheck = false;
    field.setAttribute("aria-label", `${nameOf(language)} at ${clock(start_ms)}`);
    field.addEventListener("input", () => fit(field));
    field.addEventListener("change", () => this.#onCorrect(language, number, field.value, field));
    return field;
  }
}

/** As high as its text. */
function fit(field) {
  if (GROWS_BY_ITSELF) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`; // with its edges
}
