// The frame of the page: which view is shown, what it is fed with, and how it looks.

import { ask, where } from "./ask.js";
import { make, refill } from "./dom.js";
import { clock } from "./format.js";
import * as overview from "./overview.js";
import * as explore from "./explore.js";
import * as journeys from "./journeys.js";
import * as pipeline from "./pipeline.js";

const EVERY = 3000;
const VIEWS = { overview, explore, journeys, pipeline };
const main = document.getElementById("main");
// What the server said last, by the end of its path.
const known = {};
let shown = null, timer = null, turn = 0;

function show(focus) {
  const { view: name, chosen } = where();
  const view = VIEWS[name] ?? overview;
  if (view !== shown) {
    shown = view;
    main.replaceChildren(make("h1", {}, view.title), make("div", { id: "view" }, make("p", { class: "faint" }, "Loading…")));
    document.title = view.title + " - Tidegauge";
    for (const link of document.querySelectorAll("nav a")) {
      if (VIEWS[link.hash.slice(2)] === view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (focus) main.focus({ preventScroll: true });
    view.enter?.();
  }
  view.choose?.(chosen);
  feed();
}

async function feed() {
  clearTimeout(timer);
  const mine = turn += 1;
  try {
    known.catalogue ??= await ask("catalogue");
    const wanted = ["status", ...shown.needs];
    const answers = await Promise.all(wanted.map(ask));
    if (mine !== turn) return;
    wanted.forEach((name, index) => known[name] = answers[index]);
    tell(known.status);
    await shown.update(known, document.getElementById("view"));
  } catch (error) {
    if (mine !== turn) return;
    say("No answer from Tidegauge (" + error.message + "). What is shown below is old.", true);
  }
  if (mine === turn) timer = setTimeout(feed, EVERY);
}

function tell(status) {
  const upTo = status.watermark_ms === null ? "no events yet" : "events up to " + clock(status.watermark_ms);
  if (!status.ready) say("Not ready: " + status.reason, true);
  else say((status.caught_up ? "Up to date, " : "Catching up: these are numbers of the past, ") + upTo + ".", false);
}

// Only what is new is said, since it is read out.
function say(text, bad) {
  const state = document.getElementById("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = bad ? "bad" : "";
}

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  document.getElementById("theme").textContent = "Theme: " + name;
  shown?.restyle?.();
}

function stored() {
  try {
    const name = localStorage.getItem("theme");
    return THEMES.includes(name) ? name : "auto";
  } catch {
    return "auto";
  }
}

document.getElementById("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % THEMES.length];
  try { localStorage.setItem("theme", next); } catch { /* then it holds until the page is left */ }
  theme(next);
});
document.getElementById("skip").addEventListener("click", event => {
  event.preventDefault();
  main.focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown?.restyle?.());
window.addEventListener("hashchange", () => show(true));
theme(stored());
show(false);
