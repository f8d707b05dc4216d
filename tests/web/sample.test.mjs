import assert from "node:assert/strict";
import test from "node:test";

import { INITIAL, reduce, shownLanguage } from "../../web/overlay/captions.js";
import { chooseLanguage, chosenLanguage } from "../../web/overlay/choice.js";
import { isSample, SAMPLE_STEPS, sampleSnapshot } from "../../web/overlay/sample.js";

const texts = (state, language) => (state.captions[language] ?? []).map(({ text }) => text);

test("a sample grows word by word until it is said", () => {
  let state = INITIAL;
  let before = "";
  for (let step = 1; step <= SAMPLE_STEPS; step += 1) {
    state = reduce(state, sampleSnapshot(["es"], 1, step));
    const now = texts(state, "es").join(" ");
    assert.ok(now.startsWith(before));
    before = now;
  }
  assert.deepEqual(texts(state, "es"), [
    "Buenos días y bienvenidos al viejo puerto.",
    "El próximo barco sale a las diez y media.",
  ]);
  assert.ok(state.captions.es.every(({ is_final }) => is_final));
  assert.ok(isSample(state) && !isSample(INITIAL));
});

test("a sample begins anew with the next round", () => {
  const said = reduce(INITIAL, sampleSnapshot(["es"], 1, SAMPLE_STEPS));
  const again = reduce(said, sampleSnapshot(["es"], 2, 1));
  assert.ok(texts(again, "es").join().length < 20);
});

test("a sample is there for each wish, and English where nothing else is known", () => {
  const state = reduce(INITIAL, sampleSnapshot([null, "sw"], 1, SAMPLE_STEPS));
  assert.equal(shownLanguage(state, null), "es");
  assert.match(texts(state, "sw")[0], /^Good morning/);
});

test("a choice holds for one address, and where nothing can be kept there is none", () => {
  assert.equal(chosenLanguage("main", "es"), null);
  chooseLanguage("main", "es", "de"); // node has no storage: nothing happens
  const kept = new Map();
  globalThis.localStorage = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, value),
  };
  chooseLanguage("main", "es", "de");
  assert.equal(chosenLanguage("main", "es"), "de");
  assert.equal(chosenLanguage("main", null), null);
  assert.equal(chosenLanguage("hall", "es"), null);
  delete globalThis.localStorage;
});
