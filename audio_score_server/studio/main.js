// @ts-check
/** The page: which view the address asks for. */

import { byId, fill, h } from "./dom.js";
import { Failure } from "./failures.js";
import { loadWords, t } from "./i18n.js";
import { showLibrary } from "./library.js";
import { failureBox, notify } from "./notices.js";
import { watchOutbox, onSent } from "./outbox.js";
import { points } from "./marks.js";
import { applyTheme, showHeader } from "./settings.js";

const IDLE_MS = 1500;

/** @typedef {(place: HTMLElement, rest: string) => () => void} Show gives what takes the view away */

/** @type {() => void} */
let leave = () => {};
let turns = 0;

/**
 * Views other than the first are fetched when they are asked for, or when there is nothing else to do.
 *
 * @param {string | undefined} view
 * @returns {Promise<Show>}
 */
async function showOf(view) {
  if (view === "clip") return (await import("./practice.js")).showPractice;
  if (view === "teacher") return (await import("./teacher.js")).showTeacher;
  return showLibrary;
}

/** Show what the address asks for: `#/`, `#/clip/UID/CID` or `#/teacher`. */
async function route() {
  const turn = ++turns;
  leave();
  leave = () => {};
  const [, view, ...rest] = location.hash.split("/");
  const place = h("div", { class: `view ${view || "library"}-view` });
  fill(byId("main"), place);
  document.title = t("studio");
  window.scrollTo(0, 0);
  try {
    const show = await showOf(view);
    if (turn === turns) leave = show(place, rest.join("/"));
  } catch {
    const again = { label: t("again"), act: () => location.reload() };
    fill(place, failureBox(new Failure("offline"), [again]));
  }
}

function show() {
  showHeader(byId("header"), show);
  void route();
}

applyTheme();
await loadWords();
show();
window.addEventListener("hashchange", () => void route());
window.addEventListener("offline", () => notify(t("failure.offline")));
onSent((take) => notify(t("take.sentLater", { points: points(take.score?.sim_score ?? 0) })));
watchOutbox();
setTimeout(() => void showOf("clip"), IDLE_MS);
