import { INITIAL, newFinals, reduce, shownLanguage, typeWatch } from "./captions.js";
import { Connection, socketAddress, tokenOf } from "./connection.js";
import { cssVariables, readOptions } from "./options.js";
import { CaptionBlock, CaptionLog, notice } from "./view.js";

const NOTICE_AFTER_MS = 1000; // a loss that is mended sooner is not worth a word

const { options, problems } = readOptions(location.search);
const stage = document.getElementById("stage");
const watchTypes = typeWatch();
const log = new CaptionLog(document.getElementById("log"));
let state = INITIAL;
let logged = INITIAL;
let connection = { state: "connecting", hasBeenOpen: false };
let isScheduled = false;
let clearing;

for (const [name, value] of cssVariables(options)) {
  document.documentElement.style.setProperty(name, value);
}
document.documentElement.classList.toggle("black", options.page === "black");
stage.classList.add(options.align);
showProblems();

const blocks = (options.dual === null ? [options.lang] : [options.lang, options.dual]).map(
  (wished) => ({
    wished,
    block: new CaptionBlock(stage, {
      lines: options.lines,
      isUppercase: options.uppercase === "1",
      isBare: options.background === "transparent",
      onResize: schedule,
    }),
  }),
);

const socket = new Connection({
  address: (seen) => socketAddress(document.baseURI, "v1/view", { ...wanted(), ...seen }),
  token: tokenOf(location.hash),
  onMessage: (message) => {
    watchTypes(message);
    const before = state.captions;
    state = reduce(state, message);
    if (message.type !== "status" && state.captions !== before) clearLater();
    schedule();
  },
  onState: (name, reason) => {
    connection = { state: name, reason, hasBeenOpen: connection.hasBeenOpen || name === "open" };
    if (name === "lost") setTimeout(schedule, NOTICE_AFTER_MS);
    else schedule();
  },
});
socket.open();
addEventListener("online", () => socket.hurry());
addEventListener("hashchange", () => location.reload());

/** Without `lang` the room says which language comes first, and all of them are asked for. */
function wanted() {
  const languages = [options.lang, options.dual].filter((language) => language !== null);
  return options.lang === null
    ? { room: options.room }
    : { room: options.room, lang: languages.join(",") };
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
  for (const { wished, block } of blocks) {
    const language = shownLanguage(state, wished);
    block.render(state.captions[language] ?? [], language, state.session);
  }
  log.add(newFinals(logged, state, shownLanguage(state, options.lang)), state.session);
  logged = state;
  const element = document.getElementById("notice");
  const { text, passing = false } = notice(connection, state, options);
  if (element.textContent !== text) element.textContent = text;
  element.classList.toggle("passing", passing);
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
