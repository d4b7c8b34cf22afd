// @ts-check
/** One suggestion what to do next: the first that applies, the gravest first. */

/**
 * @typedef {import("./api.js").Score} Score
 * @typedef {import("./api.js").Detail} Detail
 * @typedef {import("./api.js").Word} Word
 * @typedef {{key: string, values: Record<string, string>, word: Word | null}} Advice
 */

const LATE_S = 0.35;
const SLOW = 1.25;
const FAST = 0.78;
const SHORT = 0.6;
const LONG = 1.8;
const WEAK = 0.45;
const FLAT = 0.35;

/** Fewer phones than that make a word that is hardly heard, by people or models. */
const PHONES = 3;

/** Asked in order; each gives an advice or null. */
const RULES = [fromWarnings, fromMissing, fromOther, fromStart, fromPace, fromLength, fromPhone, fromMelody];

/**
 * @param {Score} score
 * @returns {Advice}
 */
export function adviceOn(score) {
  const detail = score.detail;
  if (detail) {
    for (const rule of RULES) {
      const advice = rule(detail);
      if (advice) return advice;
    }
  }
  return of(score.sim_score >= 0.8 ? "great" : "again");
}

/**
 * @param {string} key
 * @param {Word | null} [word]
 * @param {Record<string, string>} [values]
 * @returns {Advice}
 */
function of(key, word = null, values = {}) {
  return { key: `advice.${key}`, values: { word: word?.text ?? "", ...values }, word };
}

/** @param {Detail} detail @returns {Advice | null} */
function fromWarnings({ warnings }) {
  return warnings.length ? of(warnings[0]) : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromMissing({ words }) {
  const missing = words.filter((word) => word.status === "omission" && word.phones.length >= PHONES);
  if (missing.length > 2) return of("missingMany");
  return missing.length ? of("missing", missing[0]) : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromOther({ words }) {
  const other = words.find((word) => word.status === "substitution" && word.phones.length >= PHONES);
  return other ? of("other", other) : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromStart({ timing }) {
  if (!timing || Math.abs(timing.start_offset_s) < LATE_S) return null;
  return of(timing.start_offset_s > 0 ? "sooner" : "later");
}

/** @param {Detail} detail @returns {Advice | null} */
function fromPace({ timing }) {
  if (!timing) return null;
  if (timing.duration_ratio > SLOW) return of("faster");
  return timing.duration_ratio < FAST ? of("slower") : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromLength({ words, timing }) {
  const timed = words.filter((word) => word.recording && word.reference && word.phones.length >= PHONES);
  const ratio = (/** @type {Word} */ { recording, reference }) =>
    recording && reference
      ? (recording.end - recording.start) / (reference.end - reference.start) / (timing?.duration_ratio || 1)
      : 1;
  const short = timed.find((word) => ratio(word) < SHORT);
  if (short) return of("hold", short);
  const long = timed.find((word) => ratio(word) > LONG);
  return long ? of("shorter", long) : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromPhone({ words }) {
  const all = words.flatMap((word) => word.phones.map((phone) => ({ word, phone })));
  const [weakest] = all.filter(({ phone }) => phone.score < WEAK).sort((one, other) => one.phone.score - other.phone.score);
  return weakest ? of("phone", weakest.word, { phone: weakest.phone.phone }) : null;
}

/** @param {Detail} detail @returns {Advice | null} */
function fromMelody({ prosody }) {
  const melody = prosody.pitch_correlation;
  return melody !== null && melody < FLAT ? of("melody") : null;
}
