import { fetchLanguages, languageOptions } from "./languages.js";
import { tokenOf } from "./overlay/connection.js";
import { overlayQuery, readOptions } from "./overlay/options.js";
import { ask, RequestError } from "./requests.js";

const PREVIEW_AFTER_MS = 400; // when nobody types any more
const LOOPBACK = /^(localhost|127\..*|\[::1\])$/;

const byId = (id) => document.getElementById(id);
const form = byId("wishes");
const token = tokenOf(location.hash);
let drawing = null; // the request for a QR code that is under way
let previewing; // the timer of the next preview

byId("capture").href = `capture${location.hash}`;
byId("recordings").href = `files${location.hash}`;
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
new ResizeObserver(scalePreview).observe(byId("stage"));
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
  const viewing = wishes.token || token;
  if (wishes.token) address.hash = new URLSearchParams({ token: wishes.token }).toString();
  byId("address").href = byId("address").textContent = address.href;
  const isLocal = LOOPBACK.test(location.hostname);
  byId("local").hidden = !isLocal;
  if (!isLocal) draw(address.href, viewing);
  if (problems.length === 0) {
    clearTimeout(previewing);
    previewing = setTimeout(preview, byId("preview").src ? PREVIEW_AFTER_MS : 0, address);
  }
}

/** The overlay itself, with a sample where nobody speaks. */
function preview(address) {
  const shown = new URL(address);
  shown.searchParams.set("sample", "1");
  byId("stage").classList.toggle("phone", form.elements.page.value === "black");
  scalePreview();
  byId("preview").contentWindow.location.replace(shown); // not an entry in the history
}

function scalePreview() {
  const stage = byId("stage");
  const width = getComputedStyle(stage).getPropertyValue("--width");
  stage.style.setProperty("--scale", stage.clientWidth / width);
}

/** Show the QR code of an address. It goes in the body: it may hold a token. */
async function draw(address, token) {
  drawing?.abort();
  drawing = new AbortController();
  const request = { method: "POST", body: address, token, signal: drawing.signal };
  try {
    const image = await (await ask("v1/qr", request)).blob();
    URL.revokeObjectURL(byId("qr").src);
    byId("qr").src = URL.createObjectURL(image);
    byId("qr").hidden = false;
  } catch (error) {
    if (error.name !== "AbortError") byId("qr").hidden = true; // it is a convenience
  }
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

/** By name, all that the server can hear or translate into. */
async function offerLanguages() {
  try {
    const { source, targets } = await fetchLanguages(token);
    const codes = new Set([...targets, ...source]);
    form.elements.lang.append(...languageOptions(codes));
    form.elements.dual.append(...languageOptions(codes));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    byId("no-languages").textContent = error.message;
    byId("no-languages").hidden = false;
  }
}
