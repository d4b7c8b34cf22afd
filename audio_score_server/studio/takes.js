// @ts-check
/** Takes that the browser keeps, scored or yet to be sent: in IndexedDB, else until the page is closed. */

/**
 * @typedef {import("./api.js").Score} Score
 * @typedef {{id: string, clip: string, at: number, sound: Blob, score: Score | null,
 *   reason?: string}} Take
 *   `clip` is `uid/cid`; `score` is null while the take could not be sent
 */

const KEPT = 8;
/** @type {Map<string, Take>} */
const memory = new Map();
/** @type {Promise<IDBDatabase | null> | null} */
let opening = null;

/** @returns {Promise<IDBDatabase | null>} null where the browser allows none */
function open() {
  opening ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open("studio", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("takes", { keyPath: "id" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
      request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opening;
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function inStore(mode, work) {
  const database = await open();
  if (!database) throw new Error("no storage");
  return new Promise((resolve, reject) => {
    const request = work(database.transaction("takes", mode).objectStore("takes"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Keep a take, in place of the one of its id.
 *
 * @param {Take} take
 */
export async function keep(take) {
  try {
    await inStore("readwrite", (store) => store.put(take));
    memory.delete(take.id);
  } catch {
    memory.set(take.id, take);
  }
}

/** @param {string} id */
export async function forget(id) {
  memory.delete(id);
  await inStore("readwrite", (store) => store.delete(id)).catch(() => {});
}

/** @returns {Promise<Take[]>} oldest first */
async function all() {
  /** @type {Take[]} */
  const stored = await inStore("readonly", (store) => store.getAll()).catch(() => []);
  return [...stored, ...memory.values()].sort((one, other) => one.at - other.at);
}

/**
 * Takes of a clip, the newest first.
 *
 * @param {string} clip
 * @returns {Promise<Take[]>}
 */
export async function takesOf(clip) {
  return (await all()).filter((take) => take.clip === clip).reverse();
}

/** @returns {Promise<Take[]>} those that are yet to be sent, oldest first */
export async function waitingTakes() {
  return (await all()).filter((take) => take.score === null);
}

/**
 * Let go of a clip's oldest takes, but of none that waits, nor of the best.
 *
 * @param {string} clip
 */
export async function tidy(clip) {
  const scored = (await takesOf(clip)).filter((take) => take.score !== null);
  const best = bestTake(scored);
  const old = scored.slice(KEPT).filter((take) => take !== best);
  await Promise.all(old.map((take) => forget(take.id)));
}

/**
 * @param {Take[]} takes
 * @returns {Take | undefined}
 */
export function bestTake(takes) {
  const value = (/** @type {Take} */ take) => take.score?.sim_score ?? -1;
  const scored = takes.filter((take) => take.score);
  return scored.reduce(
    (best, take) => (best && value(best) >= value(take) ? best : take),
    /** @type {Take | undefined} */ (undefined),
  );
}
