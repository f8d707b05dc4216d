/**
 * The recordings on the page, on their way and done.
 */

import { isGoing, progress } from "./jobs.js";

export class JobList {
  #element;
  #onOpen;
  #onRemove;

  /** `onOpen` and `onRemove` hear the id of a job. */
  constructor(element, { onOpen, onRemove }) {
    this.#element = element;
    this.#onOpen = onOpen;
    this.#onRemove = onRemove;
  }

  render(jobs) {
    const list = this.#element;
    const known = new Map([...list.children].map((item) => [item.dataset.id, item]));
    const items = jobs.map((job) => {
      const item = known.get(job.id) ?? this.#item(job.id);
      fill(item, job);
      return item;
    });
    const isSame =
      items.length === known.size && items.every((item, at) => item === list.children[at]);
    if (!isSame) list.replaceChildren(...items); // else a button would lose the focus
  }

  #item(id) {
    const item = document.createElement("li");
    item.dataset.id = id;
    const buttons = made("span", "buttons");
    buttons.append(
      button(() => this.#onOpen(id)),
      button(() => this.#onRemove(id)),
    );
    item.append(made("span", "name"), made("span", "state"), buttons);
    item.append(made("progress", ""), made("p", "latest"));
    return item;
  }
}

function fill(item, job) {
  const [name, state, buttons, bar, latest] = item.children;
  const [open, remove] = buttons.children;
  const { text, share } = progress(job);
  setText(name, job.name);
  setText(state, text);
  bar.hidden = !isGoing(job);
  bar.setAttribute("aria-label", `Progress of ${job.name}`);
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
  setText(latest, isGoing(job) ? (job.latest ?? "") : "");
  latest.hidden = latest.textContent === "";
  open.hidden = job.state !== "done";
  nameButton(open, "Open", job);
  nameButton(remove, isGoing(job) ? "Give up" : "Delete", job);
}

/** What a button is called, which tells whoever hears it alone what it is about. */
function nameButton(element, text, job) {
  setText(element, text);
  element.setAttribute("aria-label", `${text} ${job.name}`);
}

function made(tag, className) {
  return Object.assign(document.createElement(tag), { className });
}

function button(onClick) {
  const element = Object.assign(made("button", "plain"), { type: "button" });
  element.addEventListener("click", onClick);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
