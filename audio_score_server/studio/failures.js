// @ts-check
/** Everything that can go wrong, by name; `failure.NAME` and `failure.NAME.remedy` are its words. */

/**
 * Names that the page has words of its own for. Other faults of the server are told in its words.
 *
 * @typedef {"insecure" | "unsupported" | "permission" | "noMicrophone" | "microphoneTaken"
 *   | "microphoneGone" | "hidden" | "offline" | "busy" | "key" | "adminKey" | "tooLong" | "tooLarge"
 *   | "gone" | "picture" | "changed" | "nothing" | "server"} FailureName
 */

export class Failure extends Error {
  /**
   * @param {FailureName} name
   * @param {{detail?: string, retryAfterS?: number, code?: string}} [more] `detail`: the server's words
   */
  constructor(name, more = {}) {
    super(more.detail ?? name);
    this.name = name;
    this.detail = more.detail ?? "";
    this.retryAfterS = more.retryAfterS ?? 0;
    this.code = more.code ?? "";
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return this.name === "busy" || this.name === "offline";
  }
}

/** @type {Record<string, FailureName>} */
const BY_CODE = {
  audio_too_long: "tooLong",
  upload_too_large: "tooLarge",
  unknown_clip: "gone",
  unauthorized: "key",
  forbidden: "adminKey",
  library_read_only: "adminKey",
  precondition_failed: "changed",
};
const BUSY = new Set([429, 502, 503, 504]);

/**
 * What an answer that is no success means.
 *
 * @param {Response} answer
 * @returns {Promise<Failure>}
 */
export async function failureOf(answer) {
  const { detail, code } = await answer.json().catch(() => ({ detail: "", code: "" }));
  if (BUSY.has(answer.status)) {
    const retryAfterS = Number(answer.headers.get("Retry-After")) || 3;
    return new Failure("busy", { detail, code, retryAfterS });
  }
  return new Failure(BY_CODE[code] ?? "server", { detail, code });
}

/** @type {Record<string, FailureName>} */
const BY_MICROPHONE_ERROR = {
  NotAllowedError: "permission",
  SecurityError: "permission",
  NotFoundError: "noMicrophone",
  OverconstrainedError: "noMicrophone",
  NotReadableError: "microphoneTaken",
  AbortError: "microphoneTaken",
};

/**
 * What an error of `getUserMedia` means.
 *
 * @param {unknown} error
 * @returns {Failure}
 */
export function microphoneFailure(error) {
  const { name, message } = /** @type {Error} */ (error);
  return new Failure(BY_MICROPHONE_ERROR[name] ?? "unsupported", { detail: `${name}: ${message}` });
}
