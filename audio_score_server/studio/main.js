// @ts-check
/** The page: which view the address asks for. */

import { byId, fill, h } from "./dom.js";
import { loadWords, t } from "./i18n.js";
import { showLibrary } from "./library.js";
import { notify } from "./notices.js";
import { watchOutbox, onSent } from "./outbox.js";
import { points } from "./marks.js";
import { showPractice } from "./practice.js";
import { applyTheme, showHeader } from "./settings.js";
import { showTeacher } from "./teacher.js";

/** @type {() => void} */
let leave = () => {};

/** Show what the address asks for: `#/`, `#/clip/UID/CID` or `#/teacher`. */
function route() {
  leave();
  const [, view, ...rest] = location.hash.split("/");
  const place = h("div", { class: `view ${view || "library"}-view` });
  fill(byId("main"), place);
  document.title = t("studio");
  if (view === "clip") leave = showPractice(place, rest.join("/"));
  else if (view === "teacher") leave = showTeacher(place);
  else leave = showLibrary(place);
  window.scrollTo(0, 0);
}

function show() {
  showHeader(byId("header"), show);
  route();
}

applyTheme();
await loadWords();
show();
window.addEventListener("hashchange", route);
window.addEventListener("offline", () => notify(t("failure.offline")));
onSent((take) => notify(t("take.sentLater", { points: points(take.score?.sim_score ?? 0) })));
watchOutbox();
