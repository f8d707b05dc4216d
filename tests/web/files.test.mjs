import assert from "node:assert/strict";
import test from "node:test";

import { rowAt, sideBySide } from "../../web/files/cues.js";
import { clock, isGoing, progress } from "../../web/files/jobs.js";

const cue = (start_ms, end_ms, text) => ({ start_ms, end_ms, lines: [text] });
const texts = (rows) =>
  rows.map(({ left, right }) => [left, right].map((side) => side.map(({ lines }) => lines[0])));

test("cues that are shown together stand side by side", () => {
  const left = [cue(0, 1000, "a"), cue(1000, 2000, "b"), cue(3000, 4000, "c")];
  const right = [cue(0, 1900, "A B"), cue(3000, 3400, "C1"), cue(3400, 4000, "C2")];
  const rows = sideBySide(left, right);
  assert.deepEqual(texts(rows), [
    [["a", "b"], ["A B"]],
    [["c"], ["C1", "C2"]],
  ]);
  assert.deepEqual(
    rows.map(({ start_ms, end_ms }) => [start_ms, end_ms]),
    [[0, 2000], [3000, 4000]],
  );
  assert.deepEqual(rows[1].right.map(({ number }) => number), [1, 2]);
});

test("what only one language has stands alone", () => {
  const rows = sideBySide([cue(0, 1000, "a")], [cue(1000, 2000, "B")]);
  assert.deepEqual(texts(rows), [[["a"], []], [[], ["B"]]]);
  assert.deepEqual(sideBySide([], []), []);
});

test("a time belongs to the row that began last", () => {
  const rows = sideBySide([cue(500, 1000, "a"), cue(2000, 3000, "b")], []);
  assert.deepEqual([0, 500, 1500, 2000, 9000].map((ms) => rowAt(rows, ms)), [-1, 0, 0, 1, 1]);
  assert.equal(rowAt([], 0), -1);
});

test("a clock has hours only where there are any", () => {
  assert.deepEqual([0, 61_999, 3_600_000, 36_061_000].map(clock), ["0:00", "1:01", "1:00:00", "10:01:01"]);
});

test("each state of a recording is told", () => {
  const job = { state: "running", heard_ms: 0, duration_ms: 60_000, warnings: [], message: "" };
  const told = (changes) => progress({ ...job, ...changes });
  assert.deepEqual(told({ state: "sending", share: 0.456 }), { text: "Sending, 45 %", share: 0.456 });
  assert.equal(told({ state: "waiting", ahead: 0 }).text, "Making ready to listen");
  assert.equal(told({ state: "waiting", ahead: 2 }).text, "Waiting for 2 other recordings");
  assert.deepEqual(told({ heard_ms: 30_000 }), { text: "Listening, 0:30 of 1:00", share: 0.5 });
  assert.deepEqual(told({ heard_ms: 59_990 }), { text: "Putting the last part into words", share: null });
  assert.deepEqual(told({ duration_ms: null }), { text: "Listening", share: null });
  assert.equal(told({ state: "failed", message: "it is empty" }).text, "Failed: it is empty");
  assert.equal(told({ state: "done", warnings: ["It breaks off"] }).text, "Done. It breaks off");
  assert.deepEqual(["sending", "waiting", "running", "failed", "done"].map((state) => isGoing({ state })), [true, true, true, false, false]);
});
