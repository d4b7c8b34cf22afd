// @ts-check
/** One take from the opening of the microphone to a WAV file. */

import { Failure } from "./failures.js";
import { Microphone } from "./microphone.js";
import { followPicture } from "./picture-clock.js";
import { wavOf } from "./wav.js";

/**
 * @typedef {import("./microphone.js").Level} Level
 * @typedef {import("./player.js").Player} Player
 * @typedef {"opening" | "counting" | "recording" | "ending"} Stage
 * @typedef {{onStage: (stage: Stage, count: number) => void, onLevel: (level: Level) => void}} Watcher
 * @typedef {{sound: Blob, peak: number, seconds: number}} Recorded
 */

const BEATS = 3;
const BEAT_MS = 650;
const SPEAKING = 0.02;
const QUIET_MS = 450;
const LONGEST_TAIL_MS = 2500;
const LONGEST_S = 110;

export class Recording {
  /**
   * @param {Player} player
   * @param {{headphones: boolean, quietly: boolean}} options
   * @param {Watcher} watcher
   */
  constructor(player, options, watcher) {
    this.player = player;
    this.options = options;
    this.watcher = watcher;
    this.peak = 0;
    this.lastLoud = 0;
    this.ending = false;
    /** @type {(failure: Failure | null) => void} */
    this.interrupt = () => {};
    /** @type {Promise<Failure | null>} */
    this.interrupted = new Promise((resolve) => {
      this.interrupt = resolve;
    });
  }

  /** End it here, and keep what was said. */
  finish() {
    this.ending = true;
    this.player.stop();
  }

  /** Break it off. */
  cancel() {
    this.interrupt(null);
  }

  /**
   * Record.
   *
   * @returns {Promise<Recorded | null>} null where it was broken off
   * @throws {Failure} the microphone cannot be had, or goes, or the page is hidden
   */
  async run() {
    this.watcher.onStage("opening", 0);
    const onLevel = (/** @type {Level} */ level) => this.hear(level);
    const onGone = () => this.interrupt(new Failure("microphoneGone"));
    const onHidden = () => document.hidden && this.interrupt(new Failure("hidden"));
    const microphone = await Microphone.open(this.options.headphones, onLevel, onGone);
    document.addEventListener("visibilitychange", onHidden);
    try {
      const outcome = await Promise.race([this.record(microphone), this.interrupted]);
      if (outcome instanceof Failure) throw outcome;
      return outcome;
    } finally {
      this.ending = true;
      document.removeEventListener("visibilitychange", onHidden);
      this.player.stop();
      microphone.close();
    }
  }

  /** @param {Level} level */
  hear(level) {
    if (level.rms > SPEAKING) this.lastLoud = performance.now();
    this.peak = Math.max(this.peak, level.peak);
    this.watcher.onLevel(level);
  }

  /**
   * @param {Microphone} microphone
   * @returns {Promise<Recorded | null>}
   */
  async record(microphone) {
    if (!(await this.countBeats())) return null;
    this.peak = 0;
    this.watcher.onStage("recording", 0);
    const picture = followPicture(this.player.element);
    const called = performance.now();
    await Promise.race([this.player.accompany(this.options.quietly), wait(1000 * LONGEST_S)]);
    picture.stop();
    this.watcher.onStage("ending", 0);
    await this.tail();
    const samples = microphone.since(picture.startedAt() ?? called);
    if (!samples.length) return null;
    const sound = wavOf(samples, microphone.rate);
    return { sound, peak: this.peak, seconds: samples.length / microphone.rate };
  }

  /** @returns {Promise<boolean>} whether it was not ended meanwhile */
  async countBeats() {
    for (let left = BEATS; left > 0; left--) {
      this.watcher.onStage("counting", left);
      await wait(BEAT_MS);
      if (this.ending) return false;
    }
    return true;
  }

  /** Until nobody speaks any more: who is behind the picture is not cut off. */
  async tail() {
    const began = performance.now();
    while (!this.ending) {
      const now = performance.now();
      const quiet = now - Math.max(this.lastLoud, began) > QUIET_MS;
      if (quiet || now - began > LONGEST_TAIL_MS) return;
      await wait(30);
    }
  }
}

/**
 * @param {number} milliseconds
 * @returns {Promise<void>}
 */
function wait(milliseconds) {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
