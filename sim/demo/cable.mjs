// The pad's line between a page and the demo: what the unit says streams in, what the pad says is posted in its order.
const WAITING_LEN_MAX = 4096; // as much as the server takes at once

// An error says in one word why there is no line.
export async function plugIn(base) {
  const cut = new AbortController();
  const post = (path, kind, body) =>
    fetch(new URL(path, base), { method: "POST", headers: { "Content-Type": kind }, body, signal: cut.signal });
  const line = await post("pad/line", "application/json", "{}");
  if (!line.ok) throw new Error((await line.text()).trim());
  const key = line.headers.get("Pad-Key");
  const waiting = [];
  let number = 0;
  let sending = false;

  async function send() {
    sending = true;
    while (waiting.length) {
      number += 1;
      const said = await post(`pad/line/${key}/${number}`, "application/octet-stream", new Uint8Array(waiting.splice(0)));
      if (!said.ok) cut.abort();
    }
    sending = false;
  }

  return {
    // Calls heard(bytes) until the line is over, whichever end pulled it out.
    async listen(heard) {
      const reader = line.body.getReader();
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) heard(part.value);
      } catch {
        // Pulled out here, or the demo is gone.
      }
    },
    say(bytes) {
      // What does not fit is lost, as on any line, and the link repeats it.
      if (waiting.length + bytes.length <= WAITING_LEN_MAX) waiting.push(...bytes);
      if (!sending) send().catch(() => cut.abort());
    },
    pullOut: () => cut.abort(),
  };
}
