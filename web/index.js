import { tokenOf } from "./overlay/connection.js";
import { overlayQuery, readOptions } from "./overlay/options.js";

const LOOPBACK = /^(localhost|127\..*|\[::1\])$/;

const byId = (id) => document.getElementById(id);
const form = byId("wishes");
const token = tokenOf(location.hash);
let drawing = null; // the request for a QR code that is under way

byId("capture").href = `capture${location.hash}`;
form.elements.token.value = token ?? "";
form.addEventListener("input", show);
form.addEventListener("submit", (event) => event.preventDefault());
for (const radio of form.elements.page) {
  radio.addEventListener("change", () => {
    form.elements.lines.value = form.elements.page.value === "black" ? 4 : 2;
    show();
  });
}
byId("copy").addEventListener("click", copy);
show();
offerLanguages();

function show() {
  const wishes = Object.fromEntries(new FormData(form));
  const query = overlayQuery(wishes);
  const { problems } = readOptions(query);
  byId("problems").textContent = problems.join(" ");
  byId("problems").hidden = problems.length === 0;
  byId("result").hidden = problems.length > 0;
  byId("copied").textContent = "";
  const address = new URL("overlay", document.baseURI);
  address.search = query;
  if (wishes.token) address.hash = new URLSearchParams({ token: wishes.token }).toString();
  byId("address").href = byId("address").textContent = address.href;
  const isLocal = LOOPBACK.test(location.hostname);
  byId("local").hidden = !isLocal;
  if (!isLocal) draw(address.href, wishes.token || token);
}

/** Show the QR code of an address. It goes in the body: it may hold a token. */
async function draw(address, token) {
  drawing?.abort();
  drawing = new AbortController();
  const request = { method: "POST", body: address, headers: bearer(token), signal: drawing.signal };
  try {
    const response = await fetch("v1/qr", request);
    if (!response.ok) throw new Error(response.statusText);
    const image = await response.blob();
    URL.revokeObjectURL(byId("qr").src);
    byId("qr").src = URL.createObjectURL(image);
    byId("qr").hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") byId("qr").hidden = true; // it is a convenience
  }
}

function bearer(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function copy() {
  const address = byId("address");
  try {
    await navigator.clipboard.writeText(address.href);
    byId("copied").textContent = "Copied.";
  } catch {
    // Only secure pages may write to the clipboard: leave it to the reader's own keys.
    getSelection().selectAllChildren(address);
    byId("copied").textContent = "Selected: copy it with Ctrl+C, or ⌘C.";
  }
}

async function offerLanguages() {
  const response = await fetch("v1/languages", { headers: bearer(token) }).catch(() => null);
  if (!response?.ok) return; // codes can be typed all the same
  const { source, targets } = await response.json();
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  byId("languages").append(
    ...[...new Set([...targets, ...source])].map((code) => new Option(names.of(code), code)),
  );
}
