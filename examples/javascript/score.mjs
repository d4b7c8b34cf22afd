// Score a recording from a page or from Node 20: node examples/javascript/score.mjs RECORDING
//
// AUDIO_SCORE_SERVER is the server's address, AUDIO_SCORE_API_KEY its key where it wants one. Pages of
// other origins need the server's setting cors_origins, and no key: whoever sees a page sees its keys.

export class AudioScoreError extends Error {
  /** What the server said is wrong: `code` is for programs, `message` for people. */
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const AGAIN = [429, 503];
const TRIES = 5;

/**
 * How close a recording comes to a clip.
 *
 * @param {string} server address, such as "https://scores.example"
 * @param {Blob} recording in any format that MediaRecorder writes
 * @param {{uid: string, cid: string}} clip
 * @param {{model?: string, key?: string, timeoutMs?: number}} [options]
 * @returns {Promise<{model: string, sim_score: number, audio_sim_score: number, text_sim_score: number}>}
 */
export async function score(server, recording, clip, options = {}) {
  const end = Date.now() + (options.timeoutMs ?? 60_000);
  for (let tried = 1; ; tried++) {
    const form = new FormData();
    form.append("uid", clip.uid);
    form.append("cid", clip.cid);
    if (options.model) form.append("model", options.model);
    form.append("audio", recording, "recording");
    const left = Math.max(1, end - Date.now());
    const headers = { "X-Request-Timeout-Ms": String(left) };
    if (options.key) headers.Authorization = `Bearer ${options.key}`;
    const answer = await fetch(`${server}/score`, {
      method: "POST",
      body: form,
      headers,
      signal: AbortSignal.timeout(left),
    });
    if (answer.ok) return answer.json();
    const asked = Number(answer.headers.get("Retry-After"));
    const wait = 1000 * (asked || 0.25 * 2 ** tried) * (1 + 0.25 * Math.random());
    if (!AGAIN.includes(answer.status) || tried === TRIES || Date.now() + wait >= end) {
      const { code = "", detail = answer.statusText } = await answer.json().catch(() => ({}));
      throw new AudioScoreError(answer.status, code, detail);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

async function main(path) {
  const { readFile } = await import("node:fs/promises");
  const { AUDIO_SCORE_SERVER: server = "http://localhost:9000", AUDIO_SCORE_API_KEY: key } = process.env;
  const recording = new Blob([await readFile(path)]);
  const clip = { uid: "RiverTales-s01e01", cid: "part01" };
  console.log(JSON.stringify(await score(server, recording, clip, { key })));
}

if (globalThis.process?.argv[1]?.endsWith("score.mjs")) {
  try {
    await main(process.argv[2] ?? "audio_clip/RiverTales-s01e01_part01_other.m4a");
  } catch (error) {
    console.error(error instanceof AudioScoreError ? `${error.message} (${error.status} ${error.code})` : error);
    process.exitCode = 1;
  }
}
