// One MicroPython VM and its files, for sim/micropython.py: a line of JSON in, a line of JSON out.
//
// A reset throws the VM away and makes the next from the same files. What a script inside it
// writes to /dev/world is collected; to read from there ends the answer and waits for "turns".
import { readSync, writeSync } from "node:fs";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";

const WORLD = { path: "/dev/world", device: [64, 0] };
const NOT_FILES = new Set(["/dev", "/home", "/proc", "/tmp"]);
// The VM's heap grows by its own size at least, as long as there is memory (gc_try_add_heap of
// MicroPython's py/gc.c); pieces smaller than that are left for all else.
const PIECE_LEN = 32 * 1024;

class Ended extends Error {} // the VM was left in the middle, and cannot go on

// Emscripten looks each function up for each call through `invoke`; nothing in this table changes.
const { get } = WebAssembly.Table.prototype;
WebAssembly.Table.prototype.get = function (index) {
  this.seen ??= [];
  return (this.seen[index] ??= get.call(this, index));
};

const { grow } = WebAssembly.Memory.prototype;
const complain = console.error;

let vm = null;
let said = ""; // since the last answer
let input = Buffer.alloc(0);
const chunk = Buffer.alloc(65536);

function hear() {
  let end;
  while ((end = input.indexOf(10)) < 0) {
    const length = readSync(0, chunk);
    if (!length) process.exit(0);
    input = Buffer.concat([input, chunk.subarray(0, length)]);
  }
  const line = input.toString("utf8", 0, end);
  input = input.subarray(end + 1);
  return JSON.parse(line);
}

function answer(how) {
  let line = Buffer.from(JSON.stringify({ how, said }) + "\n");
  said = "";
  while (line.length) line = line.subarray(writeSync(1, line));
}

const world = {
  open() {},
  close() {},
  write(stream, buffer, offset, length) {
    said += Buffer.from(buffer.buffer, buffer.byteOffset + offset, length).toString("latin1");
    return length;
  },
  isRead: false, // MicroPython reads on until the buffer is full or nothing comes
  read(stream, buffer, offset, length) {
    if (world.isRead) return (world.isRead = false) | 0;
    if (said.endsWith("end\n")) throw new Ended();
    answer("waits");
    for (;;) {
      const command = hear();
      if (command.turns !== undefined) {
        const turns = Buffer.from(command.turns, "base64");
        buffer.set(turns, offset);
        world.isRead = turns.length < length;
        return turns.length;
      }
      if (command.start !== undefined) throw new Ended(JSON.stringify(command));
      files(command);
      answer("done");
    }
  },
};

function files({ put = {}, take = null }) {
  for (const [path, content] of Object.entries(put)) {
    if (content === null) {
      vm.FS.unlink(path);
    } else {
      vm.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")) || "/");
      vm.FS.writeFile(path, Buffer.from(content, "base64"));
    }
  }
  if (take !== null && vm.FS.analyzePath(take).exists) {
    said += Buffer.from(vm.FS.readFile(take)).toString("base64");
  }
}

function copy(from, to, path = "/") {
  for (const name of from.readdir(path)) {
    const below = (path === "/" ? "" : path) + "/" + name;
    if (name === "." || name === ".." || NOT_FILES.has(below)) continue;
    if (from.isDir(from.stat(below).mode)) {
      to.mkdirTree(below);
      copy(from, to, below);
    } else {
      to.writeFile(below, from.readFile(below));
    }
  }
}

async function start({ heap_len, is_bounded, keeps_files }) {
  const before = vm;
  WebAssembly.Memory.prototype.grow = grow;
  console.error = is_bounded ? () => {} : complain; // emscripten does, each time it gets no memory
  vm = await loadMicroPython({
    heapsize: heap_len,
    stdout: (line) => (said += line + "\n"),
    stderr: (line) => (said += line + "\n"),
  });
  const device = vm.FS.makedev(...WORLD.device);
  vm.FS.registerDevice(device, world);
  vm.FS.mkdev(WORLD.path, 0o666, device);
  if (before !== null && keeps_files) copy(before.FS, vm.FS);
  if (is_bounded) leaveNoMemory();
}

function leaveNoMemory() {
  WebAssembly.Memory.prototype.grow = () => {
    throw new RangeError("there is no more memory");
  };
  for (const length of [1 << 20, PIECE_LEN]) while (vm._module._malloc(length));
}

function run({ scripts, over_and_over = null }) {
  for (const script of scripts) vm.runPython(script);
  if (over_and_over === null) return;
  const step = vm.globals.get(over_and_over);
  for (;;) step();
}

let command = hear();
for (;;) {
  let how = "done";
  let next = null;
  try {
    if (command.start !== undefined) await start(command.start);
    else if (command.run !== undefined) run(command.run);
    else files(command);
  } catch (error) {
    if (error instanceof Ended) {
      how = "ended";
      next = error.message ? JSON.parse(error.message) : null;
    } else if (error.name === "PythonError") {
      how = "raised";
      said += error.message;
    } else {
      throw error;
    }
  }
  if (next === null) {
    answer(how);
    next = hear();
  }
  command = next;
}
