import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { INITIAL, reduce } from "../../web/overlay/captions.js";
import { breakLines, direction, flow, lineStarts, lineText, units } from "../../web/overlay/lines.js";

const fits = (most) => (text) => [...text].length <= most;

function draft(text, segment_id = 0, is_final = false, language = "en") {
  return { segment_id, text, is_final, language };
}

/** Break states of captions one after the other; return the lines of the last one. */
function broken(states, most, language = "en") {
  let starts = new Set();
  let lines = [];
  for (const captions of states) {
    const spoken = captions.map((caption) => ({ ...caption, language }));
    lines = breakLines(flow(spoken), fits(most), starts);
    starts = lineStarts(lines);
  }
  return lines.map(lineText);
}

test("lines are filled as far as they go", () => {
  assert.deepEqual(broken([[draft("We will walk for about an hour.")]], 14), [
    "We will walk",
    "for about an",
    "hour.",
  ]);
});

test("segments follow each other on one line", () => {
  assert.deepEqual(broken([[draft("Yes.", 0, true), draft("No.", 1)]], 20), ["Yes. No."]);
});

test("each segment is cut as its own language is", () => {
  const captions = [draft("We walk.", 0, true), draft("港は六時に開く。", 1, true, "ja"), draft("Yes.", 2)];
  const lines = breakLines(flow(captions), fits(12), new Set());
  assert.deepEqual(lines.map(lineText), ["We walk.港は六", "時に開く。 Yes."]);
});

test("growing text leaves the words that are shown where they are", () => {
  const words = "El gran barco azul va a la isla dos veces al día.".split(" ");
  const place = new Map();
  let starts = new Set();
  for (let count = 1; count <= words.length; count++) {
    const text = words.slice(0, count).join(" ");
    const lines = breakLines(flow([draft(text)]), fits(16), starts);
    starts = lineStarts(lines);
    lines.forEach((line, row) =>
      line.forEach(({ key }) => {
        assert.equal(place.get(key) ?? row, row, key);
        place.set(key, row);
      }),
    );
  }
});

test("a shorter word leaves the line below in its place", () => {
  const before = draft("Llegaremos mañana al puerto viejo");
  const after = draft("Llegamos mañana al puerto viejo");
  assert.deepEqual(broken([[before], [after]], 20), ["Llegamos mañana al", "puerto viejo"]);
  assert.deepEqual(broken([[after]], 25), ["Llegamos mañana al puerto", "viejo"]);
  assert.deepEqual(broken([[before], [after]], 25), ["Llegamos mañana al", "puerto viejo"]);
});

test("a longer word moves only what no longer fits", () => {
  const before = draft("It is a big red boat");
  const after = draft("It is a tremendous red boat");
  assert.deepEqual(broken([[before]], 12), ["It is a big", "red boat"]);
  assert.deepEqual(broken([[before], [after]], 12), ["It is a", "tremendous", "red boat"]);
});

test("segments that leave at the top do not shift the lines that stay", () => {
  const all = [draft("One two", 0, true), draft("three four five", 1, true), draft("six", 2)];
  assert.deepEqual(broken([all, all.slice(1)], 13), ["three", "four five six"]);
});

test("a word longer than a line stands alone", () => {
  assert.deepEqual(broken([[draft("see https://example.org/captions now")]], 10), [
    "see",
    "https://example.org/captions",
    "now",
  ]);
});

test("languages without spaces break between words, never before a closing mark", () => {
  assert.deepEqual(broken([[draft("港は朝五時に開きます。「魚市場」です。")]], 6, "ja").join(""),
    "港は朝五時に開きます。「魚市場」です。"); // prettier-ignore
  for (const most of [3, 4, 5, 6, 7]) {
    const lines = broken([[draft("港は朝五時に開きます。「魚市場」です。")]], most, "ja");
    assert.ok(lines.length > 2);
    assert.ok(!lines.some((line) => /^[。」、]/u.test(line)), lines.join("/"));
    assert.ok(!lines.some((line) => /「$/u.test(line)), lines.join("/"));
  }
});

test("Chinese segments follow each other without a space, Korean ones with one", () => {
  const zh = [draft("早上好。", 0, true), draft("欢迎。", 1)];
  assert.deepEqual(broken([zh], 20, "zh"), ["早上好。欢迎。"]);
  const ko = [draft("안녕하세요.", 0, true), draft("환영합니다.", 1)];
  assert.deepEqual(broken([ko], 20, "ko"), ["안녕하세요. 환영합니다."]);
});

test("who speaks is named where another spoke before, on a line of its own", () => {
  const by = (speaker, text, segment) => ({ ...draft(text, segment, true), speaker });
  const talk = [by("Ann", "One two.", 0), by("Ann", "Three.", 1), by("Ben", "Four.", 2)];
  assert.deepEqual(broken([talk], 40), ["Ann: One two. Three.", "Ben: Four."]);
  assert.deepEqual(broken([talk.slice(0, 1), talk], 12), ["Ann: One", "two. Three.", "Ben: Four."]);
  assert.deepEqual(broken([[by("安", "早上好。", 0)]], 20, "zh"), ["安: 早上好。"]);
  assert.deepEqual(broken([[by("Ann", "", 0), by("", "One", 1)]], 20), ["One"]);
});

test("foreign words within a language without spaces keep theirs", () => {
  const text = units("这是 open source 软件", "zh").map((unit) => (unit.spaced ? " " : "") + unit.text);
  assert.equal(text.join("").trim(), "这是 open source 软件");
});

test("four of the languages run from right to left", () => {
  assert.deepEqual(["ar", "he", "fa", "ur", "es", "ja"].map(direction).join(), "rtl,rtl,rtl,rtl,ltr,ltr");
});

test("in the recorded talk no word moves unless the text before it changes", () => {
  const path = new URL("../../samples/captions.jsonl", import.meta.url);
  const messages = readFileSync(path, "utf8").trim().split("\n").map(JSON.parse);
  for (const language of ["en", "es"]) {
    let state = INITIAL;
    let starts = new Set();
    let before = [];
    for (const message of messages) {
      state = reduce(state, message);
      const lines = breakLines(flow(state.captions[language] ?? []), fits(30), starts);
      starts = lineStarts(lines);
      const now = lines.flatMap((line, row) => line.map(({ key }) => `${row} ${key}`));
      const keys = (places) => places.map((place) => place.replace(/^\d+ /, ""));
      const changed = keys(now).findIndex((key, index) => key !== keys(before)[index]);
      const same = changed === -1 ? now.length : changed;
      assert.deepEqual(now.slice(0, same), before.slice(0, same));
      before = now;
    }
    assert.ok(before.length > 80);
  }
});
