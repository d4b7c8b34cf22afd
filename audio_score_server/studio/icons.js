// @ts-check
/** Pictures on buttons; each button has words beside its picture, or a label. */

import { h } from "./dom.js";

const PATHS = {
  play: "M8 5v14l11-7z",
  stop: "M6 6h12v12H6z",
  mic: "M12 15a3 3 0 0 0 3-3V6a3 3 0 0 0-6 0v6a3 3 0 0 0 3 3zm5-3a5 5 0 0 1-10 0H5a7 7 0 0 0 6 6.9V22h2v-3.1A7 7 0 0 0 19 12z",
  back: "M14.7 6.3 13.3 5l-7 7 7 7 1.4-1.3L9 12z",
  film: "M4 5h16v14H4zm2 2v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zm10-8v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2z",
  star: "M12 3l2.7 5.8 6.3.8-4.6 4.3 1.2 6.2-5.6-3-5.6 3 1.2-6.2L3 9.600l6.300-.8z",
  save: "M11 4h2v8l3-3 1.400 1.400L12 15.800l-5.400-5.400L8 9l3 3zM5 18h14v2H5z",
  gear: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zm9 5v-2l-2.300-.6-.6-1.500 1.200-2-1.400-1.400-2 1.200-1.500-.6L13 3h-2l-.6 2.300-1.500.6-2-1.200L5.500 6.100l1.200 2-.6 1.500L3 11v2l2.300.6.6 1.500-1.200 2 1.400 1.400 2-1.200 1.500.6L11 21h2l.6-2.300 1.500-.6 2 1.200 1.400-1.400-1.200-2 .6-1.500z",
};

/**
 * @param {keyof typeof PATHS} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const path = h("path", { d: PATHS[name] });
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, path);
}
