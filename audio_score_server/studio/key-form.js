// @ts-check
/** Asks for a key where the server wants one. */

import { h } from "./dom.js";
import { t } from "./i18n.js";
import { setAdminKey, setApiKey } from "./keys.js";

/**
 * @param {boolean} asAdmin whether clips are to be changed
 * @param {() => void} then called once a key is there
 * @returns {HTMLElement}
 */
export function keyForm(asAdmin, then) {
  const field = h("input", { id: "key", type: "password", autocomplete: "off", required: true });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const key = field.value.trim();
    if (!key) return;
    if (asAdmin) setAdminKey(key);
    else setApiKey(key);
    then();
  };
  const text = t(asAdmin ? "key.admin" : "key.api");
  return h(
    "form",
    { class: "card key-form", onSubmit: submit },
    h("h2", {}, text),
    h("p", {}, t(asAdmin ? "key.admin.hint" : "key.api.hint")),
    h("label", { for: "key" }, t("key")),
    field,
    h("button", { class: "primary" }, t("key.use")),
  );
}
