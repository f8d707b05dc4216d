/**
 * Languages as people choose them: by name, from what the server has.
 */

import { ask } from "./requests.js";

const NAMES = new Intl.DisplayNames(["en"], { type: "language" });
const MORE_NAMES = { ba: "Bashkir", bo: "Tibetan" }; // which not every browser knows

export function nameOf(code) {
  const name = NAMES.of(code) ?? code;
  return name === code ? (MORE_NAMES[code] ?? code) : name;
}

/** What can be spoken (`source`), what it can become (`targets`), and whether it can be found out
 * (`auto`). Raises RequestError. */
export async function fetchLanguages(token) {
  return (await ask("v1/languages", { token })).json();
}

/** Codes in the order of their names. */
export function byName(codes) {
  return [...codes].sort((one, other) => nameOf(one).localeCompare(nameOf(other), "en"));
}

/** Options of a select, by name. */
export function languageOptions(codes) {
  return byName(codes).map((code) => new Option(nameOf(code), code));
}

/** A checkbox for each language, by name; `name` is that of the field. */
export function languageBoxes(codes, name, isChecked = () => false) {
  return byName(codes).map((code) => {
    const label = document.createElement("label");
    const box = Object.assign(document.createElement("input"), {
      type: "checkbox",
      name,
      value: code,
      checked: isChecked(code),
    });
    label.append(box, nameOf(code));
    return label;
  });
}
