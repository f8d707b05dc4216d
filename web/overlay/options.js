/**
 * The options in an overlay's address, "?room=main&lang=es&size=48". Pure.
 *
 * A row per option: `parse` returns the value, or undefined for what is not `allowed`. Only what a
 * row lets through reaches the page, so that no address can bring a style of its own.
 */

const COLORS =
  "black blue cyan gray green lime magenta navy orange red silver transparent white yellow".split(" ");
const GENERIC_FONTS = ["cursive", "monospace", "sans-serif", "serif", "system-ui"];

const LANGUAGE = {
  allowed: "a code like en or es, or auto for what is spoken",
  parse: matching(/^([a-z]{2}|auto)$/),
};
const COLOR = {
  allowed: `hex digits like ffcc00 or 000000b3, or ${COLORS.join(", ")}`,
  parse: (text) => {
    if (COLORS.includes(text)) return text;
    return /^#?([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})$/i.test(text)
      ? `#${text.replace("#", "")}`
      : undefined;
  },
};

export const OPTIONS = [
  {
    name: "room",
    initial: "main",
    allowed: "1 to 64 of a-z A-Z 0-9 _ -",
    parse: matching(/^[a-zA-Z0-9_-]{1,64}$/),
  },
  { name: "lang", initial: null, ...LANGUAGE },
  { name: "dual", initial: null, ...LANGUAGE },
  { name: "lines", initial: 2, ...whole(1, 12), css: "--lines" },
  {
    name: "font",
    initial: null,
    allowed: "a name of letters, digits, spaces and hyphens",
    parse: (text) => {
      if (GENERIC_FONTS.includes(text)) return text;
      return /^[\p{L}\p{N}][\p{L}\p{N} -]{0,59}$/u.test(text) ? `"${text}"` : undefined;
    },
    css: "--font",
  },
  { name: "size", initial: null, ...whole(12, 300), css: "--size", unit: "px" },
  { name: "color", initial: null, ...COLOR, css: "--color" },
  { name: "background", initial: null, ...COLOR, css: "--background" },
  { name: "align", initial: "center", ...oneOf("left", "center", "right") },
  { name: "uppercase", initial: "0", ...oneOf("0", "1") },
  { name: "clear", initial: 10, ...whole(0, 3600) }, // seconds; 0: never
  { name: "page", initial: "transparent", ...oneOf("transparent", "black") },
  { name: "sample", initial: "0", ...oneOf("0", "1") },
];

/** Return the options by name, and a sentence for each value that was not taken. */
export function readOptions(search) {
  const options = Object.fromEntries(OPTIONS.map(({ name, initial }) => [name, initial]));
  const problems = [];
  for (const [name, text] of new URLSearchParams(search)) {
    const row = OPTIONS.find((option) => option.name === name);
    if (row === undefined) {
      const names = OPTIONS.map((option) => option.name).join(", ");
      problems.push(`There is no option "${name}"; the options are ${names}.`);
      continue;
    }
    const value = row.parse(text);
    if (value === undefined) problems.push(`"${name}" must be ${row.allowed}, got "${text}".`);
    else options[name] = value;
  }
  return { options, problems };
}

/** The query of an overlay's address: the options that differ from what holds without them. */
export function overlayQuery(options) {
  const given = OPTIONS.map(({ name, initial }) => [name, initial, String(options[name] ?? "")]);
  return new URLSearchParams(
    given
      .filter(([, initial, text]) => text !== "" && text !== String(initial))
      .map(([name, , text]) => [name, text]),
  ).toString();
}

/** The CSS variables that options set, as [name, value]. */
export function cssVariables(options) {
  return OPTIONS.filter(({ name, css }) => css && options[name] !== null).map(
    ({ name, css, unit = "" }) => [css, `${options[name]}${unit}`],
  );
}

function matching(pattern) {
  return (text) => (pattern.test(text) ? text : undefined);
}

function whole(least, most) {
  return {
    allowed: `a whole number, ${least} to ${most}`,
    parse: (text) => {
      const isInside = /^[0-9]{1,4}$/.test(text) && least <= Number(text) && Number(text) <= most;
      return isInside ? Number(text) : undefined;
    },
  };
}

function oneOf(...values) {
  return {
    allowed: `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`,
    parse: (text) => (values.includes(text) ? text : undefined),
  };
}
