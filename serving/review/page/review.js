// The review: one image after another, by keyboard or touch; what is done can be undone.

import { find } from "../page/dom.js";
import { judge, Pictures, readQueue, takeToken } from "./desk.js";
import { drawFound, drawItem, matching } from "./view.js";

const AHEAD = 3; // pictures that are there before they are looked at
const TINY = 128; // pixels: enlarged as squares, not blurred

const pictures = new Pictures();
let queue = { class_names: {} };
let items = []; // the first is the one that is shown
let skipped = [];
let past = []; // { item, isSkip }, the last is undone first
let chosen = null; // labels that are on, of an image that may have several
let busy = false;

const current = () => items[0];
const isSingle = () => current()?.task === "multi_class";

async function load() {
  const { class_names: known } = queue;
  try {
    queue = await readQueue();
    queue.class_names = { ...known, ...queue.class_names }; // what is undone may be of another version
    const later = new Set(skipped.map((item) => item.id));
    items = queue.items.filter((item) => !later.has(item.id));
    skipped = queue.items.filter((item) => later.has(item.id)); // the image of another may be gone by now
  } finally {
    show();
  }
}

function show() {
  const item = current();
  chosen = item && !isSingle() ? new Set(item.predicted) : null;
  for (const id of ["picture", "asked"]) find(id).hidden = !item;
  for (const id of ["unusable", "skip"]) find(id).disabled = !item;
  find("finished").hidden = Boolean(item);
  find("undo").disabled = past.length === 0;
  find("search").value = "";
  showProgress();
  if (item) {
    draw();
    showPicture(item);
  } else showEnd();
  pictures.forget(items.slice(0, AHEAD).map(({ id }) => id));
  for (const { id } of items.slice(1, AHEAD)) pictures.get(id).catch(() => {});
}

function draw() {
  const focused = document.activeElement.dataset.name;
  drawItem(current(), chosen, choose);
  search();
  // Its button was drawn anew.
  if (focused && chosen) [...document.querySelectorAll(".choice")].find((one) => one.dataset.name === focused)?.focus();
}

function search() {
  const names = current() ? queue.class_names[current().version] ?? [] : [];
  drawFound(matching(find("search").value, names), chosen, choose);
}

function showProgress() {
  find("model").textContent = queue.model ?? "";
  find("progress").textContent = `${queue.done ?? 0} done, ${queue.waiting ?? 0} to do`;
  find("bar").max = Math.max(1, queue.done + queue.waiting || 1);
  find("bar").value = queue.done ?? 0;
}

async function showPicture(item) {
  const image = find("image");
  image.classList.add("failed"); // the one before must not be taken for this one
  try {
    const address = await pictures.get(item.id);
    if (item !== current()) return;
    image.src = address;
    await image.decode();
    image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
    if (item === current()) image.classList.remove("failed");
  } catch (error) {
    if (item === current()) fail(error);
  }
}

function showEnd() {
  find("finished-title").textContent = skipped.length ? "Only skipped images are left" : "Nothing waits";
  find("advice").textContent = skipped.length ? `${skipped.length} were skipped.`
    : "Images wait here when the service keeps them: SIGHTLINE_KEEP_DOUBTFUL=true keeps those of doubtful"
      + " answers, SIGHTLINE_KEEP_IMAGES=0.01 one in a hundred.";
  find("again").textContent = skipped.length ? "Look at them again" : "Look again";
}

/** A class was chosen: the answer, or one label more or less. */
function choose(name) {
  if (isSingle()) return act("accepted", [name]);
  if (!chosen.delete(name)) chosen.add(name);
  return draw();
}

const accept = () => { if (chosen) act("accepted", [...chosen]); };

/** Does what changes the queue, one thing at a time: a key pressed meanwhile was meant for what is on its way out. */
async function once(work) {
  if (busy) return;
  busy = true;
  find("problem").textContent = "";
  try {
    await work();
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
  }
}

const act = (verdict, labels) => once(async () => {
  if (!current()) return;
  await judge(current().id, verdict, labels);
  queue.done += 1;
  queue.waiting -= 1;
  await next(false, verdict === "accepted" ? labels.join(", ") || "None of the labels" : "Not usable");
});

const skip = () => once(async () => {
  if (!current()) return;
  skipped.push(current());
  await next(true, "Skipped");
});

async function next(isSkip, words) {
  past.push({ item: items.shift(), isSkip });
  if (items.length === 0) await load();
  else show();
  say(`${words}. ${queue.waiting} to do.`);
}

const undo = () => once(async () => {
  if (past.length === 0) return;
  const { item, isSkip } = past.at(-1);
  if (isSkip) {
    skipped = skipped.filter((one) => one.id !== item.id);
  } else {
    await judge(item.id, "withdrawn");
    queue.done -= 1;
    queue.waiting += 1;
  }
  past.pop();
  items.unshift(item);
  show();
  say("Undone.");
});

const again = () => once(async () => {
  skipped = [];
  past = past.filter(({ isSkip }) => !isSkip);
  await load();
});

function say(words) {
  find("spoken").textContent = words;
}

function fail(error) {
  find("problem").textContent = error.message;
}

const ACTIONS = { x: () => act("unusable"), s: skip, z: undo };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target === find("search")) return onSearchKey(event);
  if (event.key === "Enter") return onEnter(event);
  const choice = /^[1-9]$/.test(event.key) ? current()?.choices[event.key - 1] : null;
  const action = ACTIONS[event.key.toLowerCase()];
  if (choice) choose(choice.name);
  else if (action) action();
  else if (current() && /^[/\p{L}]$/u.test(event.key)) {
    // The letter itself goes to the field that has the focus now; "/" is for names that begin with x, s or z.
    if (event.key === "/") event.preventDefault();
    find("search").focus();
  }
}

/** A button does what it says; on a label, which Space turns on and off, Enter accepts them all. */
function onEnter(event) {
  const button = event.target.closest("button");
  if (!chosen || (button && !button.dataset.name)) return;
  event.preventDefault();
  accept();
}

function onSearchKey(event) {
  const first = find("found").querySelector("button");
  if (event.key === "Escape") {
    find("search").value = "";
    search();
    find("search").blur();
  } else if (event.key === "Enter" && first) {
    find("search").value = "";
    find("search").blur();
    first.click();
  }
}

takeToken();
document.addEventListener("keydown", onKey);
find("search").addEventListener("input", search);
find("accept").addEventListener("click", accept);
find("unusable").addEventListener("click", () => act("unusable"));
find("skip").addEventListener("click", skip);
find("undo").addEventListener("click", undo);
find("again").addEventListener("click", again);
once(load);
