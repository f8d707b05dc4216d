/**
 * How captions are put on lines. Pure; what fits is for the caller to measure.
 *
 * A word stays on its line while the text before it does not change.
 */

const RIGHT_TO_LEFT = new Set(["ar", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"]);
const WITHOUT_SPACES = new Set(["ja", "km", "lo", "my", "th", "zh"]);

/** Marks that must not begin a line, and that must not end one. */
const CLOSING = /^[\p{Pe}\p{Pf}、。，．：；？！・ー々ゝヽぁぃぅぇぉっゃゅょァィゥェォッャュョ…,.:;?!%]/u;
const OPENING = /[\p{Ps}\p{Pi}]$/u;

export function direction(language) {
  return RIGHT_TO_LEFT.has(language) ? "rtl" : "ltr";
}

/** Cut a text where a line may end: pieces without the space around them, and whether one was. */
export function units(text, language) {
  const pieces = [];
  for (const part of text.split(/\s+/u).filter(Boolean)) {
    const cut = WITHOUT_SPACES.has(language) ? words(part, language) : [part];
    cut.forEach((piece, index) => pieces.push({ text: piece, spaced: index === 0 }));
  }
  return pieces;
}

function words(part, language) {
  const cut = [];
  for (const { segment } of new Intl.Segmenter(language, { granularity: "word" }).segment(part)) {
    const last = cut.at(-1);
    if (last !== undefined && (CLOSING.test(segment) || OPENING.test(last))) {
      cut[cut.length - 1] += segment;
    } else {
      cut.push(segment);
    }
  }
  return cut;
}

/**
 * The words of captions in one flow, each with a key that says where it stands in its segment. Where
 * another speaks than before, the name comes first.
 */
export function flow(captions) {
  return captions.flatMap(({ segment_id, text, is_final, language, speaker }, number) => {
    const words = units(text, language).map((unit, index) => ({
      ...unit,
      spaced: unit.spaced && (index > 0 || !WITHOUT_SPACES.has(language)),
      key: `${segment_id}:${index}:${unit.text}`,
      isFinal: is_final,
    }));
    if (!speaker || words.length === 0 || speaker === captions[number - 1]?.speaker) return words;
    words[0].spaced = true;
    const name = { text: `${speaker}:`, key: `${segment_id}:name`, isFinal: true, isName: true };
    return [name, ...words];
  });
}

/**
 * Break a flow into lines, each an array of words.
 *
 * A word that began a line before (its key is in `starts`) begins one again, and so does a name;
 * others join the line while `fits(text)` holds for all of it.
 */
export function breakLines(flow, fits, starts) {
  const lines = [];
  for (const word of flow) {
    const line = lines.at(-1);
    const joins = line && !word.isName && !starts.has(word.key);
    if (joins && fits(lineText([...line, word]))) line.push(word);
    else lines.push([word]);
  }
  return lines;
}

export function lineText(line) {
  return line.map((word, index) => (index > 0 && word.spaced ? " " : "") + word.text).join("");
}

/** The keys to hand to the next `breakLines`. */
export function lineStarts(lines) {
  return new Set(lines.map((line) => line[0].key));
}
