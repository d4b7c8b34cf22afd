// @ts-check
/** A clip's text, cut into the words that have times and what is between them. */

/**
 * @template {{text: string}} Timed
 * @typedef {{text: string, word: Timed | null}} Piece
 */

/**
 * Find timed words in a text, in order; what is written otherwise than spoken ("7") stays plain, and
 * its words are put in where they belong.
 *
 * @template {{text: string}} Timed
 * @param {string} text
 * @param {Timed[]} words
 * @returns {Piece<Timed>[]}
 */
export function piecesOf(text, words) {
  /** @type {Piece<Timed>[]} */
  const pieces = [];
  const lower = text.toLocaleLowerCase();
  let at = 0;
  for (const word of words) {
    const found = lower.indexOf(word.text.toLocaleLowerCase(), at);
    if (found < 0 || !word.text) continue;
    if (found > at) pieces.push({ text: text.slice(at, found), word: null });
    at = found + word.text.length;
    pieces.push({ text: text.slice(found, at), word });
  }
  if (at < text.length) pieces.push({ text: text.slice(at), word: null });
  return pieces;
}
