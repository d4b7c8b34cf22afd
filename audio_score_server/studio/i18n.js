// @ts-check
/** The page's words. A language is a file `i18n/CODE.json`; the server tells the page which there are. */

import { get, put } from "./preferences.js";

/** @type {Record<string, string>} */
let words = {};
let code = "en";

/** Address of a file of the page. */
export const base = document.documentElement.dataset.base ?? "";

/**
 * Languages that there are, with their own names, by code.
 *
 * @returns {Record<string, string>}
 */
export function languages() {
  const listed = (document.documentElement.dataset.languages ?? "en=English").split(" ");
  return Object.fromEntries(listed.map((each) => each.split("=")));
}

/**
 * The code of the language in use.
 *
 * @returns {string}
 */
export function language() {
  return code;
}

/** Fetch the words of the language that was chosen, else of the browser's first that is there. */
export async function loadWords() {
  const wanted = [get("language"), ...navigator.languages.map((each) => each.split("-")[0]), "en"];
  code = wanted.find((each) => each && each in languages()) ?? "en";
  words = await wordsOf(code);
  document.documentElement.lang = code;
}

/**
 * @param {string} code
 * @returns {Promise<Record<string, string>>}
 */
async function wordsOf(code) {
  const answer = await fetch(`${base}/i18n/${code}.json`);
  return answer.json();
}

/**
 * Use another language from now on.
 *
 * @param {string} code
 */
export async function chooseLanguage(code) {
  put("language", code);
  await loadWords();
}

/**
 * Words by their key, with `{name}` filled in.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string} the key itself where the language lacks it
 */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Whether the language has words for a key.
 *
 * @param {string} key
 * @returns {boolean}
 */
export function knows(key) {
  return key in words;
}
