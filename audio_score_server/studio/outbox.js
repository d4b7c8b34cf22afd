// @ts-check
/** Sends takes: at once, and those that could not be sent again, when the server or network is back. */

import { score } from "./api.js";
import { Failure } from "./failures.js";
import { keepBest } from "./preferences.js";
import { forget, keep, tidy, waitingTakes } from "./takes.js";

/** @typedef {import("./takes.js").Take} Take */

const CHECK_MS = 15_000;
/** @type {Set<(take: Take) => void>} */
const listeners = new Set();
/** Ids of takes that are under way. */
const sending = new Set();

/**
 * Be told of takes that were sent later.
 *
 * @param {(take: Take) => void} listener
 * @returns {() => void} ends it
 */
export function onSent(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/**
 * @param {string} clip `uid/cid`
 * @returns {{uid: string, cid: string}}
 */
export function idsOf(clip) {
  const [uid, cid] = clip.split("/").map(decodeURIComponent);
  return { uid, cid };
}

/**
 * A new take, kept before it is sent.
 *
 * @param {string} clip `uid/cid`
 * @param {Blob} sound
 * @returns {Take}
 */
export function newTake(clip, sound) {
  const id = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  return { id, clip, at: Date.now(), sound, score: null };
}

/**
 * Send a take. It is kept while it is under way; a refusal that will not pass lets it go.
 *
 * @param {Take} take
 * @returns {Promise<{take: Take, isBest: boolean, kept: Promise<void>}>} `kept`: the score, too, is stored
 * @throws {Failure} it could not be sent; if that passes, it will be sent again by itself
 */
export async function send(take) {
  sending.add(take.id);
  const keeping = keep(take);
  try {
    const answer = await score(idsOf(take.clip), take.sound);
    const scored = { ...take, score: answer };
    // What the user waits for is the score; the browser's storage may take its time.
    const kept = keeping.then(() => keep(scored)).then(() => tidy(take.clip));
    return { take: scored, isBest: keepBest(take.clip, answer.sim_score), kept };
  } catch (error) {
    const stays = error instanceof Failure && (error.passes || error.name === "key");
    await keeping;
    if (!stays) await forget(take.id);
    throw error;
  } finally {
    sending.delete(take.id);
  }
}

/** Send what waits; stops at the first that does not go, since the others would not either. */
export async function sendWaiting() {
  if (!navigator.onLine) return;
  for (const waiting of await waitingTakes()) {
    if (sending.has(waiting.id)) continue;
    try {
      const { take, kept } = await send(waiting);
      await kept;
      for (const listener of listeners) listener(take);
    } catch (error) {
      if (!(error instanceof Failure) || error.passes) return;
    }
  }
}

/** Look now and then whether something waits. */
export function watchOutbox() {
  window.addEventListener("online", () => void sendWaiting());
  window.setInterval(() => void sendWaiting(), CHECK_MS);
  void sendWaiting();
}
