/**
 * What a page knows of its room. Pure: a state and a message of the protocol make the next state.
 */

/** In place of a language: what is spoken, in whatever language each segment is. */
export const SPOKEN = "auto";

/** So many segments of each language are kept; older ones have long scrolled out. */
export const MAX_SEGMENTS = 24;

/**
 * `captions` holds the newest segments of each language, oldest first; where the language spoken may
 * change (`source` is SPOKEN), those that were spoken under SPOKEN too.
 */
export const INITIAL = Object.freeze({
  session: null,
  isLive: false,
  source: null,
  targets: [],
  captions: {},
  status: null,
});

/** Messages of other types, and fields that are not known here, change nothing. */
export function reduce(state, message) {
  switch (message.type) {
    case "snapshot":
      return snapshot(state, message);
    case "caption":
      return { ...state, captions: merged(state.captions, [message], state.source) };
    case "status":
      return { ...state, status: message };
    default:
      return state;
  }
}

const TYPES = new Set(["snapshot", "caption", "status"]);
const MOST_WARNINGS = 20;

/** Hears messages; types that a newer server may have, and this page has not, go to `warn` once. */
export function typeWatch(warn = (text) => console.warn(text)) {
  const told = new Set();
  return ({ type }) => {
    if (TYPES.has(type) || told.has(type) || told.size === MOST_WARNINGS) return;
    told.add(type);
    warn(`messages of type ${type} are not known to this page and left out`);
  };
}

/** When nobody speaks any more, what was said last stays: it has yet to be read. */
function snapshot(state, { session, is_live, source, targets, captions }) {
  if (session === null) return { ...state, isLive: false, status: null };
  const isSame = session === state.session;
  return {
    session,
    isLive: is_live,
    source,
    targets: targets ?? [],
    captions: merged(isSame ? state.captions : {}, captions, source),
    status: isSame ? state.status : null,
  };
}

/** Captions replace by (segment_id, language), where the revision is higher. */
function merged(captions, news, source) {
  const result = { ...captions };
  for (const caption of news) {
    const places = source === SPOKEN && caption.is_source ? [SPOKEN] : [];
    for (const place of [caption.language, ...places]) {
      result[place] = withCaption(result[place] ?? [], caption);
    }
  }
  return result;
}

function withCaption(others, caption) {
  const older = others.find((other) => other.segment_id === caption.segment_id);
  if (older && (older.is_final || older.revision >= caption.revision)) return others;
  return [...others.filter((other) => other !== older), caption]
    .sort((a, b) => a.segment_id - b.segment_id)
    .slice(-MAX_SEGMENTS);
}

/**
 * The finals of a language that `after` has and `before` had not, oldest first. What was said
 * before the page was opened is not new.
 */
export function newFinals(before, after, language) {
  if (before.session === null) return [];
  const old = before.session === after.session ? finals(before, language) : [];
  const known = new Set(old.map((caption) => caption.segment_id));
  return finals(after, language).filter((caption) => !known.has(caption.segment_id));
}

function finals(state, language) {
  return (state.captions[language] ?? []).filter((caption) => caption.is_final && caption.text);
}

/** The language to show: the one wished for, else the first translation, else what is spoken. */
export function shownLanguage(state, wished) {
  const language = wished ?? state.targets[0] ?? SPOKEN;
  return language === SPOKEN ? state.source : language;
}
