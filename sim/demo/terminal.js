// The clerk's queue terminal: what is at the window, what can be said, and the bytes of it.
import { send } from "./wire.js";
import { onLanguage, word } from "./words.js";

const find = (id) => document.getElementById(id);
const BYTES_A_ROW = 8;
const NEEDS_TICKET = new Set(["recall", "skip", "complete", "ask"]);
let clerk = null;

export function startTerminal() {
  for (const button of document.querySelectorAll("#orders [data-do]"))
    button.addEventListener("click", () => send(button.dataset.do));
  find("seat").addEventListener("click", () => send(clerk?.loggedIn ? "logout" : "login"));
  onLanguage(show);
}

export function showTerminal(state) {
  clerk = state.clerk;
  show();
}

function show() {
  if (!clerk) return;
  find("ticket").textContent = clerk.ticket ?? "—";
  find("ticket").classList.toggle("none", clerk.ticket === null);
  find("item").textContent = clerk.ticket === null ? word("clerk.none") : word(`item.${clerk.item}`);
  find("case").textContent = clerk.projectNo ?? "—";
  find("service").textContent = clerk.serviceNumber > 1 ? word("clerk.service", { n: clerk.serviceNumber }) : "";
  find("staff").textContent = clerk.loggedIn ? clerk.staff : word("clerk.away");
  find("seat").textContent = word(clerk.loggedIn ? "clerk.logout" : "clerk.login");
  for (const button of document.querySelectorAll("#orders [data-do]")) {
    const what = button.dataset.do;
    button.disabled =
      (NEEDS_TICKET.has(what) && clerk.ticket === null) || (what === "again" && clerk.projectNo === null);
  }
  find("frame").textContent = dump(clerk.frame) || word("clerk.line.none");
  find("frame-meta").textContent = clerk.frame
    ? word("clerk.line.meta", { len: clerk.frameLen, copies: clerk.copies })
    : "";
}

// Bytes as a technician reads them: eight a row, and what of them is text.
function dump(hex) {
  const bytes = hex ? hex.split(" ") : [];
  const rows = [];
  for (let at = 0; at < bytes.length; at += BYTES_A_ROW) {
    const row = bytes.slice(at, at + BYTES_A_ROW);
    const text = row.map((byte) => String.fromCharCode(parseInt(byte, 16)).replace(/[^ -~]/, "·"));
    rows.push(`${row.join(" ").padEnd(BYTES_A_ROW * 3)} ${text.join("")}`);
  }
  return rows.join("\n");
}
