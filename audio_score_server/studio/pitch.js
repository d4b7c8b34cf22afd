// @ts-check
/** The melody of a voice: its pitch over time, by normalised autocorrelation. */

const RATE = 8000;
const STEP_S = 0.02;
const WINDOW_S = 0.04;
const LOWEST_HZ = 70;
const HIGHEST_HZ = 420;
const VOICED = 0.6;
const NEARLY = 0.95;
const LEAST_RMS = 0.01;

/** @typedef {{stepS: number, hz: Float32Array}} Melody 0 Hz where nothing is voiced */

/**
 * @param {AudioBuffer} sound
 * @returns {Melody}
 */
export function melodyOf(sound) {
  const samples = decimated(sound.getChannelData(0), sound.sampleRate);
  const step = Math.round(STEP_S * RATE);
  const size = Math.round(WINDOW_S * RATE);
  const longest = Math.ceil(RATE / LOWEST_HZ);
  const count = Math.max(0, Math.floor((samples.length - size - longest) / step));
  const hz = new Float32Array(count);
  const powers = powersOf(samples);
  for (let index = 0; index < count; index++) {
    hz[index] = pitchAt(samples, powers, index * step, size);
  }
  return { stepS: STEP_S, hz };
}

/**
 * @param {Float32Array} samples
 * @param {Float64Array} powers
 * @param {number} from
 * @param {number} size
 * @returns {number}
 */
function pitchAt(samples, powers, from, size) {
  const own = powers[from + size] - powers[from];
  if (Math.sqrt(own / size) < LEAST_RMS) return 0;
  const shortest = Math.floor(RATE / HIGHEST_HZ);
  /** @type {number[]} */
  const likenesses = [];
  for (let lag = shortest; lag <= RATE / LOWEST_HZ; lag++) {
    let product = 0;
    for (let index = from; index < from + size; index++) product += samples[index] * samples[index + lag];
    const other = powers[from + lag + size] - powers[from + lag];
    likenesses.push(product / Math.sqrt(own * other || 1));
  }
  const most = Math.max(...likenesses);
  if (most < VOICED) return 0;
  // The first peak that is nearly the highest: those after it are of octaves below.
  const isPeak = (/** @type {number} */ each, /** @type {number} */ index) =>
    each > NEARLY * most && each >= (likenesses[index + 1] ?? -1);
  return RATE / (shortest + likenesses.findIndex(isPeak));
}

/**
 * Sums of squares up to each sample: the power of any stretch is a difference of two.
 *
 * @param {Float32Array} samples
 * @returns {Float64Array}
 */
function powersOf(samples) {
  const powers = new Float64Array(samples.length + 1);
  samples.forEach((sample, index) => {
    powers[index + 1] = powers[index] + sample * sample;
  });
  return powers;
}

/**
 * Means of as many samples as fit: a filter good enough for pitch.
 *
 * @param {Float32Array} samples
 * @param {number} rate
 * @returns {Float32Array}
 */
function decimated(samples, rate) {
  const factor = rate / RATE;
  const out = new Float32Array(Math.floor(samples.length / factor));
  for (let index = 0; index < out.length; index++) {
    const first = Math.floor(index * factor);
    const stop = Math.max(first + 1, Math.floor((index + 1) * factor));
    let sum = 0;
    for (let at = first; at < stop; at++) sum += samples[at];
    out[index] = sum / (stop - first);
  }
  return out;
}
