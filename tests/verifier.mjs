// An independent check of one unit's journal: node's own crypto, none of our code.
//   node verifier.mjs journal.jsonl unit.pem [receipt.json platform.pem]
// Prints the first problem and exits with 1, or says how much is proved and exits with 0.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const sha256 = (data) => createHash("sha256").update(data).digest("hex");

// RFC 8785 is defined by JavaScript's own number and text forms, with the members sorted.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

export function loadKey(path) {
  const key = createPublicKey(readFileSync(path));
  const raw = Buffer.from(key.export({ format: "jwk" }).x, "base64url");
  return { key, kid: sha256(raw).slice(0, 16) };
}

// `member` holds the signature of the canonical form without it.
function isSigned(value, member, { key }) {
  const { [member]: signature, ...rest } = value;
  return verify(null, Buffer.from(canonical(rest)), key, Buffer.from(signature, "base64url"));
}

function isSignature(text) {
  const raw = Buffer.from(String(text), "base64url");
  return raw.length === 64 && raw.toString("base64url") === text;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemOf(text, state, unit) {
  const entry = parse(text);
  if (entry === null || typeof entry !== "object") return "bad_entry";
  if (canonical(entry) !== text) return "not_canonical";
  if (!isSignature(entry.signature) || entry.alg !== "Ed25519") return "bad_entry";
  if (entry.source !== (state.source ?? entry.source)) return "wrong_source";
  if (entry.kid !== unit.kid) return "unknown_key";
  if (!isSigned(entry, "signature", unit)) return "bad_signature";

  const seq = Number(entry.sequence);
  const hash = sha256(text);
  const known = state.hashes.get(`${entry.epoch}-${seq}`);
  if (known) return known === hash ? "repeated" : "fork";
  if (entry.epoch === state.epoch) {
    if (seq !== state.seq + 1) return seq > state.seq ? "gap" : "rollback";
    if (entry.prevhash !== state.hash) return "broken_chain";
  } else {
    // An epoch begins with a boot that says where the one before ended.
    if (seq !== 1) return state.epochs.has(entry.epoch) ? "rollback" : "gap";
    if (entry.prevhash !== "0".repeat(64)) return "broken_chain";
    const previous = entry.type === "hcp.boot.v1" ? entry.data.previous : null;
    if (state.epoch && !previous) return "rollback";
    if (previous && !state.epochs.has(previous.epoch)) return "gap";
    if (previous && previous.epoch !== state.epoch) return "rollback";
    if (previous && previous.seq !== state.seq) return previous.seq > state.seq ? "gap" : "rollback";
    if (previous && previous.hash !== state.hash) return "fork";
  }
  state.hashes.set(entry.id, hash);
  state.epochs.add(entry.epoch);
  Object.assign(state, { source: entry.source, epoch: entry.epoch, seq, hash });
  return null;
}

// What was receipted must be there, or the end was cut off.
function receiptProblem(text, state, platform) {
  const receipt = parse(text);
  if (!receipt || !isSignature(receipt.sig) || receipt.kid !== platform.kid) return "bad_receipt";
  if (!isSigned(receipt, "sig", platform) || receipt.source !== state.source) return "bad_receipt";
  const hash = state.hashes.get(`${receipt.epoch}-${receipt.upto}`);
  if (!hash) return "rollback";
  return hash === receipt.hash ? null : "fork";
}

// The first problem of a journal's lines (as bytes), or null; `state` says what was proved.
export function firstProblem(lines, unit, state) {
  for (const [index, bytes] of lines.entries()) {
    const text = bytes.toString("utf8");
    const problem = Buffer.from(text).equals(bytes) ? problemOf(text, state, unit) : "bad_entry";
    if (problem) return `line ${index + 1}: ${problem}`;
  }
  return lines.length ? null : "no entry in it";
}

export function newState() {
  return { source: null, epoch: null, seq: 0, hash: null, hashes: new Map(), epochs: new Set() };
}

function main([journal, unitPem, receiptFile, platformPem]) {
  const lines = readFileSync(journal, "latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  const state = newState();
  const bytes = lines.map((line) => Buffer.from(line, "latin1"));
  let problem = firstProblem(bytes, loadKey(unitPem), state);
  if (!problem && receiptFile) {
    const found = receiptProblem(readFileSync(receiptFile, "utf8"), state, loadKey(platformPem));
    problem = found && `receipt: ${found}`;
  }
  const proved = `${state.hashes.size} entries of ${state.source}, ${state.epochs.size} epochs: unbroken`;
  console.log(problem ?? proved);
  return problem ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
