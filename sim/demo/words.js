// The language of the page: every visible word comes from the one table in strings.js.
import { STRINGS } from "./strings.js";

const KEPT = "haochaping.language";
const changed = [];
let language = localStorage.getItem(KEPT) === "en" ? "en" : "zh";

export const word = (key, values = {}) =>
  (STRINGS[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

export const known = (key) => key in STRINGS[language];

// `then` runs now and whenever the language changes.
export function onLanguage(then) {
  changed.push(then);
  then();
}

export function otherLanguage() {
  language = language === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT, language);
  changed.forEach((then) => then());
}

export function fillWords() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-t]")) each.textContent = word(each.dataset.t);
  for (const each of document.querySelectorAll("[data-label]"))
    each.setAttribute("aria-label", word(each.dataset.label));
}
