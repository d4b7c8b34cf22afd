// @ts-check
/** What the browser remembers of small things; works without storage, for as long as the page is open. */

const PREFIX = "studio.";
/** @type {Map<string, string>} */
const unsaved = new Map();

/**
 * @param {string} name
 * @returns {string | null}
 */
export function get(name) {
  try {
    return localStorage.getItem(PREFIX + name) ?? unsaved.get(name) ?? null;
  } catch {
    return unsaved.get(name) ?? null;
  }
}

/**
 * @param {string} name
 * @param {string | null} value null to forget it
 */
export function put(name, value) {
  unsaved.delete(name);
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    if (value !== null) unsaved.set(name, value);
  }
}

/**
 * @param {string} name
 * @param {boolean} otherwise where nothing was chosen
 * @returns {boolean}
 */
export function isOn(name, otherwise) {
  const value = get(name);
  return value === null ? otherwise : value === "on";
}

/**
 * The best score of a clip so far, from 0 to 1.
 *
 * @param {string} clip `uid/cid`
 * @returns {number | null}
 */
export function bestOf(clip) {
  const value = get(`best.${clip}`);
  return value === null ? null : Number(value);
}

/**
 * Keep a clip's score if it is its best.
 *
 * @param {string} clip `uid/cid`
 * @param {number} score
 * @returns {boolean} whether it is
 */
export function keepBest(clip, score) {
  const best = bestOf(clip);
  if (best !== null && best >= score) return false;
  put(`best.${clip}`, String(score));
  return true;
}
