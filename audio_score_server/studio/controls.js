// @ts-check
/** Buttons under the picture, their keys, and files that are dropped. */

import { fill, h } from "./dom.js";
import { t } from "./i18n.js";
import { icon } from "./icons.js";
import { isOn, put } from "./preferences.js";

/**
 * @typedef {{onListen: () => void, onRecord: () => void, onCancel: () => void,
 *   onFile: (file: File) => void}} Actions
 */

export class Controls {
  /**
   * @param {import("./player.js").Player} player
   * @param {Actions} actions
   */
  constructor(player, actions) {
    this.player = player;
    this.actions = actions;
    this.isRecording = false;
    this.listen = h("button", { type: "button", class: "big", "data-act": "listen", onClick: actions.onListen });
    this.record = h("button", { type: "button", class: "big primary record", "data-act": "record", onClick: actions.onRecord });
    this.slow = this.toggle("slow", () => (player.slow = !player.slow));
    this.loop = this.toggle("loop", () => (player.loop = !player.loop));
    player.element.addEventListener("play", () => this.update(this.isRecording));
    player.element.addEventListener("pause", () => this.update(this.isRecording));
    this.buttons = h(
      "div",
      { class: "controls" },
      h("div", { class: "buttons main" }, this.record, this.listen),
      h("div", { class: "buttons" }, this.slow, this.loop, this.fileButton()),
    );
    this.options = this.choices();
    this.update(false);
  }

  /**
   * @param {string} name
   * @param {() => void} act
   */
  toggle(name, act) {
    const turn = () => {
      act();
      this.update(this.isRecording);
    };
    return h("button", { type: "button", class: "toggle", "data-act": name, onClick: turn }, t(`take.${name}`));
  }

  fileButton() {
    const input = h("input", { type: "file", accept: "audio/*,video/*", hidden: true });
    input.addEventListener("change", () => {
      const [file] = input.files ?? [];
      if (file) this.actions.onFile(file);
      input.value = "";
    });
    return [h("button", { type: "button", class: "quiet", onClick: () => input.click() }, t("take.file")), input];
  }

  choices() {
    const check = (/** @type {string} */ name, /** @type {boolean} */ otherwise) => {
      const box = h("input", { type: "checkbox", id: name, checked: isOn(name, otherwise) });
      box.addEventListener("change", () => put(name, box.checked ? "on" : "off"));
      return h("label", { class: "check", for: name }, box, h("span", {}, t(`take.${name}`)));
    };
    const [headphones, quietly] = [check("headphones", true), check("quietly", false)];
    const box = headphones.querySelector("input");
    const follow = () => {
      quietly.querySelector("input").disabled = !box.checked;
    };
    box.addEventListener("change", follow);
    follow();
    return h("div", { class: "options" }, headphones, quietly, h("p", { class: "small keys" }, t("take.keys")));
  }

  /** @param {boolean} isRecording */
  update(isRecording) {
    this.isRecording = isRecording;
    const isPlaying = this.player.playing && !isRecording;
    fill(this.listen, icon(isPlaying ? "stop" : "play"), t(isPlaying ? "take.stop" : "take.listen"));
    fill(this.record, icon(isRecording ? "stop" : "mic"), t(isRecording ? "take.finish" : "take.record"));
    this.listen.disabled = isRecording;
    this.record.classList.toggle("active", isRecording);
    this.slow.setAttribute("aria-pressed", String(this.player.slow));
    this.loop.setAttribute("aria-pressed", String(this.player.loop));
  }

  /** @returns {() => void} ends it */
  listenToKeys() {
    /** @type {Record<string, () => void>} */
    const acts = {
      " ": () => (this.isRecording ? this.actions.onRecord() : this.actions.onListen()),
      r: this.actions.onRecord,
      s: () => this.slow.click(),
      l: () => this.loop.click(),
      Escape: this.actions.onCancel,
    };
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const types = target.closest("input:not([type=checkbox]), textarea, select");
      const presses = event.key === " " && target.closest("button, a, summary, input");
      const act = acts[event.key];
      if (!act || types || presses || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }

  /**
   * @param {HTMLElement} place
   * @returns {() => void} ends it
   */
  acceptDrops(place) {
    const onOver = (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      place.classList.add("dropping");
    };
    const onLeave = () => place.classList.remove("dropping");
    const onDrop = (/** @type {DragEvent} */ event) => {
      event.preventDefault();
      onLeave();
      const [file] = event.dataTransfer?.files ?? [];
      if (file && !this.isRecording) this.actions.onFile(file);
    };
    place.addEventListener("dragover", onOver);
    place.addEventListener("dragleave", onLeave);
    place.addEventListener("drop", onDrop);
    return () => {
      place.removeEventListener("dragover", onOver);
      place.removeEventListener("dragleave", onLeave);
      place.removeEventListener("drop", onDrop);
    };
  }
}
