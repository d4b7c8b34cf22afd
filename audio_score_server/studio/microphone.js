// @ts-check
/**
 * The microphone, from opening to closing, on the clock of one audio context.
 *
 * It records from the moment it is opened; a take is cut out of that by time, so that no sample is lost
 * to starting. Each take opens it anew: some browsers record garbage from a stream that is used twice.
 */

import { Failure, microphoneFailure } from "./failures.js";
import { base } from "./i18n.js";

/** @typedef {{peak: number, rms: number}} Level */

export class Microphone {
  /**
   * @param {MediaStream} stream
   * @param {AudioContext} context
   * @param {(level: Level) => void} onLevel
   */
  constructor(stream, context, onLevel) {
    this.stream = stream;
    this.context = context;
    this.onLevel = onLevel;
    /** @type {{first: number, samples: Float32Array}[]} */
    this.blocks = [];
    this.node = new AudioWorkletNode(context, "recorder", { channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => this.take(data);
    this.source = context.createMediaStreamSource(stream);
    const silence = new GainNode(context, { gain: 0 });
    this.source.connect(this.node).connect(silence).connect(context.destination);
  }

  /**
   * Open it.
   *
   * @param {boolean} headphones whether the clip cannot be heard by the microphone
   * @param {(level: Level) => void} onLevel told 47 times a second
   * @param {() => void} onGone told when it is taken away
   * @returns {Promise<Microphone>}
   * @throws {Failure} it cannot be opened
   */
  static async open(headphones, onLevel, onGone) {
    const stream = await openStream(headphones);
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule(`${base}/recorder-worklet.js`);
      await context.resume();
      stream.getAudioTracks()[0].addEventListener("ended", onGone);
      return new Microphone(stream, context, onLevel);
    } catch (error) {
      release(stream, context);
      throw new Failure("unsupported", { detail: String(error) });
    }
  }

  /** @param {{first: number, samples: Float32Array}} block */
  take(block) {
    this.blocks.push(block);
    this.onLevel(levelOf(block.samples));
  }

  /** How long sound takes from the air to the context, in seconds, as far as the browser knows. */
  get latencyS() {
    const settings = /** @type {any} */ (this.stream.getAudioTracks()[0].getSettings());
    return settings.latency ?? 0;
  }

  /**
   * The context's time at a time of the page's clock.
   *
   * @param {number} milliseconds of `performance.now()`
   * @returns {number} seconds
   */
  timeAt(milliseconds) {
    const stamp = this.context.getOutputTimestamp();
    if (stamp.contextTime && stamp.performanceTime) {
      return stamp.contextTime + (milliseconds - stamp.performanceTime) / 1000;
    }
    return this.context.currentTime + (milliseconds - performance.now()) / 1000;
  }

  /**
   * What was said from a time of the context on; silence where nothing was recorded yet.
   *
   * @param {number} start seconds
   * @param {number} end seconds
   * @returns {Float32Array}
   */
  cut(start, end) {
    const rate = this.context.sampleRate;
    const first = Math.round((start + this.latencyS) * rate);
    const samples = new Float32Array(Math.max(0, Math.round((end - start) * rate)));
    for (const block of this.blocks) {
      const at = block.first - first;
      if (at >= samples.length || at + block.samples.length <= 0) continue;
      const from = Math.max(0, -at);
      const to = Math.min(block.samples.length, samples.length - at);
      samples.set(block.samples.subarray(from, to), at + from);
    }
    return samples;
  }

  /** Close it; the browser's sign that something listens goes out. */
  close() {
    this.node.port.postMessage("end");
    this.node.port.onmessage = null;
    this.source.disconnect();
    this.blocks = [];
    release(this.stream, this.context);
  }
}

/**
 * @param {MediaStream} stream
 * @param {AudioContext} context
 */
function release(stream, context) {
  for (const track of stream.getTracks()) track.stop();
  void context.close();
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
