// A pad's chip: MicroPython in WebAssembly, the firmware's files on its flash. It knows no page, no server and no clock.
const HEAP_LEN = 192 * 1024; // what MicroPython has of an RP2040's 264 KiB
const BOARD = "/page_board.py";
const START = `
from page_board import PageBoard
board = PageBoard(show, draw)
`;

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// files: content by path on the flash. show(lamps, buzzerHz, brightness, volume, face) is called when one is new;
// draw() gives a boot id that no start before had, 1 to 2^30.
export async function makeChip({ loadMicroPython, board, files, show, draw }) {
  const vm = await loadMicroPython({ heapsize: HEAP_LEN });
  for (const [path, content] of Object.entries({ ...files, [BOARD]: board })) {
    vm.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")) || "/");
    vm.FS.writeFile(path, content);
  }
  vm.globals.set("show", show);
  vm.globals.set("draw", draw);
  vm.runPython(START);
  const { run, about, collect, heap_len: inUse } = vm.globals.get("board");
  return {
    // Takes the turns due until nowMs, with these keys down (bit 0 = leftmost) and these bytes heard; the bytes to send.
    run: (nowMs, keys, heard) => unhex(run(Math.floor(nowMs), keys, hex(heard))),
    about: () => JSON.parse(about()),
    heapLen: () => (collect(), inUse()),
  };
}
