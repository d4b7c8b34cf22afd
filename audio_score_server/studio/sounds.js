// @ts-check
/** Plays stretches of decoded sound: the clip's, a take's, or both one after the other. */

/** @typedef {import("./api.js").TimeSpan} TimeSpan */

const MARGIN_S = 0.06;
/** @type {AudioContext | null} */
let context = null;
/** @type {AudioBufferSourceNode | null} */
let playing = null;

/** @returns {AudioContext} one for the whole page, made when something is played first */
function speaker() {
  context ??= new AudioContext();
  void context.resume();
  return context;
}

/**
 * Samples of a file, one channel.
 *
 * @param {ArrayBuffer} bytes taken over
 * @returns {Promise<AudioBuffer>}
 */
export function decode(bytes) {
  // Of its own: decoding asks for no permission to sound.
  return new OfflineAudioContext(1, 1, 48_000).decodeAudioData(bytes);
}

/** Play nothing any more. */
export function silence() {
  playing?.stop();
  playing = null;
}

/**
 * @param {AudioBuffer} sound
 * @param {TimeSpan | null} span null for all of it
 * @returns {Promise<void>} when it is over
 */
export function hear(sound, span = null) {
  silence();
  const source = new AudioBufferSourceNode(speaker(), { buffer: sound });
  source.connect(speaker().destination);
  const start = Math.max(0, (span?.start ?? 0) - MARGIN_S);
  const end = Math.min(sound.duration, (span?.end ?? sound.duration) + MARGIN_S);
  playing = source;
  source.start(0, start, Math.max(0.02, end - start));
  return new Promise((resolve) => {
    source.onended = () => {
      source.disconnect();
      resolve();
    };
  });
}

/**
 * One after the other, unless something else is played meanwhile.
 *
 * @param {{sound: AudioBuffer, span: TimeSpan | null}[]} parts
 */
export async function hearAll(parts) {
  for (const { sound, span } of parts) {
    const over = hear(sound, span);
    const mine = playing;
    await over;
    if (playing !== mine) return;
  }
}

/**
 * Play a picture with another voice in place of its own.
 *
 * @param {import("./player.js").Player} player
 * @param {AudioBuffer} voice whose time 0 is the picture's
 */
export async function dub(player, voice) {
  silence();
  speaker();
  const begin = () => {
    void hear(voice, { start: player.element.currentTime + MARGIN_S, end: voice.duration });
  };
  player.element.addEventListener("playing", begin, { once: true });
  const whole = await player.accompany(false);
  player.element.removeEventListener("playing", begin);
  if (!whole) silence();
}
