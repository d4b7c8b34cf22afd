// @ts-check
/** The header: name of the page, teacher's page, language, colours. */

import { fill, h } from "./dom.js";
import { chooseLanguage, language, languages, t } from "./i18n.js";
import { get, put } from "./preferences.js";

const THEMES = ["auto", "light", "dark"];

/** Use the colours that were chosen; the system's where none were. */
export function applyTheme() {
  document.documentElement.dataset.theme = get("theme") ?? "auto";
}

/**
 * @param {HTMLElement} place
 * @param {() => void} onLanguage told when the page is to be written anew
 */
export function showHeader(place, onLanguage) {
  const skip = () => document.getElementById("main")?.focus();
  const names = languages();
  const chooseTheme = (/** @type {string} */ theme) => {
    put("theme", theme);
    applyTheme();
  };
  const themes = Object.fromEntries(THEMES.map((each) => [each, t(`theme.${each}`)]));
  fill(
    place,
    h("button", { type: "button", class: "skip", onClick: skip }, t("skip")),
    h("a", { href: "#/", class: "brand" }, h("span", { class: "logo", "aria-hidden": "true" }), t("studio")),
    h(
      "nav",
      { "aria-label": t("settings") },
      h("a", { href: "#/teacher" }, t("teacher")),
      choice("language", names, language(), (code) => void chooseLanguage(code).then(onLanguage)),
      choice("theme", themes, get("theme") ?? "auto", chooseTheme),
    ),
  );
}

/**
 * @param {string} name
 * @param {Record<string, string>} options
 * @param {string} chosen
 * @param {(value: string) => void} onChange
 * @returns {HTMLElement}
 */
function choice(name, options, chosen, onChange) {
  const select = h(
    "select",
    { id: name, "aria-label": t(name) },
    Object.entries(options).map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  select.addEventListener("change", () => onChange(select.value));
  return select;
}
