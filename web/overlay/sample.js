/**
 * Captions to look at where nobody speaks: what a page would show, word by word. Pure.
 */

const SAID = {
  en: ["Good morning, and welcome to the old harbor.", "The next boat leaves at half past ten."],
  es: ["Buenos días y bienvenidos al viejo puerto.", "El próximo barco sale a las diez y media."],
  de: ["Guten Morgen und willkommen im alten Hafen.", "Das nächste Boot fährt um halb elf."],
  fr: ["Bonjour et bienvenue dans le vieux port.", "Le prochain bateau part à dix heures et demie."],
  it: ["Buongiorno e benvenuti nel vecchio porto.", "La prossima barca parte alle dieci e mezza."],
  pt: ["Bom dia e bem-vindos ao velho porto.", "O próximo barco parte às dez e meia."],
};
const SPOKEN_IN = "en";

/** Steps until everything is said. */
export const SAMPLE_STEPS = 20;

/** A room at a step, from 1 to SAMPLE_STEPS; of languages, null stands for the room's translation. */
export function sampleSnapshot(languages, round, step) {
  const targets = languages.map((language) => language ?? "es");
  return {
    type: "snapshot",
    session: `sample ${round}`,
    is_live: true,
    source: SPOKEN_IN,
    targets,
    captions: [...new Set([SPOKEN_IN, ...targets])].flatMap((code) => captions(code, step)),
  };
}

export function isSample({ session }) {
  return session !== null && session.startsWith("sample ");
}

function captions(language, step) {
  const sentences = SAID[language] ?? SAID[SPOKEN_IN];
  return sentences.flatMap((sentence, segment_id) => {
    const words = sentence.split(" ");
    const share = (step * sentences.length) / SAMPLE_STEPS - segment_id;
    const count = Math.round(words.length * Math.min(1, Math.max(0, share)));
    if (count === 0) return [];
    const is_final = count === words.length;
    return [{ segment_id, revision: step, language, text: words.slice(0, count).join(" "), is_final }];
  });
}
