// @ts-check
/** The picture with the count-in over it, and the line below, whose words light up as they are spoken. */

import { fill, h, say } from "./dom.js";
import { t } from "./i18n.js";
import { piecesOf } from "./line.js";

/**
 * @typedef {import("./api.js").ClipWord} ClipWord
 * @typedef {import("./api.js").TimeSpan} TimeSpan
 */

const AHEAD_S = 0.05;

export class Stage {
  /**
   * @param {import("./player.js").Player} player
   * @param {string} text of the clip
   */
  constructor(player, text) {
    this.player = player;
    this.text = text;
    /** A stretch that was chosen to be heard alone. @type {TimeSpan | null} */
    this.chosen = null;
    /** @type {{element: HTMLElement, span: TimeSpan}[]} */
    this.words = [];
    this.count = h("div", { class: "count", "aria-hidden": "true" });
    this.state = h("p", { class: "state", role: "status" });
    this.line = h("p", { class: "line" }, text || t("library.noText"));
    this.frame = h("div", { class: "frame" }, player.element, this.count, this.state);
    this.element = h("div", { class: "stage" }, this.frame, this.line);
    player.onTime = (time) => this.light(time);
  }

  /**
   * Make the words of the line ones that light up, and can be chosen.
   *
   * @param {ClipWord[]} words
   */
  setWords(words) {
    this.words = [];
    const timed = words.filter((word) => word.reference);
    const pieces = piecesOf(this.text, timed).map(({ text, word }) =>
      word?.reference ? this.word(text, word.reference) : text,
    );
    if (timed.length) fill(this.line, pieces);
  }

  /**
   * @param {string} text
   * @param {TimeSpan} span
   */
  word(text, span) {
    const element = h(
      "button",
      { type: "button", class: "word plain", "aria-pressed": "false", onClick: (/** @type {MouseEvent} */ event) => this.choose(span, event.shiftKey) },
      text,
    );
    this.words.push({ element, span });
    return element;
  }

  /**
   * Hear a word alone, or with Shift all from the one chosen before to this one; again for all.
   *
   * @param {TimeSpan} span
   * @param {boolean} isExtending
   */
  choose(span, isExtending) {
    const before = this.chosen;
    const same = before && before.start === span.start && before.end === span.end;
    if (isExtending && before) {
      this.chosen = { start: Math.min(before.start, span.start), end: Math.max(before.end, span.end) };
    } else this.chosen = same ? null : span;
    const within = (/** @type {TimeSpan} */ each) =>
      this.chosen !== null && each.start >= this.chosen.start && each.end <= this.chosen.end;
    for (const { element, span: each } of this.words) element.setAttribute("aria-pressed", String(within(each)));
    if (this.chosen) void this.player.play(this.chosen);
    else this.player.stop();
  }

  /** @param {number} time of the clip; negative where nothing plays */
  light(time) {
    for (const { element, span } of this.words) {
      const at = time + AHEAD_S;
      element.classList.toggle("lit", time >= 0 && at >= span.start && at < span.end);
      element.classList.toggle("past", time >= 0 && at >= span.end);
    }
  }

  /**
   * Show how far a take is.
   *
   * @param {import("./recording.js").Stage | "idle"} stage
   * @param {number} count beats that are left
   */
  tell(stage, count) {
    this.frame.dataset.stage = stage;
    fill(this.count, stage === "counting" && count);
    const text = stage === "idle" ? "" : t(`stage.${stage}`);
    fill(this.state, text);
    if (stage === "counting") say(String(count));
  }
}
