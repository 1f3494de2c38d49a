// The camera: what it sees, live answers over /v1/live, one picture when asked.

import { find } from "./dom.js";
import { apiKey } from "./service.js";

const LIVE_SIDE = 640; // pixels of a frame's longer side; a model takes fewer
const PAUSE = 150; // milliseconds between an answer and the next frame: more answers nobody can read

const REASONS = {
  NotAllowedError: "The browser did not allow it: allow the camera for this site, or choose a picture.",
  NotFoundError: "No camera was found: choose a picture.",
  NotReadableError: "Another program uses the camera: close it there, or choose a picture.",
};

let stream = null;
let socket = null;

/** Browsers have it on https and on this machine only. */
export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);
export const isOpen = () => !find("video").hidden;
export const whyNot = (error) => REASONS[error.name] ?? "The camera could not be started: choose a picture.";

/**
 * Shows what the camera sees. Live answers go to `live.onAnswer`, and when there are no more `live.onEnd` is
 * told why; without `live` none are asked for.
 */
export async function openCamera(live) {
  const wanted = { facingMode: "environment", width: { ideal: 1280 } };
  const opened = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
  closeCamera(); // one that was opened meanwhile
  stream = opened;
  if (!isOpen()) return closeCamera(); // it was left before it came
  find("video").srcObject = stream;
  await find("video").play();
  if (live) follow(live);
}

export function closeCamera() {
  socket?.close();
  stream?.getTracks().forEach((track) => track.stop());
  find("video").srcObject = null;
  stream = socket = null;
}

/** What the camera sees now, as a JPEG of at most `side` pixels. */
export function takeFrame(side = Infinity) {
  const video = find("video");
  const scale = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

/** The next frame goes out after the last one's answer: a slow service is never sent more than it answers. */
function follow({ onAnswer, onEnd }) {
  const url = new URL("v1/live", document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  if (apiKey()) url.searchParams.set("key", apiKey());
  const connection = (socket = new WebSocket(url));
  const send = async () => {
    const frame = await takeFrame(LIVE_SIDE);
    if (connection.readyState === WebSocket.OPEN) connection.send(frame);
  };
  connection.addEventListener("open", send);
  connection.addEventListener("message", (event) => {
    const answer = JSON.parse(event.data);
    if (connection === socket && !answer.error) onAnswer(answer);
    setTimeout(send, PAUSE);
  });
  connection.addEventListener("close", ({ reason }) => {
    if (connection === socket) onEnd(reason && ` (${reason})`);
  });
}
