import { nameOf } from "../languages.js";
import { INITIAL, newFinals, reduce, shownLanguage, SPOKEN, typeWatch } from "./captions.js";
import { chooseLanguage, chosenLanguage } from "./choice.js";
import { Connection, socketAddress, tokenOf } from "./connection.js";
import { cssVariables, readOptions } from "./options.js";
import { isSample, SAMPLE_STEPS, sampleSnapshot } from "./sample.js";
import { CaptionBlock, CaptionLog, isStill, notice } from "./view.js";

const NOTICE_AFTER_MS = 1000; // a loss that is mended sooner is not worth a word
const AWAKE_MS = 8000; // so long the choice of a language stays in sight
const SAMPLE_STEP_MS = 300;

const { options, problems } = readOptions(location.search);
const addressed = options.lang;
// A reader holds it, and may choose; else a video mixer shows it, or it is to be looked at.
const isHeld = options.page === "black" && options.sample === "0";
if (isHeld) options.lang = chosenLanguage(options.room, addressed) ?? addressed;
const stage = document.getElementById("stage");
const watchTypes = typeWatch();
const log = new CaptionLog(document.getElementById("log"));
let state = INITIAL;
let connection = { state: "connecting", hasBeenOpen: false };
let isScheduled = false;
let clearing;

for (const [name, value] of cssVariables(options)) {
  document.documentElement.style.setProperty(name, value);
}
document.documentElement.classList.toggle("black", options.page === "black");
stage.classList.add(options.align);
showProblems();

const blocks = (options.dual === null ? ["lang"] : ["lang", "dual"]).map((name) => ({
  name, // of the option that says which language
  block: new CaptionBlock(stage, {
    lines: options.lines,
    isUppercase: options.uppercase === "1",
    isBare: options.background === "transparent",
    onResize: schedule,
  }),
}));

const socket = new Connection({
  address: (seen) => socketAddress(document.baseURI, "v1/view", { ...wanted(), ...seen }),
  token: tokenOf(location.hash),
  onMessage: (message) => {
    watchTypes(message);
    const before = state.captions;
    become(reduce(state, message));
    if (message.type !== "status" && state.captions !== before) clearLater();
  },
  onState: (name, reason) => {
    connection = { state: name, reason, hasBeenOpen: connection.hasBeenOpen || name === "open" };
    if (name === "lost") setTimeout(schedule, NOTICE_AFTER_MS);
    else schedule();
  },
});
socket.open();
if (isHeld) offerLanguages();
if (options.sample === "1") showSample();
addEventListener("online", () => socket.hurry());
addEventListener("hashchange", () => location.reload());

/** Without `lang` the room says which language comes first, and all of them are asked for. */
function wanted() {
  const languages = [options.lang, options.dual].filter((language) => language !== null);
  return options.lang === null
    ? { room: options.room }
    : { room: options.room, lang: languages.join(",") };
}

/** What is new for screen readers is told at once: a page that is hidden has no animation frames. */
function become(next) {
  log.add(newFinals(state, next, shownLanguage(next, options.lang)), next.session);
  state = next;
  schedule();
}

function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    render();
  });
}

function render() {
  for (const { name, block } of blocks) {
    const language = shownLanguage(state, options[name]);
    block.render(state.captions[language] ?? [], language, state.session);
  }
  const element = document.getElementById("notice");
  const { text, passing = false } = notice(connection, state, options);
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle("passing", passing);
  if (isHeld) showLanguages();
}

/** The room's languages, for a reader to choose from. */
function showLanguages() {
  const select = document.getElementById("languages");
  const offered = state.source === null ? [] : [...new Set([...state.targets, state.source])];
  if ([...select.options].map(({ value }) => value).join() !== offered.join()) {
    const name = (code) => (code === SPOKEN ? "As it is spoken" : nameOf(code));
    select.replaceChildren(...offered.map((code) => new Option(name(code), code)));
  }
  const shown = shownLanguage(state, options.lang);
  if (document.activeElement !== select) select.value = offered.includes(shown) ? shown : "";
  document.getElementById("reading").hidden = offered.length < 2;
}

function offerLanguages() {
  const root = document.documentElement;
  let sleep;
  const wake = () => {
    root.classList.add("awake");
    clearTimeout(sleep);
    sleep = setTimeout(() => root.classList.remove("awake"), AWAKE_MS);
  };
  for (const type of ["pointermove", "pointerdown", "keydown"]) addEventListener(type, wake);
  wake();
  document.getElementById("languages").addEventListener("change", ({ target }) => {
    options.lang = target.value;
    chooseLanguage(options.room, addressed, target.value);
    state = INITIAL;
    socket.restart();
  });
}

/** While nobody speaks, show what it will look like, again and again. */
function showSample() {
  const wished = options.dual === null ? [options.lang] : [options.lang, options.dual];
  let round = 1;
  let step = 0;
  setInterval(() => {
    if (state.isLive && !isSample(state)) return;
    step += 1;
    if (step > 2 * SAMPLE_STEPS) [round, step] = [round + 1, 1]; // when it could be read
    const shown = isStill() ? SAMPLE_STEPS : Math.min(step, SAMPLE_STEPS);
    become(reduce(state, sampleSnapshot(wished, round, shown)));
  }, SAMPLE_STEP_MS);
}

function clearLater() {
  if (options.clear === 0) return;
  clearTimeout(clearing);
  clearing = setTimeout(() => blocks.forEach(({ block }) => block.clear()), 1000 * options.clear);
}

function showProblems() {
  const list = document.getElementById("problems");
  for (const problem of problems) {
    const item = document.createElement("li");
    item.textContent = problem;
    list.append(item);
  }
  list.hidden = problems.length === 0;
}
