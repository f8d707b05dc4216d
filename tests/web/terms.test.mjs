import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { readTerms } from "../../web/capture/terms.js";

const CASES = JSON.parse(readFileSync(new URL("../terms.json", import.meta.url), "utf-8"));

test("a pasted file of terms becomes what `surtitle publish` would send", () => {
  for (const { text, terms } of CASES.good) {
    assert.deepEqual(readTerms(text, CASES.targets), { terms, problem: null }, text);
  }
});

test("the first bad line is named", () => {
  for (const line of CASES.bad) {
    const { terms, problem } = readTerms(`Tatiana\n# a comment\n${line}\nanother =`, ["es"]);
    assert.deepEqual(terms, []);
    assert.match(problem, /^Line 3 (must be TERM|has )/);
    assert.ok(problem.includes(`“${line.split(" #")[0]}`), problem);
  }
});

test("what the server would refuse is named here", () => {
  const named = (text) => readTerms(text, ["es"]).problem;
  assert.match(named(`a = ${"😀".repeat(101)}`), /^Line 1 has a text of more than 100 characters/);
  assert.equal(named("😀".repeat(100)), null);
  assert.equal(named("book = کتاب\u200cها"), null);
  for (const invisible of ["\u00a0", "\u200b", "\ud800", "\u2066"]) {
    assert.match(named(`old${invisible}town`), /^Line 1 has an invisible character/);
  }
  assert.equal(named("word\n".repeat(500)), null);
  assert.match(named("word\n".repeat(501)), /At most 500 terms .* 501\./);
});

test("a long line is shown in part", () => {
  assert.ok(readTerms(`= ${"x".repeat(9999)}`, []).problem.length < 150);
});
