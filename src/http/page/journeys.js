// Journeys as funnels.

import { explore } from "./ask.js";
import { choice, make, refill } from "./dom.js";
import { capital, clock, count, interval, number, place, span } from "./format.js";

export const title = "Journeys";
export const needs = ["metrics", "overview"];
let window = "1h", group = "", last = null;

export function update(known, view) {
  last = [known, view];
  const { catalogue, metrics, overview } = known;
  if (!catalogue.journeys.length) {
    refill(view, make("section", {}, make("p", {}, "No journeys are configured. A journey is a list of tasks that people should succeed in, in order:"),
      make("pre", {}, "[[journey]]\nname = \"buy\"\nsteps = [\"search\", \"add_to_cart\", \"checkout\"]\nwithin = \"30m\"")));
    return;
  }
  const runs = metrics.rows.filter(row => row.metric.startsWith("journey_"));
  if (!runs.length) {
    const why = overview.no_report ? capital(overview.no_report) + "." : "No runs yet: a run is counted when it is completed or its time is over, within the windows that are shown live.";
    refill(view, make("section", {}, make("p", {}, why), make("ul", {}, catalogue.journeys.map(journey => make("li", {}, journey.name + ": " + journey.steps.join(" → "))))));
    return;
  }
  const windows = [...new Set(runs.map(row => row.window))];
  if (!windows.includes(window)) window = windows[0];
  const here = runs.filter(row => row.window === window);
  const groups = [...new Set(here.map(row => row.grouping + "\n" + place(row)))];
  if (!groups.includes(group)) group = groups[0];
  const mine = here.filter(row => row.grouping + "\n" + place(row) === group);
  const set = change => value => {
    change(value);
    update(...last);
  };
  refill(view, make("form", { onsubmit: event => event.preventDefault() },
    choice("Window", windows.map(value => ({ value })), window, set(value => window = value), "journey-window"),
    choice("Of", groups.map(value => ({ value, text: value.split("\n")[1] })), group, set(value => group = value), "journey-group"),
    make("span", { class: "faint" }, "up to " + clock(metrics.watermark) + ", so far")), catalogue.journeys.map(journey => funnel(journey, mine)));
}

function funnel(journey, rows) {
  const of = (metric, label, stat = "value") => rows.find(row => row.metric === metric && row.label === label && row.stat === stat);
  const runs = of("journey_runs", journey.name);
  if (!runs) return make("section", {}, make("h2", {}, journey.name), make("p", {}, "No runs in this window."));
  const reached = journey.steps.map((step, at) => at === 0 ? { step, ratio: 1, n: runs.value } : { step, row: of("journey_step_ratio", journey.name + "/" + (at + 1)) });
  let before = null, worst = null;
  const items = reached.map(({ step, ratio, row, n }, at) => {
    const share = ratio ?? row?.value ?? 0, number_ = n ?? row?.numerator ?? 0;
    const fill = make("i");
    fill.style.width = 100 * share + "%";
    const lost = before === null ? null : before - number_;
    if (lost !== null && (worst === null || lost > worst.lost)) worst = { lost, from: journey.steps[at - 1], to: step };
    const text = count(number_) + " of " + count(runs.value) + ", " + number(share, "ratio") + (row?.lower !== undefined && row.lower !== null ? " (" + interval(row.lower, row.upper, "ratio") + ")" : "")
      + (lost === null ? "" : "; " + count(lost) + " of " + count(before) + " left before this step");
    before = number_;
    const name = row ? make("a", { href: explore(row), "data-key": "step " + journey.name + at }, at + 1 + ". " + step) : make("span", {}, at + 1 + ". " + step);
    return make("li", {}, make("div", {}, name, " ", make("small", {}, text)), make("div", { class: "bar", "aria-hidden": "true" }, fill));
  });
  const [median, long] = ["p50", "p90"].map(stat => of("journey_seconds", journey.name, stat));
  return make("section", {}, make("h2", {}, journey.name), make("p", { class: "faint" }, count(runs.value) + " runs, each within " + span(journey.within_ms / 1000)
    + (median ? "; completed in " + number(median.value, "seconds") + " (median), nine in ten in " + number(long?.value ?? median.value, "seconds") : "")
    + (worst && worst.lost > 0 ? ". Most are lost between " + worst.from + " and " + worst.to + "." : ".")), make("ol", { class: "funnel" }, items));
}
