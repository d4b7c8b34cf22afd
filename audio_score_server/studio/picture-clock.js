// @ts-check
/** When, on the page's clock, a picture's time 0 was shown: from the frames' own times where there are any. */

const ENOUGH = 12;

/**
 * Follow a picture that is about to start.
 *
 * @param {HTMLVideoElement} video
 * @returns {{startedAt: () => number | null, stop: () => void}} `startedAt`: milliseconds of
 *   `performance.now()`, the median over frames but the first, which was there before; null without
 */
export function followPicture(video) {
  /** @type {number[]} */
  const shown = [];
  /** @type {number[]} */
  const estimated = [];
  let running = true;
  const onFrame = (/** @type {number} */ _, /** @type {VideoFrameCallbackMetadata} */ frame) => {
    shown.push(frame.expectedDisplayTime - 1000 * frame.mediaTime);
    if (running && shown.length < ENOUGH) video.requestVideoFrameCallback(onFrame);
  };
  const onTick = () => {
    if (!video.paused && video.currentTime > 0) {
      estimated.push(performance.now() - 1000 * video.currentTime);
    }
    if (running && estimated.length < ENOUGH) requestAnimationFrame(onTick);
  };
  if ("requestVideoFrameCallback" in video) video.requestVideoFrameCallback(onFrame);
  requestAnimationFrame(onTick);
  return {
    startedAt: () => median(shown.length > 1 ? shown.slice(1) : estimated),
    stop: () => {
      running = false;
    },
  };
}

/**
 * @param {number[]} values
 * @returns {number | null}
 */
function median(values) {
  return values.length ? [...values].sort((one, other) => one - other)[values.length >> 1] : null;
}
