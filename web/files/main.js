import { fetchLanguages, languageBoxes, languageOptions } from "../languages.js";
import { tokenOf } from "../overlay/connection.js";
import { ask, RequestError } from "../requests.js";
import { clock, isGoing, progress } from "./jobs.js";
import { JobList } from "./list.js";
import { Player } from "./player.js";
import { CueTable } from "./table.js";
import { upload } from "./upload.js";

const LOOK_MS = 1000;

const byId = (id) => document.getElementById(id);
const form = byId("order");
const token = tokenOf(location.hash);
const list = new JobList(byId("list"), {
  onOpen: (id) => guarded(() => open(id, { moves: true })),
  onRemove: (id) => guarded(() => remove(id)),
});
const player = new Player(byId("video"), { onTime: (time_ms) => table.mark(time_ms) });
const table = new CueTable(byId("cues"), {
  onSeek: (time_ms) => {
    table.mark(time_ms);
    player.playFrom(time_ms);
  },
  onCorrect: (...correction) => guarded(() => correct(...correction)),
});

let jobs = []; // what the server tells, newest first
let sending = []; // {id, name, state, share, giveUp}: on their way, this page's own
let shown = null; // the result that is open
let looking; // the timer of the next look
let isAway = false; // the server has not answered the last one
const files = new Map(); // by job: the recordings that this page has
const told = new Map(); // by job: the state that was told last

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(byId("file").files[0]);
});
byId("replay").addEventListener("change", ({ target }) => {
  files.set(shown.id, target.files[0]);
  load();
});
byId("left").addEventListener("change", showCues);
byId("right").addEventListener("change", showCues);
byId("downloads").addEventListener("click", ({ target }) => {
  if (target.dataset.format) guarded(() => download(target.dataset.format));
});
takeDrops(byId("drop"), byId("file"));
addEventListener("hashchange", () => location.reload());

await guarded(showLanguages);
await guarded(look);
const wanted = new URLSearchParams(location.search).get("job");
if (wanted !== null) await guarded(() => open(wanted));

/** Do something that asks the server; what it says against it is shown. */
async function guarded(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    warn(error.message);
  }
}

function warn(text) {
  byId("warning").hidden = text === "";
  byId("warning").textContent = text;
}

async function showLanguages() {
  const { source, targets, auto } = await fetchLanguages(token);
  form.elements.source.replaceChildren(
    ...(auto ? [new Option("Found out by listening", "auto")] : []),
    ...languageOptions(source),
  );
  byId("targets").append(...languageBoxes(targets, "targets"));
}

async function send(file) {
  warn("");
  const stopping = new AbortController();
  const mine = {
    id: `sending ${crypto.getRandomValues(new Uint32Array(1))}`,
    name: file.name,
    state: "sending",
    share: 0,
    giveUp: () => stopping.abort(),
  };
  const address = `v1/jobs?${wishes(file)}`;
  sending.unshift(mine);
  byId("file").value = "";
  const onShare = (share) => {
    mine.share = share;
    render();
  };
  onShare(0);
  await guarded(async () => {
    try {
      const job = await upload(address, file, { token, signal: stopping.signal, onShare });
      files.set(job.id, file);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    } finally {
      sending = sending.filter((each) => each !== mine);
      render();
    }
    await look();
  });
}

function wishes(file) {
  const settings = new FormData(form);
  const source = settings.get("source");
  const targets = settings.getAll("targets").filter((code) => code !== source);
  return new URLSearchParams({
    name: file.name,
    from: source,
    to: targets.join(","),
    speakers: settings.get("speakers") ?? "0",
  });
}

/** Ask what has become of the jobs, and again while any of them goes on, also after a lost answer. */
async function look() {
  clearTimeout(looking);
  try {
    jobs = (await (await ask("v1/jobs", { token })).json()).jobs;
    if (isAway) warn("");
    isAway = false;
  } catch (error) {
    isAway = true;
    throw error;
  } finally {
    if (jobs.some(isGoing)) looking = setTimeout(() => guarded(look), LOOK_MS);
  }
  render();
  tellNews();
  const [newest] = jobs;
  if (shown === null && newest?.state === "done" && files.has(newest.id)) await open(newest.id);
}

/** Say aloud what has changed: each recording's progress would be too much. */
function tellNews() {
  const news = jobs
    .filter(({ id, state }) => told.has(id) && told.get(id) !== state)
    .map((job) => `${job.name}: ${progress(job).text}`);
  if (news.length > 0) byId("news").textContent = news.join(". ");
  for (const { id, state } of jobs) told.set(id, state);
}

function render() {
  const all = [...sending, ...jobs];
  byId("jobs").hidden = all.length === 0;
  list.render(all);
}

async function remove(id) {
  const mine = sending.find((each) => each.id === id);
  if (mine) return mine.giveUp();
  await ask(`v1/jobs/${id}`, { token, method: "DELETE" });
  files.delete(id);
  if (shown?.id === id) close();
  await look();
}

/** Show a result; `moves`: the reader asked for it, and is taken there. */
async function open(id, { moves = false } = {}) {
  const result = await (await ask(`v1/jobs/${id}`, { token })).json();
  if (result.state !== "done") return;
  shown = result;
  const languages = Object.keys(result.cues);
  const [spoken, translation] = languages;
  byId("result").hidden = false;
  byId("result-title").textContent = `${result.name}, ${clock(result.duration_ms)}`;
  byId("result-warning").textContent = result.warnings.join(" ");
  byId("result-warning").hidden = result.warnings.length === 0;
  byId("left").replaceChildren(...languageOptions(languages));
  byId("right").replaceChildren(new Option("Nothing", ""), ...languageOptions(languages));
  byId("download-language").replaceChildren(...languageOptions(languages));
  byId("left").value = spoken;
  byId("right").value = translation ?? "";
  byId("download-language").value = translation ?? spoken;
  remember(id);
  load();
  showCues();
  if (moves) byId("result-title").focus();
}

function close() {
  shown = null;
  byId("result").hidden = true;
  player.load(null);
  remember(null);
}

/** Loaded again, the page opens the same result. */
function remember(id) {
  const address = new URL(location.href);
  if (id === null) address.searchParams.delete("job");
  else address.searchParams.set("job", id);
  history.replaceState(null, "", address);
}

/** Play the recording that is open, where this page has it. */
function load() {
  const file = files.get(shown.id) ?? null;
  byId("again").hidden = file !== null;
  byId("replay").value = "";
  player.load(file);
}

function showCues() {
  const left = byId("left").value;
  const right = byId("right").value;
  table.show(shown.cues, left, right === "" || right === left ? null : right);
  player.show(shown.cues[right || left]);
}

async function correct(language, cue, text, field) {
  const { id, cues } = shown;
  const body = JSON.stringify({ language, cue, text });
  const answer = await ask(`v1/jobs/${id}/cues`, { token, method: "PATCH", body });
  cues[language][cue] = await answer.json();
  field.classList.add("saved");
  byId("news").textContent = "Kept.";
  if (shown?.id === id) player.show(cues[byId("right").value || byId("left").value]);
}

async function download(format) {
  const language = byId("download-language").value;
  const query = new URLSearchParams({ lang: language, format });
  const answer = await ask(`v1/jobs/${shown.id}/subtitles?${query}`, { token });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = `${shown.name.replace(/\.[^.]*$/, "")}.${language}.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // when it is surely saved
}

/** A file that is dropped anywhere on the page is chosen. */
function takeDrops(place, input) {
  for (const type of ["dragenter", "dragover"]) {
    addEventListener(type, (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
  }
  addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget === null) place.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("over");
    if (event.dataTransfer.files.length > 0) input.files = event.dataTransfer.files;
  });
}
