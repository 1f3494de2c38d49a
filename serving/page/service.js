// Asks the service. A refusal becomes a ServiceError with a title and a message for people.

const STORED_KEY = "sightline-api-key";
const TITLES = {
  0: "The service did not answer",
  400: "That could not be read",
  401: "An API key is needed",
  403: "That is not allowed",
  404: "That is not there",
  408: "Sending took too long",
  413: "That picture is too large",
  415: "That could not be read",
  429: "The service is busy",
  503: "The service is not ready",
  504: "The answer took too long",
};
const UNREACHABLE = "Check your connection, or whether the service is running, and try again.";

export class ServiceError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
    this.title = TITLES[status] ?? "That did not work";
  }
}

/** The key of this tab, or null. */
export const apiKey = () => sessionStorage.getItem(STORED_KEY);
export const keepKey = (key) => sessionStorage.setItem(STORED_KEY, key);

/** The service's answer, of a status below 400; ServiceError, or AbortError where the signal came. */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (apiKey()) headers.set("authorization", `Bearer ${apiKey()}`);
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServiceError(0, UNREACHABLE);
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** The JSON of a GET. */
export const read = async (path) => (await ask(path)).json();

/** POSTs an image's bytes. */
export function sendImage(path, image, { arm, signal } = {}) {
  const headers = { "content-type": "application/octet-stream" };
  if (arm) headers["x-sightline-arm"] = arm;
  return ask(path, { method: "POST", body: image, headers, signal });
}

export function sendJson(path, content) {
  return ask(path, {
    method: "POST", body: JSON.stringify(content), headers: { "content-type": "application/json" },
  });
}

async function refusal(response) {
  const said = await response.json().catch(() => null);
  const message = said?.error?.message ?? `It answered with status ${response.status}.`;
  return new ServiceError(response.status, message);
}
