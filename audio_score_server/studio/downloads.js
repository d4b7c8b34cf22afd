// @ts-check
/** Files for the user to keep. */

import { plot } from "./api.js";
import { h } from "./dom.js";
import { idsOf } from "./outbox.js";

/**
 * Offer a file.
 *
 * @param {Blob} content
 * @param {string} name
 */
export function save(content, name) {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/**
 * @param {import("./takes.js").Take} take
 * @param {"take" | "score" | "picture"} what
 */
export async function saveOf(take, what) {
  const name = take.clip.replace("/", "_");
  if (what === "take") save(take.sound, `${name}.wav`);
  else if (what === "picture") save(await plot(idsOf(take.clip), take.sound), `${name}.svg`);
  else save(new Blob([JSON.stringify(take.score, null, 2)], { type: "application/json" }), `${name}.json`);
}
