// @ts-check
/** The melody of a voice: its pitch over time, by normalised autocorrelation. */

const RATE = 8000;
const STEP_S = 0.02;
const WINDOW_S = 0.04;
const LOWEST_HZ = 70;
const HIGHEST_HZ = 420;
const VOICED = 0.6;
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
  for (let index = 0; index < count; index++) hz[index] = pitchAt(samples, index * step, size);
  return { stepS: STEP_S, hz };
}

/**
 * @param {Float32Array} samples
 * @param {number} from
 * @param {number} size
 * @returns {number}
 */
function pitchAt(samples, from, size) {
  const own = power(samples, from, size);
  if (Math.sqrt(own / size) < LEAST_RMS) return 0;
  let best = VOICED;
  let found = 0;
  for (let lag = Math.floor(RATE / HIGHEST_HZ); lag <= RATE / LOWEST_HZ; lag++) {
    let product = 0;
    for (let index = from; index < from + size; index++) product += samples[index] * samples[index + lag];
    const likeness = product / Math.sqrt(own * power(samples, from + lag, size) || 1);
    // A later peak is an octave below: it has to be clearly better.
    if (likeness > best * (found ? 1.06 : 1)) [best, found] = [likeness, lag];
  }
  return found ? RATE / found : 0;
}

/**
 * @param {Float32Array} samples
 * @param {number} from
 * @param {number} size
 * @returns {number}
 */
function power(samples, from, size) {
  let sum = 0;
  for (let index = from; index < from + size; index++) sum += samples[index] * samples[index];
  return sum;
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
