/**
 * A glossary as it is typed or pasted: a term a line, in the format of the files for --terms.
 *
 * A term stands alone, with its translation for every language (`harbor = puerto`), or with one per
 * language (`harbor = es: puerto; de: Hafen`). `#` begins a comment.
 */

const MOST_TERMS = 500; // the protocol's limits
const MOST_CHARS = 100;
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const TRANSLATION = /^(?:([a-z]{2})\s*:\s*)?(.+)$/;
// As the server: no space but the ordinary one; Persian and Hindi are written with the two joiners.
const INVISIBLE = /(?![ \u200c\u200d])[\p{C}\p{Z}]/u;

/** Return the protocol's terms for some target languages, and what is wrong in words, or null. */
export function readTerms(text, targets) {
  const terms = [];
  for (const [index, raw] of text.split(LINE_END).entries()) {
    const line = raw.split("#", 1)[0].trim();
    if (line === "") continue;
    const { term, problem } = readTerm(line, targets);
    if (problem) return { terms: [], problem: `Line ${index + 1} ${problem}: “${line.slice(0, 80)}”` };
    terms.push(term);
  }
  if (terms.length > MOST_TERMS) {
    return { terms: [], problem: `At most ${MOST_TERMS} terms can be sent; these are ${terms.length}.` };
  }
  return { terms, problem: null };
}

function readTerm(line, targets) {
  const equals = line.indexOf("=");
  const source = (equals < 0 ? line : line.slice(0, equals)).trim();
  const right = equals < 0 ? null : line.slice(equals + 1).trim();
  if (source === "" || right === "") return { problem: "must be TERM or TERM = TRANSLATION" };
  const parts = right?.split(";").map((part) => TRANSLATION.exec(part.trim())) ?? [];
  if (parts.includes(null)) return { problem: "has an empty translation" };
  const texts = [source, ...parts.map(([, , translation]) => translation)];
  if (texts.some((each) => [...each].length > MOST_CHARS)) {
    return { problem: `has a text of more than ${MOST_CHARS} characters` };
  }
  if (texts.some((each) => INVISIBLE.test(each))) {
    return { problem: "has an invisible character, perhaps a tab or a no-break space" };
  }
  const translations = new Map(parts.map(([, language, translation]) => [language, translation]));
  const chosen = targets
    .map((language) => [language, translations.get(language) ?? translations.get(undefined)])
    .filter(([, translation]) => translation !== undefined);
  return { term: { source, targets: Object.fromEntries(chosen) } };
}
