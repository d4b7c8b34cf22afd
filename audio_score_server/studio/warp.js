// @ts-check
/** The recording's time on the clip's, by the words that are known in both. */

/**
 * @typedef {import("./api.js").Word} Word
 * @typedef {(seconds: number) => number} Warp
 */

/**
 * @param {Word[]} words
 * @returns {Warp} from a time of the recording to one of the clip; straight beyond the known words
 */
export function warpOf(words) {
  const pairs = pairsOf(words);
  if (pairs.length < 2) return (seconds) => seconds;
  return (seconds) => {
    let index = pairs.findIndex(([recording]) => recording > seconds);
    if (index < 0) return seconds + pairs[pairs.length - 1][1] - pairs[pairs.length - 1][0];
    if (index === 0) return seconds + pairs[0][1] - pairs[0][0];
    const [[start, from], [end, to]] = [pairs[index - 1], pairs[index]];
    return from + ((seconds - start) / (end - start)) * (to - from);
  };
}

/**
 * Starts and ends of words, both times growing.
 *
 * @param {Word[]} words
 * @returns {[number, number][]} of recording and clip
 */
function pairsOf(words) {
  /** @type {[number, number][]} */
  const pairs = [];
  for (const { recording, reference } of words) {
    if (!recording || !reference) continue;
    pairs.push([recording.start, reference.start], [recording.end, reference.end]);
  }
  const grows = (/** @type {[number, number]} */ pair, /** @type {number} */ index) =>
    index === 0 || (pair[0] > pairs[index - 1][0] && pair[1] > pairs[index - 1][1]);
  return pairs.filter(grows);
}
