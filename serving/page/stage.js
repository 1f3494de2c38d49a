// The place of the picture: an invitation, the picture, what its answer looked at, or the camera.

import { find } from "./dom.js";

let plain = null; // URL of the picture
let overlay = null; // URL of the picture with what the answer looked at

export function showPicture(image) {
  for (const url of [plain, overlay]) if (url) URL.revokeObjectURL(url);
  [plain, overlay] = [URL.createObjectURL(image), null];
  showPlain();
}

/** Takes the overlay away. */
export function showPlain() {
  paint(plain, "The picture that you gave", "");
}

/** The overlay of this picture; it is kept until the next picture. */
export function keepOverlay(image) {
  overlay = URL.createObjectURL(image);
}

export const hasOverlay = () => overlay !== null;

export function showOverlay(name) {
  const said = `Bright parts are those that spoke for ${name}.`;
  paint(overlay, `The picture, coloured by what the answer rests on. ${said}`, said);
}

export const isOverlaid = () => find("explain").getAttribute("aria-pressed") === "true";

export function showOnly(id) {
  find("main").classList.toggle("busy", id !== "invitation");
  find("caption").textContent = "";
  for (const each of ["invitation", "preview", "video", "unshown"]) find(each).hidden = each !== id;
  find("choose").hidden = id === "video";
  find("shoot").hidden = id !== "video";
}

export function prepareStage() {
  find("preview").addEventListener("error", () => showOnly("unshown"));
}

function paint(url, alt, caption) {
  showOnly("preview");
  find("preview").src = url;
  find("preview").alt = alt;
  find("caption").textContent = caption;
  find("explain").setAttribute("aria-pressed", url === overlay);
}
