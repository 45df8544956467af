// Keeps the page fresh: asks for its pieces and exchanges those that differ.
"use strict";
const EVERY_MS = 2000;
const GIVE_UP_MS = 8000;
const stale = document.getElementById("stale");
const address = `/page.json?lang=${document.documentElement.lang}`;
// What a browser makes of markup is not the text that was sent: that is kept here.
const shown = new Map();

function show(told) {
  for (const [id, markup] of Object.entries(told.parts)) {
    const place = document.getElementById(id);
    // Another window, another line: the page has another shape now.
    if (!place) return location.reload();
    if (shown.get(id) !== markup) place.innerHTML = markup;
    shown.set(id, markup);
  }
  for (const picture of document.querySelectorAll("img[data-window]")) {
    const source = told.pictures[picture.dataset.window];
    if (picture.getAttribute("src") !== source) picture.src = source;
  }
}

async function refresh() {
  const limit = AbortSignal.timeout(GIVE_UP_MS);
  try {
    const answer = await fetch(address, { cache: "no-store", signal: limit });
    // The session is over: the page itself leads to the password.
    if (answer.status === 403) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

// A phone in a pocket asks nothing.
setInterval(() => document.hidden || refresh(), EVERY_MS);
