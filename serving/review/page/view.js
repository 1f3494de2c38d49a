// One answer that waits, drawn. Text goes in as text: a class may be called "<b>".

import { find, make } from "../page/dom.js";
import { percent } from "../page/words.js";

const REASONS = {
  abstained: "The model asked for a person.",
  unusual: "Unlike the images that the model was trained on.",
  wrong: "A user says that the answer is wrong.",
  least_sure: "Among the answers that the model was least sure of.",
};
const FOUND = 12;
const named = (names) => names.join(", ") || "none of the labels";

/** Draws all but the picture; `chosen` are the labels that are on, `choose` is told of a click. */
export function drawItem(item, chosen, choose) {
  const isSingle = item.task === "multi_class";
  find("reason").textContent = REASONS[item.reason];
  find("ask").textContent = isSingle ? "What is it?" : "Which labels are right?";
  find("caption").textContent = `Version ${item.version} said ${named(item.predicted)} on`
    + ` ${new Date(item.when).toLocaleString()}.`;
  drawFeedback(item.feedback);
  const further = [...chosen ?? []].filter((name) => !item.choices.some((choice) => choice.name === name));
  find("choices").replaceChildren(
    ...item.choices.map((choice, place) => make("li", {}, choiceButton(item, choice, place, chosen, choose))),
    ...further.map((name) => make("li", {}, nameButton(name, chosen, choose))));
  find("accept").hidden = isSingle;
}

/** Classes that have the text in their name, those that begin with it first. */
export function matching(text, names) {
  const wanted = text.trim().toLowerCase();
  const place = (name) => name.toLowerCase().indexOf(wanted);
  if (!wanted) return [];
  return names.filter((name) => place(name) >= 0).sort((a, b) => (place(a) > 0) - (place(b) > 0)).slice(0, FOUND);
}

export function drawFound(names, chosen, choose) {
  find("found").replaceChildren(...names.map((name) => make("li", {}, nameButton(name, chosen, choose))));
}

function drawFeedback(feedback) {
  find("said").hidden = !feedback;
  if (!feedback) return;
  const of = feedback.key ? `The user of the key ${feedback.key}` : "A user";
  const share = feedback.key && feedback.of_key
    ? ` ${feedback.of_key} of the ${feedback.of_all} corrections that wait came with this key.` : "";
  find("said").replaceChildren(`${of} says: `, make("strong", {}, named(feedback.labels)), `.${share}`,
    feedback.comment ? make("p", {}, make("q", {}, feedback.comment)) : "");
}

function choiceButton(item, { name, probability }, place, chosen, choose) {
  const fill = make("i");
  fill.style.width = `${100 * probability}%`;
  const says = [item.predicted.includes(name) && "model", item.feedback?.labels.includes(name) && "user"];
  const button = nameButton(name, chosen, choose);
  button.prepend(make("kbd", {}, String(place + 1)));
  button.querySelector(".name").append(...says.filter(Boolean).map((who) => make("small", {}, who)));
  button.append(make("span", { class: "share" }, percent(probability)),
    make("span", { class: "track", "aria-hidden": "true" }, fill));
  return button;
}

function nameButton(name, chosen, choose) {
  const pressed = chosen && String(chosen.has(name));
  const button = make("button", { type: "button", class: "choice", "data-name": name, "aria-pressed": pressed },
    make("span", { class: "name" }, name));
  button.addEventListener("click", () => choose(name));
  return button;
}
