// The page's line to the demo: orders go out by POST, what happens comes in as an event stream.
export async function send(action, body = {}) {
  try {
    await fetch(`do/${action}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    // The stream below notices that the demo is gone and says so.
  }
}

export function listen({ state, history, entry, opened, lost }) {
  const stream = new EventSource("events");
  stream.addEventListener("open", opened);
  stream.addEventListener("error", lost);
  stream.addEventListener("state", (event) => state(JSON.parse(event.data)));
  stream.addEventListener("history", (event) => history(JSON.parse(event.data)));
  stream.addEventListener("entry", (event) => entry(JSON.parse(event.data)));
}
