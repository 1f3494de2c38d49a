// Was it right? The answer goes to the service under the prediction's id.

import { chosen } from "./answer.js";
import { find, make } from "./dom.js";
import { sendJson } from "./service.js";

let answer = null;

/** Asks about the answer; `names` are all classes of the model that gave it. */
export function askAbout(given, names) {
  answer = given;
  find("feedback").hidden = false;
  const fields = answer.task === "multi_class" ? classField(names) : labelFields(names);
  find("correction").replaceChildren(...fields, make("button", { class: "primary" }, "Send"));
  open(false);
}

/** Makes the buttons work; `fail` shows an error. */
export function prepareFeedback(fail) {
  const send = (names) => sendFeedback(names).catch(fail);
  find("right").addEventListener("click", () => send(chosen(answer)));
  find("wrong").addEventListener("click", () => open(find("correction").hidden));
  find("feedback").addEventListener("submit", (event) => {
    event.preventDefault();
    send(new FormData(event.target).getAll("label"));
  });
}

function open(isOpen) {
  find("correction").hidden = !isOpen;
  find("wrong").setAttribute("aria-expanded", isOpen);
  if (isOpen) find("correction").querySelector("select, input").focus();
}

async function sendFeedback(names) {
  const told = answer;
  const right = told.task === "multi_class" ? { label: names[0] } : { labels: names };
  await sendJson("v1/feedback", { id: told.id, ...right });
  if (told !== answer) return;
  // The question is about to go, and with it the place of the keyboard.
  find("thanks").tabIndex = -1;
  find("thanks").textContent = `Thank you: noted as ${names.join(", ") || "none of the labels"}.`;
  find("thanks").focus();
  find("feedback").hidden = true;
}

function classField(names) {
  const others = names.filter((name) => name !== answer.class);
  return [make("label", { for: "label" }, "What is it?"),
    make("select", { id: "label", name: "label", required: true },
      make("option", { value: "" }, "Choose a class"),
      ...others.map((name) => make("option", { value: name }, name)))];
}

function labelFields(names) {
  const isOn = (name) => answer.labels.includes(name);
  const box = (name) => ({ type: "checkbox", name: "label", value: name, checked: isOn(name) });
  const boxes = names.map((name) => make("label", {}, make("input", box(name)), name));
  return [make("fieldset", {}, make("legend", {}, "Which labels are right?"), ...boxes)];
}
