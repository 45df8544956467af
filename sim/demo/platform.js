// The platform's view: counts per outcome, the latency of the last press, entries as they arrive.
import { known, onLanguage, word } from "./words.js";

const find = (id) => document.getElementById(id);
const LEVELS = [5, 4, 3, 2, 1];
const NOT_RATED = ["timeout", "superseded", "cancelled", "pad_lost", "interrupted"];
const ENTRIES_SHOWN_MAX = 80;
const CHAIN_PROBLEMS = new Set(["broken_chain", "gap", "fork", "repeated", "rollback", "wrong_source"]);
const SIGNATURE_PROBLEMS = new Set(["bad_signature", "unknown_key"]);
const entries = [];
let last = null;

export function startPlatform() {
  const row = (name) => `<div class="count" data-name="${name}"><span></span><i></i><output>0</output></div>`;
  find("counts").innerHTML =
    `<div class="levels">${LEVELS.map((level) => row(level)).join("")}</div>` +
    `<div class="reasons">${NOT_RATED.map((name) => row(name)).join("")}</div>`;
  onLanguage(relabel);
}

function relabel() {
  for (const row of document.querySelectorAll(".count")) {
    const name = row.dataset.name;
    row.querySelector("span").textContent = word(/\d/.test(name) ? `key.${6 - name}` : `outcome.${name}`);
  }
  find("entries").replaceChildren(...entries.map(entryRow));
  find("entries").dataset.empty = word("platform.empty");
  if (last) showPlatform(last);
}

export function showPlatform(state) {
  last = state;
  const counts = { ...state.platform.rated, ...state.platform.notRated };
  const most = Math.max(1, ...Object.values(counts));
  for (const row of document.querySelectorAll(".count")) {
    const count = counts[row.dataset.name] ?? 0;
    row.querySelector("output").textContent = count;
    row.style.setProperty("--share", count / most);
    row.classList.toggle("zero", count === 0);
  }
  const { ackMs, heldMs, platformMs } = state.latency;
  const heading = find("latency-heading");
  heading.dataset.t = state.pad.runsIn === "page" ? "latency.heading.page" : "latency.heading";
  heading.textContent = word(heading.dataset.t);
  find("latency-disk").textContent = inMs(ackMs, state.latency.pending);
  find("latency-held").textContent = inMs(heldMs, false);
  find("latency-platform").textContent = inMs(platformMs, state.latency.pending);
}

function inMs(value, pending) {
  if (value === null) return pending ? word("latency.waiting") : "—";
  return value < 100 ? `${value.toFixed(1)} ms` : value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
}

export function addEntry(entry) {
  entries.unshift(entry);
  entries.length = Math.min(entries.length, ENTRIES_SHOWN_MAX);
  const list = find("entries");
  const row = entryRow(entry);
  row.classList.add("new");
  list.prepend(row);
  while (list.children.length > ENTRIES_SHOWN_MAX) list.lastElementChild.remove();
}

// What had arrived before this page was opened, newest first.
export function showHistory(earlier) {
  entries.splice(0, entries.length, ...earlier.slice(0, ENTRIES_SHOWN_MAX));
  find("entries").replaceChildren(...entries.map(entryRow));
}

function says(entry) {
  if (entry.kind === "rating")
    return entry.outcome === "rated" ? word(`key.${6 - entry.satisfaction}`) : word(`outcome.${entry.outcome}`);
  if (entry.kind === "service") return entry.projectNo ?? entry.ticket ?? "";
  if (entry.kind === "boot") return word(`boot.${Object.values(entry.prompts)[0]}`);
  return entry.state && known(`state.${entry.state}`) ? word(`state.${entry.state}`) : "";
}

function tick(kind, bad) {
  const mark = document.createElement("span");
  mark.className = "tick";
  mark.textContent = word(`platform.${kind}`);
  mark.classList.toggle("bad", bad.length > 0);
  mark.title = bad.length ? word("platform.bad.label", { names: bad.join(", ") }) : word(`platform.${kind}.label`);
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", mark.title);
  return mark;
}

function entryRow(entry) {
  const row = document.createElement("li");
  const cell = (name, text) => {
    const each = document.createElement(name === "kind" ? "b" : "span");
    each.className = name;
    each.textContent = text;
    return each;
  };
  row.dataset.kind = entry.kind;
  row.dataset.outcome = entry.outcome ?? "";
  const broken = entry.problems.filter((name) => CHAIN_PROBLEMS.has(name));
  const forged = entry.problems.filter((name) => SIGNATURE_PROBLEMS.has(name));
  const odd = entry.problems.filter((name) => !CHAIN_PROBLEMS.has(name) && !SIGNATURE_PROBLEMS.has(name));
  row.append(
    cell("seq", entry.seq),
    cell("kind", word(`kind.${entry.kind}`)),
    cell("says", says(entry) + (entry.public === false ? ` · ${word("entry.private")}` : "")),
    cell("hash", entry.hash.slice(0, 6)),
    tick("chain", broken),
    tick("signature", forged),
    ...(odd.length ? [tick("form", odd)] : []),
  );
  return row;
}
