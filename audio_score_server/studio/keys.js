// @ts-check
/** Keys of the server: one to ask it anything, one to change clips. The latter goes with the tab. */

import { get, put } from "./preferences.js";

const ADMIN = "studio.admin";

/** @returns {string} empty where there is none */
export function adminKey() {
  return sessionStorage.getItem(ADMIN) ?? "";
}

/** @param {string} key empty to forget it */
export function setAdminKey(key) {
  if (key) sessionStorage.setItem(ADMIN, key);
  else sessionStorage.removeItem(ADMIN);
}

/** @returns {string} empty where there is none */
export function apiKey() {
  return get("key") ?? "";
}

/** @param {string} key empty to forget it */
export function setApiKey(key) {
  put("key", key || null);
}

/**
 * Headers that show a key, if there is one.
 *
 * @param {boolean} [asAdmin] whether clips are to be changed
 * @returns {Record<string, string>}
 */
export function keyHeaders(asAdmin = false) {
  const key = asAdmin ? adminKey() : apiKey() || adminKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}
