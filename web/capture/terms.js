/**
 * A glossary as it is typed or pasted: a term a line, in the format of the files for --terms.
 *
 * A term stands alone, with its translation for every language (`harbor = puerto`), or with one per
 * language (`harbor = es: puerto; de: Hafen`). A tab may stand for the `=`. `#` begins a comment, at
 * the start of a line or after a blank.
 */

const MOST_TERMS = 500; // the protocol's limits
const MOST_CHARS = 100;
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;
const COMMENT = /(?:^|\s)#(.*)$/s; // not that of C#
const TRANSLATION = /^(?:([a-z]{2})\s*:\s*)?(.+)$/;
// As the server: no space but the ordinary one; Persian and Hindi are written with the two joiners.
const INVISIBLE = /(?![ \u200c\u200d])[\p{C}\p{Z}]/u;

/** Return the protocol's terms for some target languages, and what is wrong in words, or null. */
export function readTerms(text, targets) {
  const terms = [];
  for (const [index, raw] of text.split(LINE_END).entries()) {
    const comment = COMMENT.exec(raw);
    const line = raw.slice(0, comment?.index).trim();
    if (line === "") continue;
    const { term, problem } = readTerm(line, comment?.[1] ?? "", targets);
    if (problem) return { terms: [], problem: `Line ${index + 1} ${problem}: “${line.slice(0, 80)}”` };
    terms.push(term);
  }
  if (terms.length > MOST_TERMS) {
    return { terms: [], problem: `At most ${MOST_TERMS} terms can be sent; these are ${terms.length}.` };
  }
  return { terms, problem: null };
}

function readTerm(line, comment, targets) {
  const isParted = line.includes("=");
  const [left, ...rest] = line.split(isParted ? "=" : "\t");
  if (!isParted && rest.length > 1) {
    return { problem: "has more than one tab; write TERM = TRANSLATION" };
  }
  const source = singleBlanks(left);
  const right = rest.length ? singleBlanks(rest.join("=")) : null;
  if (source === "" || right === "") return { problem: "must be TERM or TERM = TRANSLATION" };
  if (right === null && comment.includes("=")) {
    return { problem: "has its = behind a #, which begins a comment after a blank" };
  }
  if (right === null && source.includes(",")) {
    return { problem: "has a comma and no =; write TERM = TRANSLATION" };
  }
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

function singleBlanks(text) {
  return text.replace(/[ \t]+/g, " ").trim();
}
