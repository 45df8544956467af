// A pad that runs: chip and cable, with time and fingers. Whether in a page's worker or elsewhere is not known here.
import { makeChip } from "./chip.mjs";
import { plugIn } from "./cable.mjs";

const TICK_MS = 10; // five turns of the firmware's loop
const LOOK_MS = 1000;
const FINGER_MS_MIN = 40; // the quickest tap of a finger (sim/pads.py)

async function load(base, path) {
  const answer = await fetch(new URL(path, base));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

async function firmware(base) {
  const paths = JSON.parse(new TextDecoder().decode(await load(base, "firmware.json")));
  const contents = await Promise.all(paths.map((path) => load(base, `firmware/${path}`)));
  return Object.fromEntries(paths.map((path, index) => [`/lib/${path}`, contents[index]]));
}

const draw = () => (crypto.getRandomValues(new Uint32Array(1))[0] >>> 2) + 1;

// tell({...}) is called with what is new: `shown`, `chip`, and at last `over` with the reason.
export async function startPad({ base, loadMicroPython, tell }) {
  const show = (lamps, buzzerHz, brightness, volume, face) =>
    tell({ shown: { lamps, buzzerHz, brightness, volume, face } });
  const [board, files] = await Promise.all([load(base, "page_board.py"), firmware(base)]);
  const chip = await makeChip({ loadMicroPython, board, files, show, draw });
  const cable = await plugIn(base);
  const downMs = new Map();
  const lifts = new Map();
  let keys = 0;
  let isOver = false;

  function turn(heard = []) {
    try {
      const said = chip.run(performance.now(), keys, heard);
      if (said.length) cable.say(said);
    } catch (error) {
      stop(String(error));
    }
  }

  function hold(key, isDown) {
    turn(); // up to now it was as before
    keys = isDown ? keys | (1 << (key - 1)) : keys & ~(1 << (key - 1));
  }

  function look() {
    tell({ chip: { ...chip.about(), heapLen: chip.heapLen() } });
  }

  function stop(why) {
    if (isOver) return;
    isOver = true;
    clearInterval(ticking);
    clearInterval(looking);
    cable.pullOut();
    tell({ over: why });
  }

  const ticking = setInterval(turn, TICK_MS);
  const looking = setInterval(look, LOOK_MS);
  look();
  cable.listen(turn).then(() => stop("over"));
  return {
    press(key) {
      clearTimeout(lifts.get(key));
      downMs.set(key, performance.now());
      hold(key, true);
    },
    release(key) {
      const heldMs = performance.now() - downMs.get(key);
      lifts.set(key, setTimeout(hold, Math.max(0, FINGER_MS_MIN - heldMs), key, false));
    },
    pullOut: cable.pullOut,
  };
}
