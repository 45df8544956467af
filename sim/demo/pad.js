// Where the pad runs: in Python on the server, or here: the firmware's own files, in MicroPython, in a worker.
import { send } from "./wire.js";
import { known, onLanguage, word } from "./words.js";

const find = (id) => document.getElementById(id);
const PLEASE_RATE = 1;
const HEARD = 2;
const COVERS = new Set([5, 7]); // no link and self-test lie over the face, and only the line tells them
const FULL = 100;
const RETURN_MS = 1000; // by then the demo has said that the pad is the server's again
let worker = null;
let leaving = false;
let returning = null;
let shown = null; // what the pad here shows, once it runs
let chip = null;
let trouble = "";
let pressedMs = null;
let heardMs = null;
let told = null; // what the demo says of the pad
let drawAgain = () => {};

// `then` is called when the pad here shows something new.
export function startPad(then) {
  drawAgain = then;
  find("runs-page").addEventListener("change", begin);
  find("runs-server").addEventListener("change", end);
  onLanguage(show);
}

export function showPad(state) {
  told = state.pad;
  if (trouble === "keeping" && told.queued === 0) trouble = "";
  show();
}

// Lamps, sound and face as they are to be drawn.
export function padShows({ lamps, buzzerHz, face }) {
  if (shown === null) return { lamps, buzzerHz, face, brightness: FULL, volume: FULL };
  return COVERS.has(face) ? { ...shown, face } : shown;
}

export const isElsewhere = () => worker === null && returning === null && told !== null && told.runsIn === "page";

export function pressKey(key) {
  if (shown === null) return void send("key-down", { key });
  pressedMs = shown.face === PLEASE_RATE ? performance.now() : null;
  worker.postMessage(["press", key]);
}

export function releaseKey(key) {
  if (shown === null) return void send("key-up", { key });
  worker.postMessage(["release", key]);
}

function begin() {
  leaving = false;
  trouble = "";
  worker = new Worker("pad_worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => hear(data));
  worker.addEventListener("error", ({ message }) => hear({ over: message ?? "pad_worker.js" }));
  show();
}

function end() {
  if (told.queued > 0) {
    trouble = "keeping"; // they would be lost with the pad that keeps them
  } else {
    leaving = true;
    worker.postMessage(["pullOut"]);
  }
  show();
}

function hear(data) {
  if (data.chip) chip = data.chip;
  if (data.shown) {
    shown = data.shown;
    if (shown.face === HEARD && pressedMs !== null) {
      heardMs = performance.now() - pressedMs;
      pressedMs = null;
    }
    drawAgain();
  }
  if (data.over) {
    worker.terminate();
    clearTimeout(returning);
    returning = shown === null ? null : setTimeout(() => ((returning = null), show()), RETURN_MS);
    worker = shown = chip = heardMs = null;
    trouble = leaving ? "" : data.over;
    leaving = false;
  }
  show();
}

function show() {
  const isHere = worker !== null && !leaving;
  find("runs-page").checked = isHere;
  find("runs-server").checked = !isHere && !isElsewhere();
  find("runs-page").disabled = leaving || (worker === null && !(told?.mayMove && told.runsIn === "server"));
  find("runs-server").disabled = isElsewhere();
  find("runs-says").textContent = says();
}

function says() {
  if (isElsewhere()) return word("runs.elsewhere");
  if (trouble) return known(`runs.${trouble}`) ? word(`runs.${trouble}`) : word("runs.failed", { why: trouble });
  if (worker === null) return word(told === null || told.mayMove ? "runs.same" : "runs.missing");
  if (chip === null) return word("runs.starting");
  const { interpreter, release, digest, heapLen } = chip;
  const about = word("runs.chip", { interpreter, release, digest, kib: (heapLen / 1024).toFixed(1) });
  return heardMs === null ? about : `${about} · ${word("runs.heard", { ms: Math.round(heardMs) })}`;
}
