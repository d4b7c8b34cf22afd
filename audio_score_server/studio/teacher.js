// @ts-check
/** For teachers: add, change and take out clips, and see how well a clip tells lines apart. */

import { deleteClip, findClips, getSound, putClip, score, setText } from "./api.js";
import { fill, h } from "./dom.js";
import { Failure } from "./failures.js";
import { t } from "./i18n.js";
import { keyForm } from "./key-form.js";
import { adminKey, setAdminKey } from "./keys.js";
import { points } from "./marks.js";
import { failureBox, notify } from "./notices.js";

/** @typedef {import("./api.js").ClipSummary} ClipSummary */

const PAGE = 100;
const OTHERS = 4;

/**
 * Show the teacher's page.
 *
 * @param {HTMLElement} place
 * @returns {() => void} takes it away
 */
export function showTeacher(place) {
  const view = new Teacher(place);
  view.open();
  return () => {};
}

class Teacher {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.message = h("div", {});
    this.list = h("ul", { class: "teacher-list" });
  }

  open() {
    if (!adminKey()) {
      fill(this.place, h("h1", {}, t("teacher")), keyForm(true, () => this.open()));
      return;
    }
    const forget = () => {
      setAdminKey("");
      this.open();
    };
    fill(
      this.place,
      h("h1", {}, t("teacher")),
      this.form(),
      this.message,
      this.list,
      h("button", { type: "button", class: "quiet", onClick: forget }, t("teacher.leave")),
    );
    void this.refresh();
  }

  async refresh() {
    await this.attempt(async () => {
      const { clips } = await findClips({}, PAGE);
      fill(this.list, clips.map((clip) => this.row(clip)));
    });
  }

  /**
   * Do something, and tell what goes wrong.
   *
   * @param {() => Promise<void>} work
   */
  async attempt(work) {
    fill(this.message);
    try {
      await work();
    } catch (error) {
      const wrongKey = error instanceof Failure && (error.name === "key" || error.name === "adminKey");
      const askAgain = () => {
        setAdminKey("");
        this.open();
      };
      const wayOn = wrongKey ? { label: t("key.other"), act: askAgain } : { label: t("again"), act: () => void this.refresh() };
      fill(this.message, failureBox(error, [wayOn]));
    }
  }

  form() {
    const field = (/** @type {string} */ name, /** @type {object} */ more = {}) =>
      h("input", { id: `new-${name}`, name, required: true, ...more });
    const label = (/** @type {string} */ name) => h("label", { for: `new-${name}` }, t(`teacher.${name}`));
    const [uid, cid, text] = [field("uid"), field("cid"), field("text", { required: false })];
    const media = field("media", { type: "file", accept: "audio/*,video/*,.mkv" });
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      const [file] = media.files ?? [];
      void this.attempt(async () => {
        if (!file) throw new Failure("nothing");
        const clip = { uid: uid.value.trim(), cid: cid.value.trim() };
        await putClip(clip, file, text.value.trim(), { "If-None-Match": "*" });
        notify(t("teacher.added", { name: `${clip.uid} ${clip.cid}` }));
        for (const each of [cid, text, media]) each.value = "";
        await this.refresh();
      });
    };
    return h(
      "form",
      { class: "card upload", onSubmit: submit },
      h("h2", {}, t("teacher.add")),
      h("div", {}, label("media"), media),
      h("div", {}, label("uid"), uid),
      h("div", {}, label("cid"), cid),
      h("div", { class: "wide" }, label("text"), text),
      h("button", { class: "primary" }, t("teacher.upload")),
    );
  }

  /** @param {ClipSummary} clip */
  row(clip) {
    const id = `text-${clip.uid}-${clip.cid}`;
    const text = h("input", { id, value: clip.text ?? "", "aria-label": t("teacher.text") });
    const outcome = h("div", { class: "outcome", role: "status" });
    const change = () =>
      this.attempt(async () => {
        await setText(clip, text.value.trim());
        notify(t("teacher.saved"));
        await this.refresh();
      });
    const remove = () =>
      this.attempt(async () => {
        if (!window.confirm(t("teacher.sure", { name: `${clip.uid} ${clip.cid}` }))) return;
        await deleteClip(clip);
        await this.refresh();
      });
    const button = (/** @type {string} */ name, /** @type {() => Promise<void>} */ act) =>
      h("button", { type: "button", "data-act": name, onClick: () => void act() }, t(`teacher.${name}`));
    const compare = () => this.attempt(() => this.compare(clip, outcome));
    return h(
      "li",
      { class: "card" },
      h("b", {}, `${clip.uid} · ${clip.cid}`),
      text,
      h("div", { class: "buttons" }, button("save", change), button("compare", compare), button("delete", remove)),
      outcome,
    );
  }

  /**
   * How the clip's own sound scores as a take of itself and of others: 100, and next to nothing.
   *
   * @param {ClipSummary} clip
   * @param {HTMLElement} outcome
   */
  async compare(clip, outcome) {
    fill(outcome, t("teacher.comparing"));
    const sound = new Blob([await getSound(clip)], { type: "audio/wav" });
    const { clips } = await findClips({}, PAGE);
    const others = clips.filter((each) => each.uid !== clip.uid || each.cid !== clip.cid);
    const rows = [];
    for (const each of [clip, ...others.slice(0, OTHERS)]) {
      const { sim_score: share } = await score(each, sound);
      rows.push(h("li", {}, h("b", {}, points(share)), ` ${each.text ?? `${each.uid} ${each.cid}`}`));
      fill(outcome, h("p", {}, t("teacher.compared")), h("ol", {}, rows));
    }
  }
}
