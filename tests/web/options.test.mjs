import assert from "node:assert/strict";
import { test } from "node:test";

import { cssVariables, OPTIONS, overlayQuery, readOptions } from "../../web/overlay/options.js";

test("without a query everything has its initial value", () => {
  const { options, problems } = readOptions("");
  assert.deepEqual(problems, []);
  assert.equal(options.room, "main");
  assert.equal(options.lines, 2);
  assert.deepEqual(cssVariables(options), [["--lines", "2"]]);
});

test("good values are taken", () => {
  const query =
    "?room=Hall_2&lang=es&dual=en&lines=3&font=Noto+Sans&size=48&color=ffcc00&background=000000b3" +
    "&align=left&uppercase=1&clear=0&page=black";
  const { options, problems } = readOptions(query);
  assert.deepEqual(problems, []);
  assert.equal(options.dual, "en");
  assert.equal(options.clear, 0);
  assert.deepEqual(Object.fromEntries(cssVariables(options)), {
    "--lines": "3",
    "--font": '"Noto Sans"',
    "--size": "48px",
    "--color": "#ffcc00",
    "--background": "#000000b3",
  });
});

const BAD = [
  ["room", "a b"],
  ["room", "x".repeat(65)],
  ["lang", "español"],
  ["lang", "en,es"],
  ["dual", "EN"],
  ["lines", "0"],
  ["lines", "1e1"],
  ["font", 'x";} body{display:none'],
  ["font", "url(https://example.org/f)"],
  ["size", "48px"],
  ["size", "99999"],
  ["color", "red;background:url(x)"],
  ["color", "var(--x)"],
  ["color", "ff"],
  ["background", "url(data:,)"],
  ["align", "middle"],
  ["uppercase", "yes"],
  ["clear", "-1"],
  ["page", "white"],
];
for (const [name, value] of BAD) {
  test(`${name}=${value} is named, with what is allowed, and not taken`, () => {
    const { options, problems } = readOptions(new URLSearchParams([[name, value]]).toString());
    const row = OPTIONS.find((option) => option.name === name);
    assert.equal(problems.length, 1);
    assert.ok(problems[0].includes(`"${value}"`) && problems[0].includes(row.allowed), problems[0]);
    assert.equal(options[name], row.initial);
  });
}

test("an option that does not exist is named", () => {
  assert.match(readOptions("?colour=red").problems[0], /"colour".*color/);
});

test("an overlay's address holds what differs, and is read back", () => {
  const wishes = { room: "main", lang: "es", dual: "", lines: "4", page: "black", color: "#ffcc00" };
  const query = overlayQuery(wishes);
  assert.equal(query, "lang=es&lines=4&color=%23ffcc00&page=black");
  assert.deepEqual(readOptions(query).problems, []);
  assert.equal(readOptions(query).options.color, "#ffcc00");
});
