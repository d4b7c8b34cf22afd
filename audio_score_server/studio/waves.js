// @ts-check
/** Two waves over each other on the clip's time, with the melody of both and the words between. */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { melodyOf } from "./pitch.js";

/**
 * @typedef {import("./api.js").Word} Word
 * @typedef {import("./warp.js").Warp} Warp
 * @typedef {{sound: AudioBuffer, warp: Warp, color: string, top: number, height: number}} Lane
 */

const HEIGHT = 220;
const LANE = 88;
const BETWEEN = 44;
const LOW_HZ = 80;
const HIGH_HZ = 400;

/**
 * @param {AudioBuffer} clip
 * @param {AudioBuffer} take
 * @param {Word[]} words
 * @param {Warp} warp from the take's time to the clip's
 * @param {(time: number, isTake: boolean) => void} onPick told the time that is clicked
 * @returns {{element: HTMLElement, draw: () => void, stop: () => void}}
 */
export function waves(clip, take, words, warp, onPick) {
  const canvas = /** @type {HTMLCanvasElement} */ (
    h("canvas", { class: "waves", role: "img", "aria-label": t("result.waves.label") })
  );
  const seconds = Math.max(clip.duration, warp(take.duration));
  const melodies = [melodyOf(clip), melodyOf(take)];
  const draw = () => {
    const style = getComputedStyle(canvas);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const paint = prepare(canvas);
    const scale = canvas.clientWidth / seconds;
    const straight = (/** @type {number} */ time) => time;
    const lanes = [
      { sound: clip, warp: straight, color: color("--theirs"), top: 0, height: LANE },
      { sound: take, warp, color: color("--mine"), top: LANE + BETWEEN, height: LANE },
    ];
    lanes.forEach((lane) => drawWave(paint, lane, scale));
    lanes.forEach((lane, index) => drawMelody(paint, lane, melodies[index], scale, color("--melody")));
    drawWords(paint, words, scale, color("--ink"), color("--line"));
  };
  canvas.addEventListener("click", (event) => {
    const time = (event.offsetX / canvas.clientWidth) * seconds;
    onPick(time, event.offsetY > HEIGHT / 2);
  });
  const observer = new ResizeObserver(draw);
  observer.observe(canvas);
  return { element: canvas, draw, stop: () => observer.disconnect() };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D} cleared, in pixels of the page
 */
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.round(HEIGHT * ratio);
  const paint = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  paint.scale(ratio, ratio);
  return paint;
}

/**
 * @param {CanvasRenderingContext2D} paint
 * @param {Lane} lane
 * @param {number} scale pixels a second
 */
function drawWave(paint, lane, scale) {
  const samples = lane.sound.getChannelData(0);
  const width = 3;
  const loudest = samples.reduce((most, each) => Math.max(most, Math.abs(each)), 0.05);
  const bars = Math.ceil((lane.sound.duration * scale) / width);
  paint.fillStyle = lane.color;
  for (let bar = 0; bar < bars; bar++) {
    const first = Math.floor((bar * samples.length) / bars);
    const stop = Math.floor(((bar + 1) * samples.length) / bars);
    let most = 0;
    for (let at = first; at < stop; at++) most = Math.max(most, Math.abs(samples[at]));
    const x = lane.warp(first / lane.sound.sampleRate) * scale;
    const height = Math.max(2, (most / loudest) * lane.height);
    paint.fillRect(x, lane.top + (lane.height - height) / 2, width - 1, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} paint
 * @param {Lane} lane
 * @param {import("./pitch.js").Melody} melody
 * @param {number} scale
 * @param {string} color
 */
function drawMelody(paint, lane, melody, scale, color) {
  paint.strokeStyle = color;
  paint.lineWidth = 2.5;
  paint.lineJoin = "round";
  paint.beginPath();
  let drawing = false;
  melody.hz.forEach((hz, index) => {
    const share = Math.log(hz / LOW_HZ) / Math.log(HIGH_HZ / LOW_HZ);
    const y = lane.top + lane.height * (1 - Math.min(1, Math.max(0, share)));
    const x = lane.warp((index + 1) * melody.stepS) * scale;
    if (hz && drawing) paint.lineTo(x, y);
    else if (hz) paint.moveTo(x, y);
    drawing = hz > 0;
  });
  paint.stroke();
}

/**
 * @param {CanvasRenderingContext2D} paint
 * @param {Word[]} words
 * @param {number} scale
 * @param {string} ink
 * @param {string} line
 */
function drawWords(paint, words, scale, ink, line) {
  paint.font = "13px system-ui, sans-serif";
  paint.textAlign = "center";
  paint.textBaseline = "middle";
  for (const { reference, text } of words) {
    if (!reference) continue;
    paint.fillStyle = line;
    paint.fillRect(reference.start * scale, 0, 1, HEIGHT);
    paint.fillStyle = ink;
    const middle = ((reference.start + reference.end) / 2) * scale;
    const room = (reference.end - reference.start) * scale + 10;
    if (paint.measureText(text).width < room) paint.fillText(text, middle, LANE + BETWEEN / 2);
  }
}
