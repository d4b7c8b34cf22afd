// @ts-check
/** A take's result: score and parts, the line word by word, waves, a suggestion, and files to keep. */

import { adviceOn } from "./advice.js";
import { fill, h, say } from "./dom.js";
import { saveOf } from "./downloads.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { piecesOf } from "./line.js";
import { part, points, ring, wordMark } from "./marks.js";
import { notify } from "./notices.js";
import { hear, hearAll } from "./sounds.js";
import { warpOf } from "./warp.js";
import { waves } from "./waves.js";
import { wordPanel } from "./word-panel.js";

/**
 * @typedef {import("./api.js").Score} Score
 * @typedef {import("./api.js").Word} Word
 * @typedef {import("./takes.js").Take} Take
 * @typedef {{clip: AudioBuffer, take: AudioBuffer}} Pair
 * @typedef {{onDub: (voice: AudioBuffer) => void, onLoop: (word: Word) => void}} Actions
 */

export class Result {
  /**
   * @param {Take} take that is scored
   * @param {boolean} isBest
   * @param {Actions} actions
   */
  constructor(take, isBest, actions) {
    this.take = take;
    this.score = /** @type {Score} */ (take.score);
    this.actions = actions;
    this.closeWaves = () => {};
    this.sounds = h("div", { class: "sounds" });
    this.panel = h("div", { class: "panel-place" });
    this.element = h(
      "section",
      { class: "result", "aria-label": t("result"), tabindex: -1 },
      this.top(isBest),
      this.line(),
      this.panel,
      this.sounds,
      this.files(),
    );
    say(t("result.said", { points: points(this.score.sim_score) }));
  }

  /** Let go of what it holds. */
  close() {
    this.closeWaves();
  }

  /** @param {boolean} isBest */
  top(isBest) {
    const { detail } = this.score;
    const melody = detail?.prosody.pitch_correlation ?? null;
    const advice = adviceOn(this.score);
    return h(
      "div",
      { class: "result-top" },
      ring(this.score.sim_score),
      h(
        "div",
        { class: "result-words" },
        isBest && h("p", { class: "best" }, icon("star"), t("result.best")),
        h("p", { class: "advice" }, t(advice.key, advice.values)),
        detail?.warnings.slice(1).map((warning) => h("p", { class: "small" }, t(`advice.${warning}`))),
      ),
      h(
        "ul",
        { class: "parts" },
        part("part.words", this.score.text_sim_score),
        part("part.sound", this.score.audio_sim_score),
        detail?.fluency && part("part.rhythm", detail.fluency.rhythm),
        detail?.fluency && part("part.pace", detail.fluency.speech_rate),
        melody !== null && part("part.melody", Math.max(0, melody)),
      ),
      detail?.timing && h("p", { class: "timing small" }, timingText(detail.timing.start_offset_s)),
    );
  }

  line() {
    const { detail } = this.score;
    if (!detail?.words.length) return null;
    const expected = detail.words.filter((word) => word.status !== "insertion");
    const extra = detail.words.filter((word) => word.status === "insertion");
    const pieces = piecesOf(detail.expected, expected).map(({ text, word }) =>
      word ? this.wordButton(word, text) : text,
    );
    return h(
      "div",
      { class: "line-box" },
      h("p", { class: "line" }, pieces),
      extra.length > 0 &&
        h("p", { class: "extras" }, t("result.extra"), " ", extra.map((word) => this.wordButton(word, word.text))),
      h("p", { class: "small" }, t("result.line.hint")),
    );
  }

  /**
   * @param {Word} word
   * @param {string} text
   */
  wordButton(word, text) {
    const mark = wordMark(word);
    const button = h(
      "button",
      { type: "button", class: `word ${mark}`, "aria-label": `${text}: ${t(`mark.${mark}`)}`, "aria-pressed": "false" },
      text,
    );
    button.addEventListener("click", () => {
      for (const each of this.element.querySelectorAll(".word")) each.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", "true");
      if (this.pair) fill(this.panel, wordPanel(word, this.pair, this.actions.onLoop));
    });
    return button;
  }

  /**
   * Show what needs the sounds themselves, once they are decoded.
   *
   * @param {Pair} pair
   */
  showSounds(pair) {
    this.pair = pair;
    const words = this.score.detail?.words ?? [];
    const aligned = h("input", { type: "checkbox", id: "aligned", checked: true });
    const place = h("div", {});
    const draw = () => {
      this.closeWaves();
      const warp = aligned.checked ? warpOf(words) : (/** @type {number} */ time) => time;
      const shown = waves(pair.clip, pair.take, words, warp, (time, isTake) => this.pick(time, isTake));
      this.closeWaves = shown.stop;
      fill(place, shown.element);
    };
    aligned.addEventListener("change", draw);
    fill(
      this.sounds,
      h("div", { class: "buttons" }, this.hearButtons(pair)),
      place,
      h(
        "div",
        { class: "legend small" },
        h("span", { class: "key theirs" }, t("result.theirs")),
        h("span", { class: "key mine" }, t("result.mine")),
        h("span", { class: "key melody" }, t("part.melody")),
        words.length > 1 && h("label", {}, aligned, " ", t("result.aligned")),
      ),
    );
    draw();
  }

  /** @param {Pair} pair */
  hearButtons({ clip, take }) {
    const each = (/** @type {string} */ key, /** @type {() => void} */ act) =>
      h("button", { type: "button", onClick: act, "data-act": key }, icon(key === "result.dub" ? "film" : "play"), t(key));
    return [
      each("word.theirs", () => void hear(clip)),
      each("word.mine", () => void hear(take)),
      each("word.both", () => void hearAll([{ sound: clip, span: null }, { sound: take, span: null }])),
      each("result.dub", () => this.actions.onDub(take)),
    ];
  }

  /**
   * Hear the word at a place of the picture, or from there on.
   *
   * @param {number} time of the clip
   * @param {boolean} isTake
   */
  pick(time, isTake) {
    if (!this.pair) return;
    const words = this.score.detail?.words ?? [];
    const word = words.find(({ reference }) => reference && reference.start <= time && time < reference.end);
    if (isTake) void hear(this.pair.take, word?.recording ?? { start: time, end: this.pair.take.duration });
    else void hear(this.pair.clip, word?.reference ?? { start: time, end: this.pair.clip.duration });
  }

  files() {
    const file = (/** @type {"take" | "score" | "picture"} */ what) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-save": what,
          onClick: () => void saveOf(this.take, what).catch(() => notify(t("failure.server"))),
        },
        icon("save"),
        t(`save.${what}`),
      );
    return h(
      "div",
      { class: "buttons files", role: "group", "aria-label": t("save") },
      file("take"),
      file("score"),
      this.score.detail && file("picture"),
    );
  }
}

/**
 * @param {number} offsetS how much later than the clip the take begins
 * @returns {string}
 */
function timingText(offsetS) {
  const seconds = Math.abs(offsetS).toFixed(2);
  if (Math.abs(offsetS) < 0.1) return t("timing.together");
  return t(offsetS > 0 ? "timing.late" : "timing.early", { seconds });
}
