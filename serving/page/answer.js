// One answer of the service, drawn and in words.

import { make, makeTerms } from "./dom.js";
import { listed, milliseconds, percent, wholePercent } from "./words.js";

const UNSURE = "Unsure: a person should look at this picture.";
const UNUSUAL = "Unusual: unlike the pictures that the model was trained on.";

/** The elements that show an answer. */
export function drawAnswer(answer) {
  const names = chosen(answer);
  const doubt = answer.uncertainty ?? {};
  return [
    make("h2", { id: "seen" },
      make("span", {}, names.length ? names.join(", ") : "None of the labels"),
      answer.confidence == null ? null : make("strong", {}, percent(answer.confidence))),
    ...warnings(answer).map((text) => make("p", { class: "notice" }, make("span", {}, text))),
    make("ol", { class: "bars" }, ...answer.classes.map((entry) => bar(entry, names))),
    doubt.prediction_set ? drawSet(doubt) : null,
    drawTimes(answer),
  ].filter(Boolean);
}

/** The answer for those who do not see it, in a sentence or two. */
export function inWords(answer) {
  const names = chosen(answer);
  const seen = names.length ? listed(names) : "None of the labels";
  const sure = answer.confidence == null ? "" : `, ${percent(answer.confidence)}`;
  return [`${seen}${sure}.`, ...warnings(answer)].join(" ");
}

export const chosen = (answer) => (answer.task === "multi_class" ? [answer.class] : answer.labels);

function warnings({ uncertainty }) {
  return [uncertainty?.abstain && UNSURE, uncertainty?.unusual && UNUSUAL].filter(Boolean);
}

function bar({ name, probability, present }, names) {
  const fill = make("i");
  fill.style.width = `${100 * probability}%`;
  const mark = present ? make("small", {}, "present") : null;
  return make("li", { class: names.includes(name) && "chosen" },
    make("span", { class: "name" }, name, mark),
    make("span", { class: "share" }, percent(probability)),
    make("span", { class: "track", "aria-hidden": "true" }, fill));
}

function drawSet({ prediction_set: names, coverage }) {
  const held = names.length ? make("span", { class: "chips" }, ...names.map((name) => make("b", {}, name)))
    : "no class: none is likely enough";
  return make("p", { class: "set" },
    make("span", {}, `The set that holds the right class in ${wholePercent(coverage)} of cases: `), held);
}

function drawTimes({ model, version, arm, cached, milliseconds: spent }) {
  const by = make("p", {}, "Answered by ", make("b", {}, `${model} version ${version}`), `, the ${arm}`,
    cached ? ", which knew this picture already" : "");
  const { total, ...phases } = spent;
  // What was known already was neither decoded nor inferred.
  const times = [["total", total], ...Object.entries(phases)].filter(([, value]) => value > 0)
    .map(([phase, value]) => [phase, milliseconds(value)]);
  return make("div", { class: "facts" }, by, makeTerms("times", times));
}
