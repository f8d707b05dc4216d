import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  INITIAL,
  MAX_SEGMENTS,
  newFinals,
  reduce,
  shownLanguage,
  typeWatch,
} from "../../web/overlay/captions.js";

const SNAPSHOT = {
  type: "snapshot",
  session: "s-1",
  sequence: 0,
  source: "en",
  targets: ["es"],
  is_live: true,
  captions: [],
};
const LIVE = reduce(INITIAL, SNAPSHOT);

function caption(fields) {
  return {
    type: "caption",
    sequence: 1,
    segment_id: 0,
    revision: 0,
    language: "es",
    text: "hola",
    is_final: false,
    ...fields,
  };
}

function texts(state, language = "es") {
  return (state.captions[language] ?? []).map(({ text }) => text);
}

function recorded(name = "captions.jsonl") {
  const path = new URL(`../../samples/${name}`, import.meta.url);
  return readFileSync(path, "utf8").trim().split("\n").map(JSON.parse);
}

test("a higher revision replaces, a lower or equal one does not", () => {
  let state = reduce(LIVE, caption({ revision: 2, text: "buenas" }));
  state = reduce(state, caption({ revision: 1, text: "late" }));
  state = reduce(state, caption({ revision: 2, text: "again" }));
  assert.deepEqual(texts(state), ["buenas"]);
  assert.deepEqual(texts(reduce(state, caption({ revision: 3, text: "buenos" }))), ["buenos"]);
});

test("nothing changes after a final", () => {
  const state = reduce(LIVE, caption({ revision: 1, text: "fin", is_final: true }));
  assert.deepEqual(texts(reduce(state, caption({ revision: 9, text: "more" }))), ["fin"]);
});

test("segments stand in their order, however they arrive", () => {
  let state = reduce(LIVE, caption({ segment_id: 2, text: "c" }));
  state = reduce(state, caption({ segment_id: 0, text: "a" }));
  state = reduce(state, caption({ segment_id: 10, text: "d" }));
  assert.deepEqual(texts(state), ["a", "c", "d"]);
});

test("only the newest segments are kept", () => {
  let state = LIVE;
  for (let id = 0; id < MAX_SEGMENTS + 5; id++) {
    state = reduce(state, caption({ segment_id: id, text: String(id) }));
  }
  assert.equal(texts(state).length, MAX_SEGMENTS);
  assert.equal(texts(state)[0], "5");
});

test("the snapshot of the same session adds what was missed", () => {
  const state = reduce(LIVE, caption({ text: "uno", is_final: true }));
  const missed = caption({ segment_id: 1, text: "dos", is_final: true });
  assert.deepEqual(texts(reduce(state, { ...SNAPSHOT, captions: [missed] })), ["uno", "dos"]);
});

test("another session starts from nothing", () => {
  const state = reduce(LIVE, caption({}));
  assert.deepEqual(texts(reduce(state, { ...SNAPSHOT, session: "s-2" })), []);
});

test("the state before is left as it was", () => {
  const before = structuredClone(LIVE);
  reduce(LIVE, caption({}));
  assert.deepEqual(LIVE, before);
});

test("a type that the page does not know changes nothing, and is told once", () => {
  assert.equal(reduce(LIVE, { type: "poll", question: "?" }), LIVE);
  const told = [];
  const watch = typeWatch((text) => told.push(text));
  for (const type of ["poll", "snapshot", "caption", "status", "poll", "chapter"]) watch({ type });
  assert.deepEqual(told.map((text) => text.match(/type (\w+)/)[1]), ["poll", "chapter"]);
  for (let n = 0; n < 1000; n++) watch({ type: `type-${n}` });
  assert.ok(told.length < 50);
});

test("fields of a newer server do no harm", () => {
  const words = [{ text: "hola", start_ms: 0, end_ms: 900, is_estimated: true }];
  const spoken = caption({ text: "hola", is_final: true, is_source: true, words, of_later: {} });
  const state = [
    { ...SNAPSHOT, of_later: [1] },
    spoken,
    { type: "status", lag_ms: 0, notice: "3 captions are not stored", of_later: null },
  ].reduce(reduce, INITIAL);
  assert.deepEqual(texts(state), ["hola"]);
  assert.deepEqual(newFinals(LIVE, state, "es").map(({ text }) => text), ["hola"]);
  assert.equal(state.status.notice, "3 captions are not stored");
});

test("new finals are told once, and not those from before the page was opened", () => {
  const final = caption({ text: "uno", is_final: true });
  const first = reduce(INITIAL, { ...SNAPSHOT, captions: [final] });
  assert.deepEqual(newFinals(INITIAL, first, "es"), []);
  const draft = reduce(first, caption({ segment_id: 1, text: "do" }));
  assert.deepEqual(newFinals(first, draft, "es"), []);
  const second = reduce(draft, caption({ segment_id: 1, revision: 1, text: "dos", is_final: true }));
  assert.deepEqual(newFinals(draft, second, "es").map(({ text }) => text), ["dos"]);
  assert.deepEqual(newFinals(second, second, "es"), []);
});

test("the first translation is shown where nothing else is wished", () => {
  assert.equal(shownLanguage(LIVE, null), "es");
  assert.equal(shownLanguage(LIVE, "en"), "en");
  assert.equal(shownLanguage({ ...LIVE, targets: [] }, null), "en");
});

const ANY = reduce(INITIAL, { ...SNAPSHOT, source: "auto" });

test("what is spoken stands together, in whatever language it is, and serves as a translation", () => {
  const state = [
    caption({ language: "en", text: "Good morning.", is_source: true, is_final: true }),
    caption({ language: "es", text: "Buenos días.", is_source: false, is_final: true }),
    caption({ segment_id: 1, language: "es", text: "¿Qué", is_source: true }),
    caption({ segment_id: 1, language: "es", text: "¿Qué tal?", revision: 1, is_source: true }),
  ].reduce(reduce, ANY);
  assert.deepEqual(texts(state, "auto"), ["Good morning.", "¿Qué tal?"]);
  assert.deepEqual(texts(state, "es"), ["Buenos días.", "¿Qué tal?"]);
  assert.equal(reduce(LIVE, caption({ is_source: true })).captions.auto, undefined);
});

test("what is spoken can be wished for by that name", () => {
  assert.equal(shownLanguage({ ...ANY, targets: [] }, null), "auto");
  assert.equal(shownLanguage(ANY, null), "es");
  assert.equal(shownLanguage(ANY, "auto"), "auto");
  assert.equal(shownLanguage(LIVE, "auto"), "en");
});

test("the recorded talk ends with its finals, in both languages", () => {
  const state = recorded().reduce(reduce, INITIAL);
  for (const language of ["en", "es"]) {
    const path = new URL(`../../samples/harbor.${language}.txt`, import.meta.url);
    const lines = readFileSync(path, "utf8").split("\n").slice(0, 12);
    assert.deepEqual(texts(state, language), lines);
    assert.ok(state.captions[language].every(({ is_final }) => is_final));
  }
  assert.equal(state.status.type, "status");
});

test("the recorded talk survives repetition and drafts that are left out", () => {
  const messages = recorded();
  const sparse = messages.filter((message, index) => message.is_final !== false || index % 3 === 0);
  const twice = [...sparse, ...messages];
  const { captions } = twice.reduce(reduce, INITIAL);
  assert.deepEqual(captions, messages.reduce(reduce, INITIAL).captions);
});

test("the recording with words, finals out of order and an unknown type is shown in order", () => {
  const messages = recorded("captions_words.jsonl");
  const state = messages.reduce(reduce, INITIAL);
  assert.deepEqual(texts(state), [
    "Buenos días y bienvenidos al viejo puerto.",
    "He trabajado aquí durante treinta años.",
  ]);
  assert.equal(state.captions.en.at(-1).words.length, 7);
  assert.equal(state.isLive, false);
});

test("a final that comes with the end of its session is read, until another session begins", () => {
  const end = { ...SNAPSHOT, session: null, source: null, targets: [], is_live: false };
  const said = reduce(LIVE, caption({ is_final: true }));
  const ended = reduce(said, end);
  assert.equal(ended.isLive, false);
  assert.deepEqual(texts(ended), ["hola"]);
  assert.deepEqual(newFinals(LIVE, ended, "es").map(({ text }) => text), ["hola"]);
  assert.deepEqual(texts(reduce(ended, { ...SNAPSHOT, session: "s-2" })), []);
  assert.deepEqual(reduce(INITIAL, end), { ...INITIAL, isLive: false });
});
