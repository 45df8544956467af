// One MicroPython VM and its files, for sim/micropython.py: a line of JSON in, a line of JSON out.
//
// A reset throws the VM away and makes the next from the same files. What a script inside it
// writes to /dev/world is collected; to read from there ends the answer and waits for "turns".
// With a console, it shows its prompt and takes "typed" bytes, as a board does on its USB.
import { readSync, writeSync } from "node:fs";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";

const WORLD = { path: "/dev/world", device: [64, 0] };
const NOT_FILES = new Set(["/dev", "/home", "/proc", "/tmp"]);
// The VM's heap grows by its own size at least, as long as there is memory (gc_try_add_heap of
// MicroPython's py/gc.c); pieces smaller than that are left for all else.
const PIECE_LEN = 32 * 1024;
// Raw paste mode (docs/reference/repl.rst of MicroPython): half of the console's buffer of 256.
const WINDOW = 128;
const [CTRL_A, CTRL_B, CTRL_C, CTRL_D] = [1, 2, 3, 4];
const RAW_PASTE = "\x05A";
const RAW_PROMPT = "raw REPL; CTRL-B to exit\r\n";
const FORCED_EXIT = 256; // of MicroPython's pyexec.h: an empty line was ended with Ctrl-D

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
  if (take === "/") {
    said += JSON.stringify(Object.fromEntries(tree(vm.FS)));
  } else if (take !== null && vm.FS.analyzePath(take).exists) {
    said += Buffer.from(vm.FS.readFile(take)).toString("base64");
  }
}

// Each folder, before what is in it, and each file: path, content in base64, null of a folder.
function* tree(FS, path = "/") {
  for (const name of FS.readdir(path)) {
    const below = (path === "/" ? "" : path) + "/" + name;
    if (name === "." || name === ".." || NOT_FILES.has(below)) continue;
    if (FS.isDir(FS.stat(below).mode)) {
      yield [below, null];
      yield* tree(FS, below);
    } else {
      yield [below, Buffer.from(FS.readFile(below)).toString("base64")];
    }
  }
}

function copy(from, to) {
  for (const [path, content] of tree(from)) {
    if (content === null) to.mkdirTree(path);
    else to.writeFile(path, Buffer.from(content, "base64"));
  }
}

async function start({ heap_len, is_bounded, keeps_files, console_scripts = null }) {
  const before = vm;
  const isConsole = console_scripts !== null;
  const take = isConsole ? takeBytes : (line) => (said += line + "\n");
  WebAssembly.Memory.prototype.grow = grow;
  console.error = is_bounded ? () => {} : complain; // emscripten does, each time it gets no memory
  vm = await loadMicroPython({
    heapsize: heap_len,
    linebuffer: !isConsole,
    stdout: take,
    stderr: take,
  });
  const device = vm.FS.makedev(...WORLD.device);
  vm.FS.registerDevice(device, world);
  vm.FS.mkdev(WORLD.path, 0o666, device);
  if (before !== null && keeps_files) copy(before.FS, vm.FS);
  if (is_bounded) leaveNoMemory();
  if (isConsole) {
    for (const script of console_scripts) vm.runPython(script);
    keyboard = new Keyboard(console_scripts, heap_len);
    vm.replInit();
  }
}

let keyboard = null;
let swallowed = 0; // bytes still to come that are not shown

function takeBytes(bytes) {
  if (swallowed) swallowed -= 1;
  else said += Buffer.from(bytes).toString("latin1");
}

// The console's input. This build cannot wait for a byte inside a command, so that raw paste mode
// is done here, and raw mode, which echoes nothing, hands a command on when it is whole.
class Keyboard {
  line = ""; // of raw mode, not ended yet
  isRaw = false;
  pasted = -1; // bytes since raw paste mode began; -1 outside of it

  constructor(scripts, heap_len) {
    this.scripts = scripts;
    this.heap_len = heap_len;
  }

  // Whether the board goes on to its program: Ctrl-D at the friendly prompt.
  async take(byte) {
    if (!this.isRaw) {
      if (this.send(byte)) return true;
      this.isRaw = said.endsWith(RAW_PROMPT + ">");
    } else if (this.pasted >= 0) {
      this.paste(byte);
    } else if (byte === CTRL_D && !this.line) {
      await this.reboot();
    } else {
      this.takeRaw(byte);
    }
    return false;
  }

  takeRaw(byte) {
    if (byte === CTRL_A && this.line === RAW_PASTE) {
      said += `R\x01${String.fromCharCode(WINDOW)}\0\x01`;
      this.pasted = 0;
      this.line = "";
    } else if (byte === CTRL_D) {
      this.run();
    } else if (byte === CTRL_A || byte === CTRL_B) {
      this.line = "";
      this.isRaw = byte === CTRL_A;
      this.send(byte);
    } else {
      this.line = byte === CTRL_C ? "" : this.line + String.fromCharCode(byte);
    }
  }

  paste(byte) {
    if (byte === CTRL_C || byte === CTRL_D) {
      said += "\x04";
      this.pasted = -1;
      if (byte === CTRL_C) this.line = "raise KeyboardInterrupt";
      this.line ||= "pass"; // an empty one would be a reboot
      swallowed = 2; // "OK", which raw paste mode does not say
      this.run();
    } else {
      this.line += String.fromCharCode(byte);
      this.pasted += 1;
      if (this.pasted % WINDOW === 0) said += "\x01";
    }
  }

  run() {
    const line = Buffer.from(this.line, "latin1");
    this.line = "";
    for (const byte of line) this.send(byte);
    this.send(CTRL_D);
  }

  async reboot() {
    said += "OK\r\nMPY: soft reboot\r\n";
    const shown = said;
    await start({ heap_len: this.heap_len, keeps_files: true, console_scripts: this.scripts });
    keyboard.takeRaw(CTRL_A); // of the new one
    said = shown + RAW_PROMPT + ">";
  }

  send(byte) {
    return vm.replProcessChar(byte) & FORCED_EXIT;
  }
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

async function typed(encoded) {
  for (const byte of Buffer.from(encoded, "base64")) {
    if (await keyboard.take(byte)) return "left";
  }
  return "done";
}

let command = hear();
for (;;) {
  let how = "done";
  let next = null;
  try {
    if (command.start !== undefined) await start(command.start);
    else if (command.run !== undefined) run(command.run);
    else if (command.typed !== undefined) how = await typed(command.typed);
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
