// @ts-check
/**
 * The microphone, from opening to closing, on one clock.
 *
 * It records from the moment it is opened; a take is cut out of that by time, so that no sample is lost
 * to starting. Each take opens it anew: some browsers record garbage from a stream that is used twice.
 */

import { capture } from "./captures.js";
import { Failure, microphoneFailure } from "./failures.js";

/**
 * @typedef {{peak: number, rms: number}} Level
 * @typedef {import("./captures.js").Capture} Capture
 */

export class Microphone {
  /**
   * @param {MediaStream} stream
   * @param {(level: Level) => void} onLevel
   */
  constructor(stream, onLevel) {
    this.stream = stream;
    this.onLevel = onLevel;
    /** @type {Float32Array[]} */
    this.blocks = [];
    this.count = 0;
    /** @type {{end: number, arrived: number}[]} */
    this.arrivals = [];
    /** @type {Capture | null} */
    this.capture = null;
  }

  /**
   * Open it.
   *
   * @param {boolean} headphones whether the clip cannot be heard by the microphone
   * @param {(level: Level) => void} onLevel told about a hundred times a second
   * @param {() => void} onGone told when it is taken away
   * @returns {Promise<Microphone>}
   * @throws {Failure} it cannot be opened
   */
  static async open(headphones, onLevel, onGone) {
    const stream = await openStream(headphones);
    const microphone = new Microphone(stream, onLevel);
    stream.getAudioTracks()[0].addEventListener("ended", onGone);
    try {
      microphone.capture = await capture(stream, (samples) => microphone.take(samples));
      return microphone;
    } catch (error) {
      microphone.close();
      throw microphoneFailure(error);
    }
  }

  /** @param {Float32Array} samples */
  take(samples) {
    this.blocks.push(samples);
    this.count += samples.length;
    this.arrivals.push({ end: this.count, arrived: performance.now() });
    this.onLevel(levelOf(samples));
  }

  /** Samples a second. */
  get rate() {
    return this.capture?.rate ?? 48_000;
  }

  /**
   * When sound was in the air that is now the first sample, in milliseconds of `performance.now()`.
   *
   * A block comes when its last sample is there, or later, never earlier: those that were quickest tell
   * the clock. Of a way that stumbled, what came before says nothing about what comes now.
   *
   * @param {number} since milliseconds of `performance.now()`: by the blocks from then on
   * @returns {number}
   */
  startedAt(since) {
    const recent = this.arrivals.filter(({ arrived }) => arrived >= since);
    const starts = recent.map(({ end, arrived }) => arrived - (1000 * end) / this.rate);
    return Math.min(...starts) - 1000 * (this.capture?.latencyS ?? 0);
  }

  /**
   * What was said from a time on until now; silence where nothing was recorded yet.
   *
   * @param {number} start milliseconds of `performance.now()`
   * @returns {Float32Array}
   */
  since(start) {
    const first = Math.round(((start - this.startedAt(start)) * this.rate) / 1000);
    if (!Number.isFinite(first)) return new Float32Array();
    const samples = new Float32Array(Math.max(0, this.count - first));
    let at = -first;
    for (const block of this.blocks) {
      if (at + block.length > 0) samples.set(block.subarray(Math.max(0, -at)), Math.max(0, at));
      at += block.length;
    }
    return samples;
  }

  /** Close it; the browser's sign that something listens goes out. */
  close() {
    this.capture?.stop();
    this.blocks = [];
    this.arrivals = [];
    for (const track of this.stream.getTracks()) track.stop();
  }
}

/**
 * @param {boolean} headphones
 * @returns {Promise<MediaStream>}
 */
async function openStream(headphones) {
  if (!window.isSecureContext) throw new Failure("insecure");
  if (!navigator.mediaDevices || !window.AudioWorkletNode) throw new Failure("unsupported");
  const audio = {
    echoCancellation: !headphones,
    noiseSuppression: false,
    autoGainControl: false,
    channelCount: 1,
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw microphoneFailure(error);
  }
}

/**
 * @param {Float32Array} samples
 * @returns {Level}
 */
export function levelOf(samples) {
  let peak = 0;
  let power = 0;
  for (const sample of samples) {
    peak = Math.max(peak, Math.abs(sample));
    power += sample * sample;
  }
  return { peak, rms: Math.sqrt(power / Math.max(1, samples.length)) };
}
