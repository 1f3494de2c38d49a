// What is known of the model: the chooser of models, and the current one's card.

import { find, make, makeTerms } from "./dom.js";
import { listed, percent, wholePercent } from "./words.js";

const FEW = 12;
const MEASURED = "Measured on test images, with 95\u00a0% intervals.";
const WORDS = { ece: "calibration error", roc_auc: "ROC AUC", macro_f1: "macro F1", micro_f1: "micro F1" };
const AS_SHARE = /accuracy|precision|recall|f1|coverage/;

/** Fills the chooser; it is shown where there is a choice. */
export function drawChooser(models, current) {
  const options = models.map(({ name }) => make("option", { selected: name === current }, name));
  find("model").replaceChildren(...options);
  find("models").hidden = models.length < 2;
}

/** "flowers tells 5 classes apart: daisy, ..." */
export function ability({ name, task, class_names: names }) {
  const count = names.length;
  const what = task === "multi_label" ? `looks for ${count} labels` : `tells ${count} classes apart`;
  return `${name} ${what}: ${names.length > FEW ? `${names.slice(0, FEW).join(", ")} …` : listed(names)}.`;
}

/** The card: metrics with their intervals, and where the model comes from. */
export function drawCard(card) {
  const metrics = Object.entries(card.metrics).map(([name, metric]) => [word(name), tile(name, metric)]);
  const facts = [
    ["Version", card.version],
    ["Challenger", card.challenger && challenge(card.challenger)],
    ["Image", `${card.image_size.join(" × ")} pixels`],
    ["Runs as", `${card.precision.replaceAll("_", " ")}, ${card.runtime}, ${(card.size_bytes / 1e6).toFixed(1)} MB`],
    ...Object.entries(card.lineage ?? {}).map(([name, value]) => [word(name), value]),
  ].filter(([, said]) => said).map(([term, said]) => [term, String(said)]);
  find("card").replaceChildren(
    make("h2", { id: "card-title" }, `About ${card.name}`),
    ...(metrics.length ? [makeTerms("tiles", metrics), make("p", { class: "quiet" }, MEASURED)] : []),
    make("details", {}, make("summary", {}, "Where it comes from"), makeTerms("lineage", facts)));
  find("card").hidden = false;
}

const challenge = ({ version, mode, share }) =>
  `version ${version}, ${mode === "shadow" ? "in the shadow" : `${wholePercent(share)} of the requests`}`;

const word = (name) => WORDS[name] ?? name.replaceAll("_", " ");

function tile(name, { value, low, high }) {
  const shown = (number) => (AS_SHARE.test(name) ? percent(number) : number.toFixed(3));
  return make("span", {}, shown(value), make("small", {}, `${shown(low)} to ${shown(high)}`));
}
