// @ts-check
/** One clip: watch it, speak over it, see how close it came. */

import { getClip, getSound, getWords, mediaOf } from "./api.js";
import { fill, h, say } from "./dom.js";
import { Failure } from "./failures.js";
import { History } from "./history.js";
import { t } from "./i18n.js";
import { keyForm } from "./key-form.js";
import { Meter } from "./meter.js";
import { failureBox } from "./notices.js";
import { idsOf, newTake, onSent, send } from "./outbox.js";
import { Player } from "./player.js";
import { isOn } from "./preferences.js";
import { Controls } from "./controls.js";
import { Recording } from "./recording.js";
import { Result } from "./result.js";
import { decode, dub, silence } from "./sounds.js";
import { Stage } from "./stage.js";

/**
 * @typedef {import("./api.js").Clip} Clip
 * @typedef {import("./api.js").Word} Word
 * @typedef {import("./takes.js").Take} Take
 */

/**
 * Show a clip.
 *
 * @param {HTMLElement} place
 * @param {string} id `uid/cid`, as in addresses
 * @returns {() => void} takes it away
 */
export function showPractice(place, id) {
  const view = new Practice(place, id);
  void view.open();
  return () => view.close();
}

class Practice {
  /**
   * @param {HTMLElement} place
   * @param {string} id
   */
  constructor(place, id) {
    this.place = place;
    this.id = id;
    this.closed = false;
    this.retry = 0;
    /** @type {Recording | null} */
    this.recording = null;
    /** @type {Result | null} */
    this.result = null;
    /** @type {Promise<AudioBuffer> | null} */
    this.sound = null;
    /** @type {(() => void)[]} */
    this.cleanups = [];
    this.message = h("div", {});
    this.resultPlace = h("div", {});
    this.meter = new Meter();
  }

  async open() {
    const ids = idsOf(this.id);
    try {
      const clip = await getClip(ids);
      const media = await mediaOf(clip);
      this.cleanups.push(media.release);
      if (this.closed) return media.release();
      this.show(clip, media.url);
      this.stage?.setWords(await getWords(ids).catch(() => []));
    } catch (error) {
      if (!this.closed) this.cannotOpen(error);
    }
  }

  /** @param {unknown} error */
  cannotOpen(error) {
    const again = () => {
      fill(this.place);
      void this.open();
    };
    if (error instanceof Failure && error.name === "key") return fill(this.place, keyForm(false, again));
    const back = () => {
      location.hash = "#/";
    };
    const waysOn = [{ label: t("again"), act: again }, { label: t("library"), act: back }];
    fill(this.place, failureBox(error, waysOn));
  }

  /**
   * @param {Clip} clip
   * @param {string} url
   */
  show(clip, url) {
    this.clip = clip;
    const broken = () => fill(this.message, failureBox(new Failure("picture")));
    this.player = new Player(url, t("take.picture", { name: `${clip.uid} ${clip.cid}` }), broken);
    this.stage = new Stage(this.player, clip.text ?? "");
    this.controls = new Controls(this.player, {
      onListen: () => this.listen(),
      onRecord: () => void this.record(),
      onCancel: () => this.cancel(),
      onFile: (file) => void this.submit(file),
    });
    this.history = new History(this.id, (take) => this.showResult(take, false));
    this.cleanups.push(
      () => this.player?.close(),
      this.controls.listenToKeys(),
      this.controls.acceptDrops(this.place),
      onSent((take) => this.sentLater(take)),
    );
    fill(
      this.place,
      h("a", { href: "#/", class: "back" }, t("library")),
      h("h1", { class: "unseen" }, clip.text ?? `${clip.uid} ${clip.cid}`),
      h("div", { class: "practice" }, 
        h("div", { class: "watch" }, this.stage.element, this.controls.buttons, this.message, this.meter.element, this.controls.options),
        h("div", { class: "outcome" }, this.resultPlace, this.history.element),
      ),
    );
    fill(this.resultPlace, steps());
    void this.history.refresh();
  }

  /** The clip's sound, fetched once, when first needed. */
  clipSound() {
    this.sound ??= getSound(idsOf(this.id)).then(decode);
    return this.sound;
  }

  /** Play the clip, or stop it. */
  listen() {
    if (!this.player || this.recording) return;
    silence();
    if (this.player.playing) this.player.stop();
    else void this.player.play(this.stage?.chosen ?? null).then(() => this.controls?.update(false));
    this.controls?.update(false);
  }

  cancel() {
    this.recording?.cancel();
    this.player?.stop();
    silence();
  }

  /** Begin a take, or end the one that is under way. */
  async record() {
    if (this.recording) return this.recording.finish();
    if (!this.player || !this.stage || !this.controls) return;
    this.cancel();
    this.clear();
    this.meter.reset();
    const { stage, controls, meter } = this;
    const headphones = isOn("headphones", true);
    const options = { headphones, quietly: headphones && isOn("quietly", false) };
    this.recording = new Recording(this.player, options, {
      onStage: (name, count) => stage.tell(name, count),
      onLevel: (level) => meter.add(level),
    });
    controls.update(true);
    try {
      const recorded = await this.recording.run();
      if (recorded && !this.closed) void this.submit(recorded.sound);
    } catch (error) {
      if (!this.closed) this.fail(error, null);
    } finally {
      this.recording = null;
      stage.tell("idle", 0);
      controls.update(false);
    }
  }

  clear() {
    clearTimeout(this.retry);
    this.result?.close();
    this.result = null;
    fill(this.message);
    fill(this.resultPlace, steps());
  }

  /**
   * Have a recording scored.
   *
   * @param {Blob} sound
   */
  async submit(sound) {
    this.clear();
    await this.deliver(newTake(this.id, sound));
  }

  /** @param {Take} take */
  async deliver(take) {
    clearTimeout(this.retry);
    fill(this.message);
    fill(this.resultPlace, h("p", { class: "sending", role: "status" }, t("take.sending")));
    try {
      const { take: scored, isBest, kept } = await send(take);
      if (!this.closed) await this.showResult(scored, isBest);
      await kept;
    } catch (error) {
      if (!this.closed) this.fail(error, take);
    }
    void this.history?.refresh();
  }

  /**
   * @param {unknown} error
   * @param {Take | null} take that could not be sent, if it was that
   */
  fail(error, take) {
    fill(this.resultPlace, steps());
    const again = take ? () => void this.deliver(take) : () => void this.record();
    if (error instanceof Failure && error.name === "key" && take) {
      return fill(this.message, keyForm(false, again));
    }
    fill(this.message, failureBox(error, [{ label: t(take ? "take.sendAgain" : "take.recordAgain"), act: again }]));
    if (take && error instanceof Failure && error.name === "busy") {
      this.retry = window.setTimeout(again, 1000 * error.retryAfterS);
    }
  }

  /**
   * A take of this clip has gone after all.
   *
   * @param {Take} take
   */
  sentLater(take) {
    if (take.clip !== this.id) return;
    clearTimeout(this.retry);
    if (!this.recording && !this.result) void this.showResult(take, false);
    void this.history?.refresh();
  }

  /**
   * @param {Take} take that is scored
   * @param {boolean} isBest
   */
  async showResult(take, isBest) {
    this.clear();
    const result = new Result(take, isBest, {
      onDub: (voice) => this.player && void dub(this.player, voice),
      onLoop: (word) => this.loop(word),
    });
    this.result = result;
    fill(this.resultPlace, result.element);
    bringIntoView(result.element);
    try {
      const sounds = await Promise.all([this.clipSound(), take.sound.arrayBuffer().then(decode)]);
      if (this.result === result) result.showSounds({ clip: sounds[0], take: sounds[1] });
    } catch {
      say(t("failure.picture"));
    }
  }

  /** @param {Word} word */
  loop(word) {
    if (!this.player || !word.reference) return;
    silence();
    this.player.loop = true;
    void this.player.play(word.reference);
    this.controls?.update(false);
  }

  close() {
    this.closed = true;
    this.cancel();
    this.clear();
    for (const cleanup of this.cleanups) cleanup();
  }
}

/** What to do here, until there is a result. */
function steps() {
  const step = (/** @type {string} */ name) => h("li", {}, h("b", {}, t(`steps.${name}`)), " ", t(`steps.${name}.how`));
  return h("ol", { class: "steps card" }, step("listen"), step("record"), step("see"));
}

/**
 * On a narrow screen a result is below what was looked at.
 *
 * @param {HTMLElement} element
 */
function bringIntoView(element) {
  const hidden = element.getBoundingClientRect().top > 0.7 * window.innerHeight;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (hidden) element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}
