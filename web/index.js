import { tokenOf } from "./overlay/connection.js";
import { overlayQuery, readOptions } from "./overlay/options.js";

const LOOPBACK = /^(localhost|127\..*|\[::1\])$/;

const byId = (id) => document.getElementById(id);
const form = byId("wishes");
const token = tokenOf(location.hash);

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
byId("qr").addEventListener("error", () => (byId("qr").hidden = true)); // it is a convenience
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
  byId("qr").hidden = isLocal;
  if (!isLocal) byId("qr").src = `v1/qr?${new URLSearchParams({ text: address.href })}`;
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
  const response = await fetch("v1/languages", {
    headers: token === null ? {} : { Authorization: `Bearer ${token}` },
  }).catch(() => null);
  if (!response?.ok) return; // codes can be typed all the same
  const { source, targets } = await response.json();
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  byId("languages").append(
    ...[...new Set([...targets, ...source])].map((code) => new Option(names.of(code), code)),
  );
}
