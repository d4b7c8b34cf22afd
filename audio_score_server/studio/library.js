// @ts-check
/** The list of clips: pictures, search, and the best score so far. */

import { findClips, mediaOf } from "./api.js";
import { fill, h, say } from "./dom.js";
import { Failure } from "./failures.js";
import { t } from "./i18n.js";
import { keyForm } from "./key-form.js";
import { grade, points } from "./marks.js";
import { failureBox } from "./notices.js";
import { bestOf } from "./preferences.js";

/**
 * @typedef {import("./api.js").ClipSummary} ClipSummary
 */

const PAGE = 48;
const TYPING_MS = 150;

/**
 * Show the list.
 *
 * @param {HTMLElement} place
 * @returns {() => void} takes it away
 */
export function showLibrary(place) {
  const library = new LibraryView(place);
  void library.load(false);
  return () => library.close();
}

class LibraryView {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.abort = new AbortController();
    /** @type {(() => void)[]} */
    this.releases = [];
    this.last = "";
    this.timer = 0;
    this.observer = new IntersectionObserver((entries) => this.onSeen(entries), { rootMargin: "200px" });
    this.search = h("input", {
      type: "search",
      id: "search",
      placeholder: t("library.search"),
      "aria-label": t("library.search"),
      onInput: () => this.type(),
    });
    this.list = h("ul", { class: "clips", onKeydown: (/** @type {KeyboardEvent} */ event) => this.move(event) });
    this.more = h("button", { type: "button", hidden: true, onClick: () => void this.load(true) }, t("library.more"));
    this.message = h("div", {});
    fill(
      place,
      h("div", { class: "library-head" }, h("h1", {}, t("library")), h("p", { class: "lead" }, t("library.lead")), this.search),
      this.message,
      this.list,
      this.more,
    );
  }

  close() {
    this.abort.abort();
    this.observer.disconnect();
    clearTimeout(this.timer);
    for (const release of this.releases) release();
  }

  type() {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(false), TYPING_MS);
  }

  /** @param {boolean} isMore whether what is there stays */
  async load(isMore) {
    this.abort.abort();
    const abort = (this.abort = new AbortController());
    const search = { q: this.search.value.trim(), after: isMore ? this.last : "" };
    try {
      const { clips, total } = await findClips(search, PAGE, abort.signal);
      if (!isMore) fill(this.list);
      this.add(clips);
      this.more.hidden = this.list.children.length >= total;
      fill(this.message, total === 0 && h("p", { class: "empty" }, t(search.q ? "library.none" : "library.empty")));
      if (search.q) say(t("library.found", { count: total }));
    } catch (error) {
      if (!abort.signal.aborted) this.fail(error, isMore);
    }
  }

  /**
   * @param {unknown} error
   * @param {boolean} isMore
   */
  fail(error, isMore) {
    const again = () => void this.load(isMore);
    if (error instanceof Failure && error.name === "key") {
      fill(this.message, keyForm(false, again));
      return;
    }
    fill(this.message, failureBox(error, [{ label: t("again"), act: again }]));
    if (error instanceof Failure && error.passes) {
      this.timer = window.setTimeout(again, 1000 * (error.retryAfterS || 5));
    }
  }

  /** @param {ClipSummary[]} clips */
  add(clips) {
    let group = this.list.lastElementChild?.dataset.uid ?? "";
    for (const clip of clips) {
      const item = card(clip, group !== clip.uid);
      group = clip.uid;
      this.list.append(item);
      this.observer.observe(item);
      pictures.set(item, clip);
      this.last = `${clip.uid}_${clip.cid}`;
    }
  }

  /** @param {IntersectionObserverEntry[]} entries */
  onSeen(entries) {
    for (const { isIntersecting, target } of entries) {
      const clip = pictures.get(target);
      if (!isIntersecting || !clip) continue;
      this.observer.unobserve(target);
      void this.showPicture(target, clip);
    }
  }

  /**
   * A clip's picture: a frame of it, which the browser fetches alone.
   *
   * @param {Element} item
   * @param {ClipSummary} clip
   */
  async showPicture(item, clip) {
    try {
      const { url, release } = await mediaOf(clip);
      this.releases.push(release);
      const video = h("video", { src: `${url}#t=0.6`, preload: "metadata", muted: true, playsinline: true, tabindex: -1, "aria-hidden": "true" });
      item.querySelector(".picture")?.append(video);
    } catch {
      // The list is of use without.
    }
  }

  /**
   * Arrows go from clip to clip.
   *
   * @param {KeyboardEvent} event
   */
  move(event) {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!step) return;
    const links = [...this.list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(links.length - 1, Math.max(0, at + step))]?.focus();
    event.preventDefault();
  }
}

/** @type {WeakMap<Element, ClipSummary>} */
const pictures = new WeakMap();

/**
 * @param {ClipSummary} clip
 * @param {boolean} isFirst of its video
 * @returns {HTMLElement}
 */
function card(clip, isFirst) {
  const id = `${encodeURIComponent(clip.uid)}/${encodeURIComponent(clip.cid)}`;
  const best = bestOf(id);
  return h(
    "li",
    { class: isFirst ? "first" : null, "data-uid": clip.uid },
    h(
      "a",
      { href: `#/clip/${id}`, class: "card clip" },
      h("span", { class: "picture" }),
      h("span", { class: "clip-text" }, clip.text ?? t("library.noText")),
      h(
        "span",
        { class: "clip-foot" },
        h("span", { class: "clip-name" }, `${clip.uid} · ${clip.cid}`),
        best !== null && h("span", { class: `badge ${grade(best)}` }, t("library.best", { points: points(best) })),
      ),
    ),
  );
}
