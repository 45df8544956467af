// The pad beside the page: a browser lets a page in the background sleep, and its worker go on.
import { startPad } from "./machine.mjs";
import { loadMicroPython } from "./micropython/micropython.mjs";

const tell = (what) => postMessage(what);
const starting = startPad({ base: location.href, loadMicroPython, tell });
starting.catch((error) => tell({ over: error.message }));

onmessage = async ({ data: [what, key] }) => {
  const pad = await starting.catch(() => null);
  pad?.[what](key);
};
