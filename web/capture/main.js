import { fetchLanguages, languageBoxes, languageOptions, nameOf } from "../languages.js";
import { INITIAL, newFinals, reduce, SPOKEN, typeWatch } from "../overlay/captions.js";
import { socketAddress, tokenOf } from "../overlay/connection.js";
import { CaptionBlock, CaptionLog } from "../overlay/view.js";
import { RequestError } from "../requests.js";
import { Caller } from "./caller.js";
import { Publisher } from "./publisher.js";
import { microphones, openSound, SoundError } from "./sound.js";
import { readTerms } from "./terms.js";

const QUIET_PEAK = 0.004; // about -48 dB: below speech, above the noise of a muted line
const QUIET_AFTER_MS = 4000;
const LINES = 4; // of each language; capture.css has it too

const byId = (id) => document.getElementById(id);
const form = byId("settings");
const token = tokenOf(location.hash);
const watchTypes = typeWatch();
const log = new CaptionLog(byId("log"));

let state = INITIAL;
let running = null; // {publisher, sound}
let blocks = new Map(); // language -> CaptionBlock
let level = 0;
let lastSoundAt = 0;
let lost = 0; // seconds of sound
let isScheduled = false;
let warnings = new Map(); // what about -> text

form.addEventListener("submit", (event) => {
  event.preventDefault();
  start();
});
form.addEventListener("input", showViewAddress);
form.elements.terms.addEventListener("input", ({ target }) => {
  if (!byId("terms-problem").hidden) showTermsProblem(readTerms(target.value, []).problem);
});
byId("stop").addEventListener("click", stop);
addEventListener("hashchange", () => location.reload());
navigator.mediaDevices?.addEventListener("devicechange", showMicrophones);
await Promise.all([showLanguages(), showMicrophones()]);
showViewAddress();

async function start() {
  const settings = new FormData(form); // before the fields are disabled, which empties them
  const { terms, problem } = readTerms(settings.get("terms"), settings.getAll("targets"));
  showTermsProblem(problem);
  if (problem !== null) return form.elements.terms.focus();
  setRunning(true);
  byId("hearing").scrollIntoView({ block: "nearest" });
  warnings.clear();
  lost = 0;
  warn("sound", null);
  byId("state").textContent = "Asking for the sound…";
  try {
    let publisher = null;
    const sound = await openSound({
      kind: settings.get("sound"),
      deviceId: settings.get("device"),
      onSamples: (pcm, peak) => {
        level = peak;
        if (peak >= QUIET_PEAK) lastSoundAt = performance.now();
        publisher?.push(pcm);
        schedule();
      },
      onEnd: () => {
        stop();
        warn("sound", "The sound has ended: unplugged, or no longer shared.");
      },
    });
    lastSoundAt = performance.now();
    publisher = publish(settings, terms, sound);
    running = { publisher, sound };
    publisher.open();
    showMicrophones(); // their names are known now
  } catch (error) {
    setRunning(false);
    byId("state").textContent = "";
    if (!(error instanceof SoundError)) throw error;
    warn("sound", error.message);
  }
}

function publish(settings, terms, { sampleRate, track }) {
  const start = {
    room: settings.get("room"),
    source: settings.get("source"),
    targets: settings.getAll("targets"),
    mode: settings.get("mode"),
    speaker: settings.get("speaker"),
    sample_rate_hz: sampleRate,
    codec: "pcm_s16le",
    terms,
  };
  const common = { token, start, onMessage: hear, onState: showState };
  const { room } = start; // in the address, too: by it a proxy knows whose server it is
  if (settings.get("way") === "webrtc") {
    const address = new URL(`v1/offer?${new URLSearchParams({ room })}`, document.baseURI);
    return new Caller({ ...common, address, track });
  }
  return new Publisher({
    ...common,
    address: socketAddress(document.baseURI, "v1/publish", { room }),
    onLoss: (seconds) => {
      lost += seconds;
      warn("loss", `${Math.ceil(lost)} s of sound left out: the server was away, or is too slow.`);
    },
  });
}

async function stop() {
  if (running === null) return;
  const { publisher, sound } = running;
  running = null;
  await sound.close();
  level = 0;
  publisher.stop();
  byId("state").textContent = "Finishing the last captions…";
}

function hear(message) {
  if (message.type === "started") {
    become(reduce(state, { ...message, type: "snapshot", is_live: true, captions: [] }));
    showBlocks([message.source, ...message.targets]);
    warn("notices", message.notices?.length ? `${message.notices.join(". ")}.` : null);
    warn("status", null);
  } else {
    watchTypes(message);
    become(reduce(state, message));
    if (message.type === "status") warn("status", message.notice ? `${message.notice}.` : null);
  }
}

/** What is new for screen readers is told at once: a page that is hidden has no animation frames. */
function become(next) {
  log.add(newFinals(state, next, next.source), next.session);
  state = next;
  schedule();
}

function showState(name, reason) {
  const texts = {
    connecting: "Connecting…",
    starting: "Starting… What is said now is captioned in a moment.",
    live: "Live",
    lost: "Connection lost. Trying again; nothing is lost for 30 s.",
    stopped: "Stopped",
    refused: "",
  };
  byId("state").textContent = texts[name];
  if (name === "refused") {
    warn("server", `The server refuses: ${reason}`);
    running?.sound.close();
    running = null;
  }
  if (name === "stopped" || name === "refused") {
    level = 0;
    setRunning(false);
    schedule();
  }
}

function setRunning(isRunning) {
  byId("start").disabled = isRunning;
  byId("stop").disabled = !isRunning;
  for (const field of form.querySelectorAll("input, select, textarea")) field.disabled = isRunning;
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
  byId("level").value = Math.sqrt(level); // speech then moves about the middle
  const isQuiet = running !== null && performance.now() - lastSoundAt > QUIET_AFTER_MS;
  warn("quiet", isQuiet ? "No sound arrives. Is it the right microphone, and not muted?" : null);
  byId("lag").textContent = running === null ? "not running" : progress();
  for (const [language, block] of blocks) {
    block.render(state.captions[language] ?? [], language, state.session);
  }
  byId("waiting").hidden = Object.keys(state.captions).length > 0;
}

/** How far the captions are behind, and which language was found out. */
function progress() {
  const found = state.captions[SPOKEN]?.at(-1)?.language;
  return [
    ...(state.status ? [`captions ${(state.status.lag_ms / 1000).toFixed(1)} s behind`] : []),
    ...(found ? [`hears ${nameOf(found)}`] : []),
  ].join(", ");
}

function warn(about, text) {
  if (text === null) warnings.delete(about);
  else warnings.set(about, text);
  const all = [...warnings.values()].join(" ");
  if (byId("warning").textContent !== all) byId("warning").textContent = all;
  byId("warning").hidden = all === "";
}

function showTermsProblem(problem) {
  byId("terms-problem").textContent = problem ?? "";
  byId("terms-problem").hidden = problem === null;
  form.elements.terms.setAttribute("aria-invalid", problem !== null);
}

function showBlocks(languages) {
  if ([...blocks.keys()].join() === languages.join()) return;
  byId("captions").replaceChildren();
  blocks = new Map(
    languages.map((language) => [
      language,
      new CaptionBlock(byId("captions"), { lines: LINES, onResize: schedule }),
    ]),
  );
}

async function showLanguages() {
  try {
    const { source, targets, auto } = await fetchLanguages(token);
    form.elements.source.replaceChildren(
      ...languageOptions(source),
      ...(auto ? [new Option("Found out by listening", SPOKEN)] : []),
    );
    if (source.includes("en")) form.elements.source.value = "en";
    byId("targets").append(...languageBoxes(targets, "targets", () => targets.length === 1));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    warn("server", error.message);
    byId("start").disabled = true;
  }
}

async function showMicrophones() {
  const select = form.elements.device;
  const chosen = select.value;
  const options = (await microphones()).map(
    ({ deviceId, label }) => new Option(label || "A microphone", deviceId),
  );
  select.replaceChildren(new Option("The usual one", ""), ...options);
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}

function showViewAddress() {
  const room = form.elements.room.value;
  const query = new URLSearchParams({ room, page: "black", lines: "4" });
  byId("view").href = `overlay?${query}${location.hash}`;
}
