// @ts-check
/** Sends on what the microphone gives, block by block without gaps. */

/**
 * What the scope of a worklet has, and the page's types do not.
 *
 * @type {any}
 */
const scope = globalThis;
const BLOCK = 512;
const QUANTUM = 128;

class RecorderProcessor extends scope.AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.ended = true;
    };
  }

  /**
   * @param {Float32Array[][]} inputs none while the source gives nothing: that is silence, but counts
   * @returns {boolean} whether there is more to come
   */
  process(inputs) {
    const samples = inputs[0]?.[0];
    if (samples) this.block.set(samples, this.filled);
    this.filled += QUANTUM;
    if (this.filled >= BLOCK) this.send();
    return !this.ended;
  }

  send() {
    this.port.postMessage(this.block, [this.block.buffer]);
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
  }
}

scope.registerProcessor("recorder", RecorderProcessor);
