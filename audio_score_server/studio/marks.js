// @ts-check
/** How numbers are shown: points, and what they are called and coloured. */

import { h } from "./dom.js";
import { t } from "./i18n.js";

const GOOD = 0.75;
const FAIR = 0.5;

/**
 * @param {number} share from 0 to 1
 * @returns {number} from 0 to 100
 */
export function points(share) {
  return Math.round(100 * share);
}

/**
 * @param {number} share
 * @returns {"good" | "fair" | "weak"}
 */
export function grade(share) {
  if (share >= GOOD) return "good";
  return share >= FAIR ? "fair" : "weak";
}

/**
 * How a word is marked.
 *
 * @param {import("./api.js").Word} word
 * @returns {"good" | "fair" | "weak" | "other" | "missing" | "extra"}
 */
export function wordMark(word) {
  if (word.status === "omission") return "missing";
  if (word.status === "insertion") return "extra";
  return word.status === "substitution" ? "other" : grade(word.score);
}

/**
 * A ring with a number in it.
 *
 * @param {number} share
 * @returns {HTMLElement}
 */
export function ring(share) {
  const round = 2 * Math.PI * 44;
  return h(
    "div",
    { class: `ring ${grade(share)}`, role: "img", "aria-label": t("result.points", { points: points(share) }) },
    h(
      "svg",
      { viewBox: "0 0 100 100", "aria-hidden": "true" },
      h("circle", { cx: 50, cy: 50, r: 44, class: "ring-track" }),
      h("circle", { cx: 50, cy: 50, r: 44, class: "ring-value", "stroke-dasharray": `${share * round} ${round}` }),
    ),
    h("strong", { "data-score": share, "aria-hidden": "true" }, points(share)),
  );
}

/**
 * A part of the score, as a bar.
 *
 * @param {string} key of its name; `KEY.hint` says what it is
 * @param {number} share
 * @returns {HTMLElement}
 */
export function part(key, share) {
  const fillBar = h("span", { class: `bar-value ${grade(share)}` });
  fillBar.style.width = `${points(share)}%`;
  return h(
    "li",
    { class: "part", title: t(`${key}.hint`) },
    h("span", {}, t(key)),
    h("span", { class: "bar", "aria-hidden": "true" }, fillBar),
    h("b", {}, points(share)),
  );
}
