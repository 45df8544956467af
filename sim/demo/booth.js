// The window as the citizen sees it: screen and keys. Nothing here depends on the level of a key.
import { isElsewhere, padShows, pressKey, releaseKey } from "./pad.js";
import { onLanguage, word } from "./words.js";
import { buzz } from "./sound.js";

const KEY_COUNT = 5;
const MOUTHS = ["M10 19q6 6.5 12 0", "M10.5 19.5q5.5 4 11 0", "M10.5 20.5h11", "M10.5 21.5q5.5-4 11 0", "M10 22.5q6-6.5 12 0"];

const find = (id) => document.getElementById(id);
const keys = [];
const down = new Set();
let windowName = "";
let shownFace = null;
let face = "face.5";

function faceOf(key) {
  return `<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="11.5" cy="12.5" r="1.7"/>
    <circle cx="20.5" cy="12.5" r="1.7"/><path d="${MOUTHS[key - 1]}"/></svg>`;
}

function press(key) {
  if (down.has(key) || isElsewhere()) return;
  down.add(key);
  keys[key - 1].classList.add("down");
  pressKey(key);
}

function release(key) {
  if (!down.delete(key)) return;
  keys[key - 1].classList.remove("down");
  releaseKey(key);
}

function makeKey(key) {
  const button = document.createElement("button");
  button.className = "key";
  button.innerHTML = `<span class="lamp"></span><span class="cap">${faceOf(key)}</span><b></b><kbd>${key}</kbd>`;
  onLanguage(() => (button.querySelector("b").textContent = word(`key.${key}`)));
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    press(key);
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    button.addEventListener(end, () => release(key));
  const enters = (event) => event.key === "Enter" || event.key === " ";
  button.addEventListener("keydown", (event) => enters(event) && !event.repeat && press(key));
  button.addEventListener("keyup", (event) => enters(event) && release(key));
  button.addEventListener("blur", () => release(key));
  return button;
}

export function startBooth() {
  for (let key = 1; key <= KEY_COUNT; key++) keys.push(makeKey(key));
  find("keys").append(...keys);
  const digit = (event) => (/^[1-5]$/.test(event.key) ? Number(event.key) : 0);
  window.addEventListener("keydown", (event) => {
    if (digit(event) && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey) press(digit(event));
  });
  window.addEventListener("keyup", (event) => digit(event) && release(digit(event)));
  window.addEventListener("blur", () => [...down].forEach(release));
  onLanguage(showWords);
}

function showWords() {
  find("face").textContent = word(face);
  find("plate").textContent = word("booth.plate", { n: windowName });
}

export function showBooth({ place, pad, oled }) {
  const { lamps, buzzerHz, brightness, volume, face: shownNow } = padShows(pad);
  keys.forEach((key, index) => {
    key.classList.toggle("lit", Boolean((lamps >> index) & 1));
    key.disabled = isElsewhere();
  });
  find("keys").style.setProperty("--bright", brightness / 100);
  buzz(buzzerHz, volume);
  face = `face.${shownNow}`;
  if (shownNow !== shownFace || place.window !== windowName) {
    shownFace = shownNow;
    windowName = place.window;
    showWords();
  }
  const picture = find("oled");
  picture.hidden = oled === null;
  find("dark").hidden = oled !== null;
  if (oled !== null && picture.dataset.version !== oled) {
    picture.dataset.version = oled;
    picture.src = `oled.png?${oled}`;
  }
}
