// @ts-check
/** The level of the microphone, with a hint where it is too loud or too quiet. */

import { fill, h } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {import("./microphone.js").Level} Level */

const FLOOR_DB = -60;
const CLIPPED = 0.985;
const QUIET_DB = -38;
const HINT_MS = 1500;

export class Meter {
  constructor() {
    this.bar = h("div", { class: "meter-bar" });
    this.hint = h("p", { class: "hint", role: "status" });
    this.scale = h(
      "div",
      { class: "meter", role: "meter", "aria-label": t("take.level"), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": 0 },
      this.bar,
    );
    this.element = h("div", { class: "meter-box" }, this.scale, this.hint);
    this.started = 0;
    this.clippedAt = -Infinity;
    this.loudest = -Infinity;
    this.count = 0;
  }

  /** Begin anew. */
  reset() {
    this.started = performance.now();
    this.clippedAt = -Infinity;
    this.loudest = -Infinity;
    this.count = 0;
    this.tell("");
    this.show(FLOOR_DB);
  }

  /** @param {Level} level */
  add(level) {
    const db = 20 * Math.log10(level.rms + 1e-6);
    const now = performance.now();
    if (level.peak >= CLIPPED) this.clippedAt = now;
    this.loudest = Math.max(this.loudest, db);
    // Every other block will do for eyes.
    if (this.count++ % 2 === 0) this.show(db);
    if (now - this.clippedAt < HINT_MS) this.tell("take.clipping");
    else if (now - this.started > 2 * HINT_MS && this.loudest < QUIET_DB) this.tell("take.tooQuiet");
    else this.tell("");
  }

  /** @param {number} db */
  show(db) {
    const share = Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
    this.bar.style.transform = `scaleX(${share.toFixed(3)})`;
    this.scale.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  }

  /** @param {string} key */
  tell(key) {
    const text = key && t(key);
    if (this.hint.textContent === text) return;
    fill(this.hint, text);
    this.scale.classList.toggle("clipping", key === "take.clipping");
  }
}
