// The circuit diagram under the page: its switches are where the lines really break.
import { send } from "./wire.js";
import { onLanguage, word } from "./words.js";

const find = (id) => document.getElementById(id);
const CELLS_MAX = 60;
const PAD_CELLS = 8;
const SWITCHES = ["pad", "queue", "power", "network", "broker"];
const LEVER = `<svg class="lever" viewBox="0 0 64 34" aria-hidden="true">
  <path d="M0 24h14M50 24h14"/><circle cx="16" cy="24" r="3"/><circle cx="48" cy="24" r="3"/>
  <path class="blade" d="M16 24h32"/></svg>`;
const HISS = `<svg class="hiss" viewBox="0 0 64 34" aria-hidden="true">
  <path class="calm" d="M0 24h64"/><path class="rough" d="M0 24h6l3-7 4 12 5-16 4 13 4-7 4 9 5-14 4 14 5-10 4 8 3-2h13"/></svg>`;
let last = null;
let pressed = null;
let frame = null;

const lineSwitch = (name, art) => `<button class="wire" role="switch" data-switch="${name}">
  <span class="run"><i class="lead"></i>${art}<i class="lead"></i><i class="dot"></i></span>
  <span class="words"><span class="name"></span><b class="state"></b></span></button>`;
const nodeSwitch = (name) => `<button class="breaker" role="switch" data-switch="${name}">${LEVER}
  <span><span class="name"></span><b class="state"></b></span></button>`;
const node = (name, inner) => `<div class="node" data-node="${name}"><h3><span data-node-name="${name}"></span><small></small></h3>${inner}</div>`;

export function startCircuit() {
  find("circuit").innerHTML =
    node("pad", `<p><span id="pad-says"></span> <span class="cells small" id="pad-cells"></span></p>`) +
    lineSwitch("pad", LEVER) +
    node("queue", `<p id="queue-says"></p>`) +
    lineSwitch("queue", HISS) +
    node("unit", `<p class="cells" id="unit-cells"></p><p id="unit-says"></p>${nodeSwitch("power")}`) +
    lineSwitch("network", LEVER) +
    node("broker", nodeSwitch("broker")) +
    `<span class="wire plain" data-wire="out"><span class="run"><i class="lead"></i><i class="dot"></i></span></span>` +
    node("platform", `<p id="platform-says"></p>`);
  for (const button of document.querySelectorAll("[data-switch]"))
    button.addEventListener("click", () =>
      send("switch", { name: button.dataset.switch, on: button.getAttribute("aria-checked") !== "true" }));
  onLanguage(show);
}

export function showCircuit(state) {
  if (pressed !== null && state.tally.pressed > pressed) pulse("pad");
  if (frame !== null && state.clerk.said !== frame) pulse("queue");
  pressed = state.tally.pressed;
  frame = state.clerk.said;
  last = state;
  show();
}

// A dot runs along the lines to `target`; the same for everything that is ever sent.
export function pulse(target) {
  const wires = target === "platform" ? ["network", "out"] : [target];
  for (const name of wires) {
    const dot = document.querySelector(`[data-switch=${name}] .dot, [data-wire=${name}] .dot`);
    dot.classList.remove("runs");
    void dot.offsetWidth; // restarts the animation
    dot.classList.add("runs");
  }
}

function show() {
  for (const name of document.querySelectorAll("[data-node-name]"))
    name.textContent = word(`node.${name.dataset.nodeName}`);
  if (!last) return;
  for (const name of SWITCHES) showSwitch(name, last.switches[name]);
  showNodes();
  showTally(last.tally);
}

function showSwitch(name, on) {
  const button = document.querySelector(`[data-switch=${name}]`);
  button.setAttribute("aria-checked", String(on));
  button.classList.toggle("broken", !on && name !== "queue");
  button.querySelector(".name").textContent = word(`wire.${name}`);
  button.querySelector(".state").textContent = word(`wire.${name}.${on ? "on" : "off"}`);
}

function cells(id, count, most) {
  const shown = Math.min(count, most);
  const box = find(id);
  while (box.children.length > shown) box.lastElementChild.remove();
  while (box.children.length < shown) box.append(document.createElement("i"));
}

function showNodes() {
  const { unit, pad, platform, switches } = last;
  document.querySelector("[data-node=unit]").classList.toggle("off", !unit.running);
  document.querySelector("[data-node=broker]").classList.toggle("off", !switches.broker);
  document.querySelector("[data-wire=out]").classList.toggle("broken", !switches.broker);
  cells("pad-cells", pad.queued, PAD_CELLS);
  find("pad-says").textContent = word("buffer.pad", { n: pad.queued });
  find("queue-says").textContent = last.clerk.ticket ?? "—";
  cells("unit-cells", unit.unreceipted ?? 0, CELLS_MAX);
  const n = unit.unreceipted;
  const kept = n === null ? "buffer.unit.unknown" : unit.connected ? "buffer.unit" : "buffer.unit.away";
  find("unit-says").textContent = word(kept, { n });
  const pid = unit.pid === null ? word("node.dead") : word("node.pid", { pid: unit.pid });
  document.querySelector("[data-node=unit] small").textContent = pid;
  find("platform-says").textContent = word("buffer.platform", { n: platform.stored });
}

function showTally({ pressed, onDisk, atPlatform, settling }) {
  find("tally-pressed").textContent = pressed;
  find("tally-disk").textContent = onDisk;
  find("tally-platform").textContent = atPlatform;
  find("tally-first").textContent = sign(pressed, onDisk);
  find("tally-second").textContent = sign(onDisk, atPlatform);
  const [key, n] = verdict(pressed, onDisk, atPlatform, settling);
  find("tally-says").textContent = word(`tally.${key}`, { n });
  find("tally").dataset.verdict = key;
}

const sign = (left, right) => (left === right ? "=" : left > right ? ">" : "<");

function verdict(pressed, onDisk, atPlatform, settling) {
  if (pressed < onDisk || onDisk < atPlatform) return ["wrong", 0];
  if (pressed > onDisk) return ["pad", pressed - onDisk];
  if (onDisk - atPlatform > settling) return ["behind", onDisk - atPlatform];
  if (onDisk > atPlatform) return ["open", 0];
  return pressed === 0 ? ["none", 0] : ["even", 0];
}
