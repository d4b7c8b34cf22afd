// @ts-check
/**
 * Two ways from a microphone's track to blocks of samples, one after the other without gaps.
 *
 * Where the browser hands out a track's own blocks, they are taken as they are: nothing between can run
 * dry while the machine is busy. Elsewhere an AudioWorklet takes them from an audio context.
 */

import { base } from "./i18n.js";

/**
 * @typedef {(samples: Float32Array) => void} OnBlock
 * @typedef {{rate: number, latencyS: number, stop: () => void}} Capture
 *   `latencyS`: how long samples wait on the way, in the mean
 */

/**
 * Begin to take blocks.
 *
 * @param {MediaStream} stream
 * @param {OnBlock} onBlock
 * @returns {Promise<Capture>}
 */
export function capture(stream, onBlock) {
  return "MediaStreamTrackProcessor" in window
    ? captureTrack(stream, onBlock)
    : captureByWorklet(stream, onBlock);
}

const BUFFERED = 1000;

/**
 * @param {MediaStream} stream
 * @param {OnBlock} onBlock
 * @returns {Promise<Capture>}
 */
async function captureTrack(stream, onBlock) {
  const track = stream.getAudioTracks()[0];
  const Processor = /** @type {any} */ (window).MediaStreamTrackProcessor;
  const reader = new Processor({ track, maxBufferSize: BUFFERED }).readable.getReader();
  const first = await reader.read();
  if (first.done) throw new DOMException("The microphone gave nothing.", "NotReadableError");
  const rate = first.value.sampleRate;
  onBlock(samplesOf(first.value));
  const readOn = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      onBlock(samplesOf(value));
    }
  };
  void readOn();
  return { rate, latencyS: 0, stop: () => void reader.cancel() };
}

/**
 * @param {any} data an `AudioData`, closed afterwards
 * @returns {Float32Array} its first channel
 */
function samplesOf(data) {
  const samples = new Float32Array(data.numberOfFrames);
  data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
  data.close();
  return samples;
}

/**
 * @param {MediaStream} stream
 * @param {OnBlock} onBlock
 * @returns {Promise<Capture>}
 */
async function captureByWorklet(stream, onBlock) {
  const context = new AudioContext({ latencyHint: "interactive" });
  await context.audioWorklet.addModule(`${base}/recorder-worklet.js`);
  await context.resume();
  const mono = /** @type {const} */ ({ channelCount: 1, channelCountMode: "explicit" });
  const node = new AudioWorkletNode(context, "recorder", mono);
  node.port.onmessage = ({ data }) => onBlock(data);
  const source = context.createMediaStreamSource(stream);
  const silence = new GainNode(context, { gain: 0 });
  source.connect(node).connect(silence).connect(context.destination);
  const stop = () => {
    node.port.postMessage("end");
    node.port.onmessage = null;
    source.disconnect();
    void context.close();
  };
  return { rate: context.sampleRate, latencyS: bridgeLatencyS(context), stop };
}

/**
 * What waits between a microphone's thread and a context's: two of the context's buffers on average.
 *
 * @param {AudioContext} context
 * @returns {number} seconds
 */
function bridgeLatencyS(context) {
  return 2 * context.baseLatency;
}
