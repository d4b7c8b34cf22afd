// @ts-check
/** The server, by its HTTP API. */

import { Failure, failureOf } from "./failures.js";
import { keyHeaders } from "./keys.js";

/**
 * @typedef {{uid: string, cid: string, text: string | null, etag: string}} ClipSummary
 * @typedef {ClipSummary & {media_type: string, duration_s: number | null, size_bytes: number}} Clip
 * @typedef {{start: number, end: number}} TimeSpan
 * @typedef {{text: string, reference: TimeSpan | null}} ClipWord
 * @typedef {{phone: string, score: number, heard: string[], recording: TimeSpan | null,
 *   reference: TimeSpan | null}} Phone
 * @typedef {{text: string, status: "correct" | "omission" | "substitution" | "insertion",
 *   score: number, heard: string[], recording: TimeSpan | null, reference: TimeSpan | null,
 *   phones: Phone[]}} Word
 * @typedef {{start_offset_s: number, end_offset_s: number, duration_ratio: number,
 *   reference: TimeSpan, recording: TimeSpan}} Timing
 * @typedef {{pronunciation: number, rhythm: number, speech_rate: number, overall: number}} Fluency
 * @typedef {{expected: string, heard: string[], words: Word[], timing: Timing | null,
 *   fluency: Fluency | null, prosody: {pitch_correlation: number | null}, warnings: string[]}} Detail
 * @typedef {{model: string, sim_score: number, audio_sim_score: number, text_sim_score: number,
 *   detail?: Detail}} Score
 */

/**
 * Ask; a failure is thrown as a `Failure`.
 *
 * @param {string} path
 * @param {RequestInit & {asAdmin?: boolean}} [options]
 * @returns {Promise<Response>}
 */
export async function ask(path, options = {}) {
  const { asAdmin = false, headers = {}, ...others } = options;
  const all = { ...keyHeaders(asAdmin), .../** @type {Record<string, string>} */ (headers) };
  let answer;
  try {
    answer = await fetch(path, { ...others, headers: all });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure("offline");
  }
  if (!answer.ok) throw await failureOf(answer);
  return answer;
}

/**
 * The address of a clip.
 *
 * @param {{uid: string, cid: string}} clip
 * @returns {string}
 */
export function pathOf(clip) {
  return `clips/${encodeURIComponent(clip.uid)}/${encodeURIComponent(clip.cid)}`;
}

/**
 * A page of the clips that are found.
 *
 * @param {{q?: string, uid?: string, after?: string}} search
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<{clips: ClipSummary[], total: number}>}
 */
export async function findClips(search, limit, signal) {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const [name, value] of Object.entries(search)) if (value) query.set(name, value);
  const answer = await ask(`clips?${query}`, { signal });
  const total = Number(answer.headers.get("X-Total-Count"));
  return { clips: await answer.json(), total };
}

/**
 * @param {{uid: string, cid: string}} clip
 * @returns {Promise<Clip>}
 */
export async function getClip(clip) {
  return (await ask(pathOf(clip))).json();
}

/**
 * When each word of a clip is said; none where nobody knows.
 *
 * @param {{uid: string, cid: string}} clip
 * @returns {Promise<ClipWord[]>}
 */
export async function getWords(clip) {
  return (await ask(`${pathOf(clip)}/words`)).json();
}

/**
 * A clip's sound alone, as a WAV file.
 *
 * @param {{uid: string, cid: string}} clip
 * @returns {Promise<ArrayBuffer>}
 */
export async function getSound(clip) {
  return (await ask(`${pathOf(clip)}/media?audio=1`)).arrayBuffer();
}

/**
 * Where an element can load a clip's file from. An element shows no key: with one, the file is fetched.
 *
 * @param {{uid: string, cid: string, etag: string}} clip
 * @returns {Promise<{url: string, release: () => void}>}
 */
export async function mediaOf(clip) {
  const path = `${pathOf(clip)}/media`;
  if (!("Authorization" in keyHeaders())) return { url: path, release: () => {} };
  const url = URL.createObjectURL(await (await ask(path)).blob());
  return { url, release: () => URL.revokeObjectURL(url) };
}

/**
 * Score a recording; with reasons where the model has any.
 *
 * @param {{uid: string, cid: string}} clip
 * @param {Blob} recording
 * @returns {Promise<Score>}
 */
export async function score(clip, recording) {
  try {
    return await postScore(clip, recording, "full");
  } catch (error) {
    if (error instanceof Failure && error.code === "detail_unsupported") {
      return postScore(clip, recording, "");
    }
    throw error;
  }
}

/**
 * @param {{uid: string, cid: string}} clip
 * @param {Blob} recording
 * @param {"" | "full"} detail
 * @returns {Promise<Score>}
 */
async function postScore(clip, recording, detail) {
  const answer = await ask("score", { method: "POST", body: formOf(clip, recording, detail) });
  return answer.json();
}

/**
 * A picture of a recording over against its clip, as SVG.
 *
 * @param {{uid: string, cid: string}} clip
 * @param {Blob} recording
 * @returns {Promise<Blob>}
 */
export async function plot(clip, recording) {
  const body = formOf(clip, recording, "plot");
  return (await ask("score", { method: "POST", body })).blob();
}

/**
 * @param {{uid: string, cid: string}} clip
 * @param {Blob} recording
 * @param {string} detail
 * @returns {FormData}
 */
function formOf(clip, recording, detail) {
  const form = new FormData();
  form.set("uid", clip.uid);
  form.set("cid", clip.cid);
  if (detail) form.set("detail", detail);
  form.set("audio", recording, "take.wav");
  return form;
}

/**
 * Add a clip, or replace it.
 *
 * @param {{uid: string, cid: string}} clip
 * @param {File} media
 * @param {string} text
 * @param {Record<string, string>} condition headers: only if it is new, or has not changed
 * @returns {Promise<Clip>}
 */
export async function putClip(clip, media, text, condition) {
  const body = new FormData();
  body.set("media", media, media.name);
  if (text) body.set("text", text);
  const options = { method: "PUT", body, headers: condition, asAdmin: true };
  return (await ask(pathOf(clip), options)).json();
}

/**
 * @param {ClipSummary} clip
 * @param {string} text empty for none
 * @returns {Promise<Clip>}
 */
export async function setText(clip, text) {
  const headers = { "Content-Type": "application/json", "If-Match": clip.etag };
  const body = JSON.stringify({ text: text || null });
  return (await ask(pathOf(clip), { method: "PATCH", body, headers, asAdmin: true })).json();
}

/** @param {ClipSummary} clip */
export async function deleteClip(clip) {
  const headers = { "If-Match": clip.etag };
  await ask(pathOf(clip), { method: "DELETE", headers, asAdmin: true });
}
