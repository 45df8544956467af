// Puts the parts of the page together.
import { startBooth, showBooth } from "./booth.js";
import { startCircuit, showCircuit, pulse } from "./circuit.js";
import { startPad, showPad } from "./pad.js";
import { startPlatform, showPlatform, addEntry, showHistory } from "./platform.js";
import { startTerminal, showTerminal } from "./terminal.js";
import { allowSound, mute } from "./sound.js";
import { fillWords, onLanguage, otherLanguage, word } from "./words.js";
import { listen } from "./wire.js";

const find = (id) => document.getElementById(id);
let muted = false;
let last = null;

function showSound() {
  find("sound").textContent = word(muted ? "sound.off" : "sound.on");
  find("sound").setAttribute("aria-pressed", String(!muted));
  find("sound").setAttribute("aria-label", word("sound.label"));
}

startBooth();
startPad(() => last && showBooth(last));
startTerminal();
startPlatform();
startCircuit();
onLanguage(fillWords);
onLanguage(showSound);
find("language").addEventListener("click", otherLanguage);
find("sound").addEventListener("click", () => {
  muted = !muted;
  mute(muted);
  showSound();
});
window.addEventListener("pointerdown", allowSound);
window.addEventListener("keydown", allowSound);

listen({
  opened() {
    find("offline").hidden = true;
  },
  lost() {
    find("offline").hidden = false;
  },
  state(state) {
    last = state;
    find("place").textContent = state.place.source;
    for (const show of [showPad, showBooth, showTerminal, showPlatform, showCircuit]) show(state);
  },
  history: showHistory,
  entry(entry) {
    addEntry(entry);
    pulse("platform");
  },
});
