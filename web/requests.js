/**
 * What pages ask their server over HTTP.
 */

/** A request that came to nothing; the message is for people. */
export class RequestError extends Error {}

/** Ask for a path below the page's; raises RequestError for what is not answered well. */
export async function ask(path, { token = null, ...options } = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: bearer(token) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError("The server does not answer. Start it, then load this page again.");
  }
  if (!response.ok) throw new RequestError(refusal(response.status, await response.text()));
  return response;
}

export function bearer(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** A sentence about an answer: the server's own, where it sends one. */
export function refusal(status, body) {
  if (status === 401) {
    return "This page needs the right token at the end of its address: #token=…";
  }
  let message = null;
  try {
    message = JSON.parse(body).message;
  } catch {
    // it is no JSON
  }
  return message ? `${sentence(message)}` : `The server answers with status ${status}.`;
}

function sentence(text) {
  const begun = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
