// @ts-check
/** Takes of a clip so far: when, how many points, which is the best, which wait to be sent. */

import { fill, h } from "./dom.js";
import { language, t } from "./i18n.js";
import { grade, points } from "./marks.js";
import { bestTake, takesOf } from "./takes.js";

/** @typedef {import("./takes.js").Take} Take */

export class History {
  /**
   * @param {string} clip `uid/cid`
   * @param {(take: Take) => void} onChoose told the scored take that is to be seen again
   */
  constructor(clip, onChoose) {
    this.clip = clip;
    this.onChoose = onChoose;
    this.element = h("section", { class: "history", "aria-label": t("history"), hidden: true });
  }

  /** Show what there is now. */
  async refresh() {
    const takes = await takesOf(this.clip);
    const best = bestTake(takes);
    this.element.hidden = takes.length === 0;
    fill(
      this.element,
      h("h2", {}, t("history")),
      h("ul", {}, takes.map((take) => h("li", {}, this.row(take, take === best)))),
    );
  }

  /**
   * @param {Take} take
   * @param {boolean} isBest
   */
  row(take, isBest) {
    const time = new Date(take.at).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
    if (!take.score) return h("span", { class: "waiting" }, `${time} · ${t("history.waiting")}`);
    const share = take.score.sim_score;
    return h(
      "button",
      { type: "button", class: "quiet", onClick: () => this.onChoose(take) },
      h("b", { class: grade(share) }, points(share)),
      ` · ${time}`,
      isBest && ` · ${t("history.best")}`,
    );
  }
}
