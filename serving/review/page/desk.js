// Asks `sightline review`: what waits, its images, and takes verdicts there. A refusal becomes an Error.

const STORED = "sightline-review-token";
const GONE = "The page is not served any more: start `sightline review` and open the address that it prints.";

/** Takes the token out of the address, where it would be seen, and keeps it until the tab is closed. */
export function takeToken() {
  const given = location.hash.slice(1);
  if (!given) return;
  sessionStorage.setItem(STORED, given);
  history.replaceState(null, "", location.pathname);
}

export const readQueue = async () => (await ask("queue")).json();

export const judge = (id, verdict, labels = []) => ask("reviews", {
  method: "POST", body: JSON.stringify({ id, verdict, labels }), headers: { "content-type": "application/json" },
});

/** Addresses of pictures, asked for once; `forget` all but those of these ids. */
export class Pictures {
  #asked = new Map();

  get(id) {
    if (!this.#asked.has(id)) {
      this.#asked.set(id, ask(`images/${id}`).then((answer) => answer.blob()).then(URL.createObjectURL));
      this.#asked.get(id).catch(() => this.#asked.delete(id));
    }
    return this.#asked.get(id);
  }

  forget(kept) {
    for (const [id, asked] of this.#asked) {
      if (kept.includes(id)) continue;
      this.#asked.delete(id);
      asked.then(URL.revokeObjectURL, () => {});
    }
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers, "x-review-token": sessionStorage.getItem(STORED) ?? "" };
  const answer = await fetch(path, { ...options, headers }).catch(() => { throw new Error(GONE); });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  throw new Error(said?.error?.message ?? `It answered with status ${answer.status}.`);
}
