// @ts-check
/** Messages: what went wrong in plain words, with a way on. */

import { byId, fill, h } from "./dom.js";
import { Failure } from "./failures.js";
import { knows, t } from "./i18n.js";

/** @typedef {{label: string, act: () => void}} WayOn */

/**
 * A message in place; it is read out.
 *
 * @param {unknown} error
 * @param {WayOn[]} [waysOn]
 * @returns {HTMLElement}
 */
export function failureBox(error, waysOn = []) {
  const failure = error instanceof Failure ? error : new Failure("server", { detail: String(error) });
  const key = `failure.${failure.name}`;
  const values = { seconds: failure.retryAfterS };
  const detail = failure.name === "server" || failure.name === "tooLong" ? failure.detail : "";
  const buttons = waysOn.map(({ label, act }) => h("button", { type: "button", onClick: act }, label));
  return h(
    "div",
    { class: "failure", role: "alert", "data-failure": failure.name },
    h("h2", {}, t(key, values)),
    knows(`${key}.remedy`) && h("p", {}, t(`${key}.remedy`, values)),
    detail && h("p", { class: "small" }, detail),
    buttons.length > 0 && h("div", { class: "buttons" }, buttons),
  );
}

/**
 * A short message below, until it is closed or another one comes.
 *
 * @param {string} text
 */
export function notify(text) {
  const close = h("button", { type: "button", class: "quiet", onClick: () => fill(byId("notices")) }, t("close"));
  fill(byId("notices"), h("div", { class: "notice", role: "status" }, h("span", {}, text), close));
}
