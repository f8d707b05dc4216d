/**
 * The language that a reader has chosen on this device in place of an address's; the address stays.
 */

/** Null where none was chosen, or the browser keeps nothing. */
export function chosenLanguage(room, lang) {
  try {
    return localStorage.getItem(key(room, lang));
  } catch {
    return null;
  }
}

export function chooseLanguage(room, lang, chosen) {
  try {
    localStorage.setItem(key(room, lang), chosen);
  } catch {
    // then it holds until the page is closed
  }
}

function key(room, lang) {
  return `language of ${room} instead of ${lang ?? "its first"}`;
}
