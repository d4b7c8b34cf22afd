// @ts-check
/** Samples as a WAV file: every server reads it, whatever formats a browser writes. */

const HEADER_BYTES = 44;

/**
 * @param {Float32Array} samples mono, within -1 and 1
 * @param {number} rate Hz
 * @returns {Blob} 16 bits a sample
 */
export function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * samples.length));
  writeHeader(view, 2 * samples.length, rate);
  for (let index = 0; index < samples.length; index++) {
    const value = Math.round(32768 * samples[index]);
    view.setInt16(HEADER_BYTES + 2 * index, Math.max(-32768, Math.min(32767, value)), true);
  }
  return new Blob([view.buffer], { type: "audio/wav" });
}

/**
 * @param {DataView} view
 * @param {number} bytes of the samples
 * @param {number} rate
 */
function writeHeader(view, bytes, rate) {
  const text = (/** @type {number} */ at, /** @type {string} */ letters) => {
    for (let index = 0; index < 4; index++) view.setUint8(at + index, letters.charCodeAt(index));
  };
  text(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + bytes, true);
  text(8, "WAVE");
  text(12, "fmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
}
