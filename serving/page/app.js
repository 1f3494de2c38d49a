// The page: a picture in, the service's answer out.

import { chosen, drawAnswer, inWords } from "./answer.js";
import { closeCamera, hasCamera, isOpen, openCamera, takeFrame, whyNot } from "./camera.js";
import { ability, drawCard, drawChooser } from "./card.js";
import { find, make } from "./dom.js";
import { askAbout, prepareFeedback } from "./feedback.js";
import { ServiceError, keepKey, read, sendImage } from "./service.js";
import * as stage from "./stage.js";

let models = []; // that the service has
let model = null; // the chosen one's name; null: until they are known
let picture = null; // the image that is shown
let answer = null; // the service's answer for it
let request = new AbortController(); // of the picture that is on its way

const pathOf = (name) => `v1/models/${encodeURIComponent(name)}`;

/** Only the default model explains itself and answers live. */
const isDefault = () => Boolean(models.find(({ name }) => name === model)?.default);

async function classify(image) {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  picture = image;
  stage.showPicture(image);
  wait();
  try {
    const path = model ? `${pathOf(model)}/classify` : "v1/classify";
    const given = await (await sendImage(path, image, { signal })).json();
    showAnswer(given);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
  }
}

function wait() {
  answer = null;
  find("waiting").hidden = false;
  for (const id of ["result", "explain", "entry", "feedback"]) find(id).hidden = true;
  find("problem").replaceChildren();
  for (const id of ["spoken", "thanks"]) find(id).textContent = "";
}

function showAnswer(given) {
  answer = given;
  drawn(given);
  find("explain").hidden = !isDefault();
  find("spoken").textContent = inWords(given);
  const names = models.find(({ name }) => name === given.model)?.class_names;
  askAbout(given, names ?? given.classes.map(({ name }) => name));
}

function drawn(given) {
  find("answer").replaceChildren(...drawAnswer(given));
  find("waiting").hidden = true;
  find("result").hidden = false;
}

function fail(error) {
  find("waiting").hidden = true;
  find("caption").textContent = "";
  const { title = "That did not work", message } = error;
  find("problem").replaceChildren(make("div", {}, make("strong", {}, title), make("p", {}, message)));
  find("problem").scrollIntoView({ block: "nearest" });
  if (error.status === 401) {
    find("entry").hidden = false;
    find("key").focus();
  }
}

async function explain() {
  if (stage.isOverlaid()) return stage.showPlain();
  const [told, name] = [answer, chosen(answer)[0] ?? answer.classes[0].name];
  if (!stage.hasOverlay()) {
    // By the version that answered, whoever's turn it is now.
    const path = `v1/explain?class=${encodeURIComponent(name)}`;
    find("caption").textContent = "Looking …";
    const image = await (await sendImage(path, picture, { arm: told.arm })).blob();
    if (told !== answer) return;
    stage.keepOverlay(image);
  }
  stage.showOverlay(name);
}

function take(files) {
  if (isOpen()) leaveCamera();
  if (files.length) classify(files[0]);
  else fail(new ServiceError(400, "There was no file in it: give a picture's file."));
}

// The camera

async function enterCamera() {
  find("camera").textContent = "Close the camera";
  picture = null;
  request.abort();
  wait();
  find("waiting").hidden = true;
  stage.showOnly("video");
  try {
    await openCamera(isDefault() && { onAnswer: drawn, onEnd: (reason) => {
      find("caption").textContent = `No live answers${reason}: take the picture.`;
    } });
  } catch (error) {
    if (isOpen()) leaveCamera();
    fail({ title: "No camera", message: whyNot(error) });
  }
}

function leaveCamera() {
  closeCamera();
  find("camera").textContent = "Use the camera";
  find("result").hidden = true;
  stage.showOnly("invitation");
}

async function shoot() {
  const image = await takeFrame();
  if (!image) return; // it has not begun
  leaveCamera();
  classify(image);
}

// The models

async function load() {
  try {
    models = await read("v1/models");
    if (!models.length) await read("readyz"); // which says why there is none
    await choose(models[0].name);
  } catch (error) {
    fail(error);
  }
}

async function change(name) {
  if (isOpen()) leaveCamera();
  await choose(name);
  if (picture) classify(picture);
}

async function choose(name) {
  model = name;
  drawChooser(models, name);
  find("ability").textContent = ability(models.find((each) => each.name === name));
  const card = await read(pathOf(name));
  if (name === model) drawCard(card);
}

// Who does what

const files = find("file");
for (const id of ["choose", "invitation"]) find(id).addEventListener("click", () => files.click());
files.addEventListener("change", () => {
  take(files.files);
  files.value = ""; // so that the same file can be chosen again
});
find("camera").hidden = !hasCamera();
find("camera").addEventListener("click", () => (isOpen() ? leaveCamera() : enterCamera()));
find("shoot").addEventListener("click", shoot);
find("explain").addEventListener("click", () => explain().catch(fail));
find("model").addEventListener("change", (event) => change(event.target.value).catch(fail));
find("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(find("key").value);
  find("entry").hidden = true;
  find("problem").replaceChildren();
  load();
  if (picture) classify(picture);
});
document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) take(clipboardData.files);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  find("stage").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("stage").classList.remove("over"); // the pointer has left the window
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  find("stage").classList.remove("over");
  take(event.dataTransfer.files);
});
stage.prepareStage();
prepareFeedback(fail);
load();
