import assert from "node:assert/strict";
import test from "node:test";

import { ask, bearer, refusal, RequestError } from "../../web/requests.js";

test("what the server says against a request is told in its words", () => {
  assert.equal(refusal(400, '{"message": "the body must be JSON"}'), "The body must be JSON.");
  assert.equal(refusal(413, '{"message": "A recording may have 5 MB!"}'), "A recording may have 5 MB!");
  assert.equal(refusal(502, "<html>"), "The server answers with status 502.");
  assert.match(refusal(401, ""), /#token=/);
});

test("a token is shown where there is one", () => {
  assert.deepEqual(bearer("t"), { Authorization: "Bearer t" });
  assert.deepEqual(bearer(null), {});
});

test("a server that does not answer is an error for people, and giving up is none", async () => {
  const fails = (error) => async () => {
    throw error;
  };
  const real = globalThis.fetch;
  try {
    globalThis.fetch = fails(new TypeError("fetch failed"));
    await assert.rejects(ask("v1/jobs"), RequestError);
    globalThis.fetch = fails(new DOMException("given up", "AbortError"));
    await assert.rejects(ask("v1/jobs"), { name: "AbortError" });
  } finally {
    globalThis.fetch = real;
  }
});
