// @ts-check
/** A clip's picture and sound: plays it or a stretch of it, slowly or again and again. */

import { h } from "./dom.js";

/** @typedef {import("./api.js").TimeSpan} TimeSpan */

const SLOW = 0.75;
const QUIET = 0.15;

export class Player {
  /**
   * @param {string} url
   * @param {string} label for screen readers
   * @param {() => void} onBroken told when the browser cannot show the file
   */
  constructor(url, label, onBroken) {
    this.element = /** @type {HTMLVideoElement} */ (
      h("video", { src: url, playsinline: true, preload: "auto", "aria-label": label })
    );
    this.element.preservesPitch = true;
    this.element.addEventListener("error", onBroken);
    this.element.addEventListener("ended", () => this.finish(true));
    this.slow = false;
    this.loop = false;
    /** @type {TimeSpan | null} */
    this.span = null;
    /** @type {(wasWhole: boolean) => void} */
    this.done = () => {};
    /** @type {(time: number) => void} */
    this.onTime = () => {};
    this.frame = 0;
  }

  /** Whether it plays now. */
  get playing() {
    return !this.element.paused;
  }

  /**
   * Play with the sound on.
   *
   * @param {TimeSpan | null} span null for all of it
   * @returns {Promise<boolean>} when it is over: whether it came to its end
   */
  play(span = null) {
    this.element.muted = false;
    this.element.volume = 1;
    this.element.playbackRate = this.slow ? SLOW : 1;
    return this.start(span);
  }

  /**
   * Play under a take: at its own speed, without the voice or with it quietly.
   *
   * @param {boolean} quietly whether the voice is heard at all
   * @returns {Promise<boolean>} as of `play`
   */
  accompany(quietly) {
    this.element.muted = !quietly;
    this.element.volume = quietly ? QUIET : 1;
    this.element.playbackRate = 1;
    const loops = this.loop;
    this.loop = false;
    return this.start(null).finally(() => {
      this.loop = loops;
    });
  }

  /**
   * @param {TimeSpan | null} span
   * @returns {Promise<boolean>}
   */
  async start(span) {
    this.finish(false);
    this.span = span;
    this.element.currentTime = span?.start ?? 0;
    const over = new Promise((/** @type {(whole: boolean) => void} */ resolve) => {
      this.done = resolve;
    });
    await this.element.play().catch(() => this.finish(false));
    this.follow();
    return over;
  }

  /** Stop where it is. */
  stop() {
    this.finish(false);
  }

  /** @param {boolean} whole */
  finish(whole) {
    if (whole && this.loop) {
      this.element.currentTime = this.span?.start ?? 0;
      void this.element.play();
      return;
    }
    cancelAnimationFrame(this.frame);
    if (!this.element.paused) this.element.pause();
    this.done(whole);
    this.done = () => {};
    this.onTime(-1);
  }

  /** While it plays, tell the time, and end at the end of the stretch. */
  follow() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const time = this.element.currentTime;
      if (this.span && time >= this.span.end) this.finish(true);
      else if (this.playing) this.onTime(time);
      if (this.playing || this.element.seeking) this.follow();
    });
  }

  /** Let go of the file. */
  close() {
    this.finish(false);
    this.element.removeAttribute("src");
    this.element.load();
  }
}
