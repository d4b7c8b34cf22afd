// @ts-check
/** One word of a result: hear mine, theirs or both, loop it, and its sounds. */

import { fill, h } from "./dom.js";
import { knows, t } from "./i18n.js";
import { icon } from "./icons.js";
import { grade, points, wordMark } from "./marks.js";
import { hear, hearAll } from "./sounds.js";

/**
 * @typedef {import("./api.js").Word} Word
 * @typedef {import("./api.js").Phone} Phone
 * @typedef {{clip: AudioBuffer, take: AudioBuffer}} Pair
 */

/**
 * @param {Word} word
 * @param {Pair} sounds
 * @param {(word: Word) => void} onLoop told to play the word again and again in the clip
 * @returns {HTMLElement}
 */
export function wordPanel(word, sounds, onLoop) {
  const mine = { sound: sounds.take, span: word.recording };
  const theirs = { sound: sounds.clip, span: word.reference };
  const both = [theirs, mine].filter(({ span }) => span);
  return h(
    "section",
    { class: "word-panel", "aria-label": word.text },
    h("h2", {}, word.text, " ", h("span", { class: `tag ${wordMark(word)}` }, t(`mark.${wordMark(word)}`))),
    word.heard.length > 0 && h("p", {}, t("word.heard", { heard: heardText(word.heard) })),
    h(
      "div",
      { class: "buttons" },
      word.reference && button("word.theirs", () => void hear(theirs.sound, theirs.span)),
      word.recording && button("word.mine", () => void hear(mine.sound, mine.span)),
      both.length > 1 && button("word.both", () => void hearAll(both)),
      word.reference && button("word.loop", () => onLoop(word)),
    ),
    word.phones.length > 0 && phoneList(word.phones),
  );
}

/**
 * @param {string} key
 * @param {() => void} act
 * @returns {HTMLElement}
 */
function button(key, act) {
  return h("button", { type: "button", onClick: act, "data-act": key }, icon("play"), t(key));
}

/**
 * @param {Phone[]} phones
 * @returns {HTMLElement}
 */
function phoneList(phones) {
  const explanation = h("p", { class: "phone-text", role: "status" });
  const explain = (/** @type {Phone} */ phone) => fill(explanation, phoneText(phone));
  const items = phones.map((phone) =>
    h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: `phone ${phone.recording ? grade(phone.score) : "missing"}`,
          "aria-label": `${phone.phone}, ${t("result.points", { points: points(phone.score) })}`,
          onClick: () => explain(phone),
        },
        phone.phone,
      ),
    ),
  );
  const summary = h("summary", {}, t("word.phones"));
  return h("details", { class: "phones" }, summary, h("ul", {}, items), explanation);
}

/**
 * What was heard instead, and how it is made.
 *
 * @param {Phone} phone
 * @returns {string}
 */
function phoneText(phone) {
  const heard = heardText(phone.heard);
  const parts = [
    heard && t("phone.heard", { phone: phone.phone, heard }),
    !phone.recording && !heard && t("phone.missing", { phone: phone.phone }),
    knows(`phone.${phone.phone}`) && `${phone.phone}: ${t(`phone.${phone.phone}`)}`,
  ];
  return parts.filter(Boolean).join(" ");
}

/**
 * @param {string[]} heard words or phones
 * @returns {string}
 */
function heardText(heard) {
  return heard.join(" ");
}
