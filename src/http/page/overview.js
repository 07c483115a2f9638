// Is it going well, what got worse, where, since when, and how sure are we.

import { explore } from "./ask.js";
import { choice, exact, make, refill, table } from "./dom.js";
import { capital, clock, count, full, interval, number, place, span, title as named } from "./format.js";

export const title = "Overview";
export const needs = ["overview", "metrics"];

// What a product is judged by at a glance; everything else is in the view to explore.
const UX = [["task_success_ratio", "value"], ["task_abandonment_ratio", "value"], ["task_error_ratio", "value"], ["time_on_task_seconds", "p50"], ["wait_seconds", "p95"],
  ["apdex_score", "value"], ["frustrated_user_ratio", "value"], ["crash_free_user_ratio", "value"], ["product_nps", "value"], ["active_users", "value"]];
const CX = [["nps", "value"], ["csat_ratio", "value"], ["ces_score", "value"], ["negative_feedback_ratio", "value"], ["contact_ratio", "value"], ["first_response_seconds", "p50"],
  ["first_contact_resolution_ratio", "value"], ["churn_ratio", "value"], ["conversion_ratio", "value"], ["average_order_value", "value"]];
const LINKS = [["friction_user_ratio", "value"], ["contact_friction_lift", "value"], ["churn_friction_lift", "value"], ["detractor_friction_lift", "value"]];
const VERDICTS = {
  met: ["good", "✓ met"], likely_met: ["good", "✓ met, narrowly: chance might explain it"], likely_missed: ["warn", "! missed, but chance might explain it"],
  missed: ["bad", "✗ missed"], few: ["", "too few samples to judge"],
};
// Changes that are shown at once.
const FIRST = 5;
let wanted = "1h", seen = "", last = null;

export function enter() {
  seen = "";
}

export function update(known, view) {
  const text = JSON.stringify([known.overview, known.metrics, known.status.ready, known.status.accepted > 0, wanted]);
  if (text === seen) return;
  seen = text;
  last = [known, view];
  const { overview, metrics, status, catalogue } = known;
  if (overview.no_report) {
    refill(view, section("No business metrics here", "", make("p", {}, capital(overview.no_report) + ".")));
    return;
  }
  const today = metrics.watermark ?? undefined;
  refill(view, verdict(overview, metrics, status, today), spikes(overview, metrics, catalogue, today), targets(overview, today), changes(overview, today), products(metrics));
}

function section(heading, kind, ...children) {
  return make("section", { class: kind || null }, make("h2", {}, heading), ...children);
}

const several = (n, one, more) => n === 1 ? "1 " + one : count(n) + " " + more;

// One sentence for whoever has no time, and one that says what it rests on.
function verdict(overview, metrics, status, today) {
  const groups = overview.targets.flatMap(target => target.groups);
  const of = name => groups.filter(group => group.verdict === name).length;
  const [missed, unsure, met, few] = [of("missed"), of("likely_missed"), of("met") + of("likely_met"), of("few")];
  const worse = overview.changes.worse;
  const bad = [missed && several(missed, "target is missed", "targets are missed"), overview.spikes.length && several(overview.spikes.length, "spike", "spikes")].filter(Boolean);
  const warn = [unsure && several(unsure, "target may be missed", "targets may be missed"), worse && several(worse, "number got worse", "numbers got worse")].filter(Boolean);
  let kind = "good", head = "✓ Going well";
  if (!metrics.rows.length) [kind, head] = ["", status.accepted ? "Too little data yet" : "No results yet"];
  else if (bad.length) [kind, head] = ["bad", "✗ Needs attention: " + [...bad, ...warn].join(", ")];
  else if (warn.length) [kind, head] = ["warn", "! Worth a look: " + warn.join(", ")];
  else if (!groups.length) head = "✓ Nothing stands out";
  else if (few === groups.length) [kind, head] = ["", "Too few samples to judge the targets yet"];
  const rests = [];
  if (groups.length) rests.push(met + " of " + groups.length + " targets met" + (few ? ", " + few + " with too few samples to tell" : ""));
  rests.push(overview.spikes.length ? "spikes below" : "no spikes");
  if (overview.changes.compared) rests.push(count(overview.changes.compared) + " numbers compared with the " + overview.changes.window + " before");
  const empty = status.accepted ? "Results appear as soon as a window holds a few facts. " + several(status.accepted, "event was", "events were") + " accepted so far."
    : "They appear with the first accepted events. If events are sent and none is accepted, the page Pipeline shows what becomes of them.";
  return make("section", { class: "verdict " + kind, "aria-label": "Verdict" }, make("p", {}, head),
    make("p", { class: "faint" }, metrics.rows.length ? capital(rests.join("; ")) + ". Results up to " + clock(metrics.watermark, today) + "." : empty),
    overview.loading && make("p", { class: "faint" }, "The history of before this start is still being read from the tables."));
}

function spikes(overview, metrics, catalogue, today) {
  if (!overview.spikes.length) return null;
  const items = overview.spikes.slice(0, 10).map(spike => make("li", {},
    make("a", { href: explore({ ...spike, stat: "value", label: null }), "data-key": "spike " + spike.metric + place(spike) }, named(spike.metric) + " in " + place(spike)),
    ": " + number(spike.now, "ratio") + " (" + count(spike.numerator) + " of " + count(spike.denominator) + ") in the last " + spike.window + " against " + number(spike.before, "ratio")
    + " in the " + span(spike.baseline_ms / 1000) + " before; " + number(spike.value, "difference") + ", almost surely " + interval(spike.lower, spike.upper, "difference")
    + (spike.since ? "; since " + clock(spike.since, today) : "; just now") + "."));
  return section("Spikes: worse than the recent past, beyond chance", "", make("ul", {}, items),
    overview.spikes.length > 10 && make("p", { class: "faint" }, "And " + (overview.spikes.length - 10) + " more."));
}

function targets(overview, today) {
  if (!overview.targets.length) {
    return section("Targets", "", make("p", {}, "None are configured. A target says what is good; each becomes a line here and an alert rule:"),
      make("pre", {}, "[[target]]\nmetric = \"task_success_ratio\"\nwindow = \"1h\"\ngrouping = \"product+task\"\nwhere = { task = \"checkout\" }\nat_least = 0.95"));
  }
  const all = overview.targets.flatMap(target => {
    const bound = target.at_least === undefined ? "at most " + number(target.at_most, target.unit) : "at least " + number(target.at_least, target.unit);
    const name = full(target.metric, target.stat) + " in " + target.window + ", " + bound;
    const lines = target.groups.slice(0, 6).map(group => {
      const [kind, text] = VERDICTS[group.verdict], at = { ...group, grouping: target.grouping };
      const to = explore({ ...target, dimensions: group.dimensions, label: group.label });
      return { verdict: group.verdict, row: [name, make("a", { href: to, "data-key": "target " + name + place(at) }, place(at) + (group.label ? " (" + group.label + ")" : "")),
        make("span", { class: "mark " + kind }, text), value(group, target.unit), clock(group.since, today)] };
    });
    if (!lines.length) lines.push({ verdict: "few", row: [name, place({ dimensions: target.where }), make("span", { class: "mark" }, "no data in this window"), "", ""] });
    if (target.groups.length > 6) lines.push({ verdict: "few", row: [name, "and " + (target.groups.length - 6) + " more groups", "", "", ""] });
    return lines;
  });
  // The worst first.
  const order = ["missed", "likely_missed", "likely_met", "met", "few"];
  const rows = all.sort((a, b) => order.indexOf(a.verdict) - order.indexOf(b.verdict)).map(line => line.row);
  return section("Targets", "", table("Targets and how they stand now", ["Target", "Where", "Verdict", "Now", "Since"], rows, { numbers: [3, 4], hidden: true }));
}

function value(row, unit) {
  const small = [interval(row.lower, row.upper, unit), row.n === row.value ? "" : "n " + count(row.n)].filter(Boolean).join(" · ");
  return [exact(row.value, unit), make("small", {}, small)];
}

function changes(overview, today) {
  const { found, compared, window, end, left_off } = overview.changes;
  if (!compared) {
    return section("What changed", "", make("p", {}, overview.loading ? "The history is still being read."
      : "Nothing to compare yet: this needs two whole windows one after the other, with at least 30 samples each."));
  }
  const rows = worse => found.filter(change => change.worse === worse).map(change => [
    make("a", { href: explore({ ...change, window }), "data-key": "change " + change.metric + place(change) }, full(change.metric, change.stat, change.label)),
    place(change), value(change.before, change.unit), value(change.now, change.unit), clock(change.since, today)]);
  const heads = ["What", "Where", "Before", "Now", "Since"];
  const part = (caption, list) => table(caption, heads, list, { numbers: [2, 3, 4] });
  const block = (caption, list) => !list.length ? make("p", { class: "faint" }, caption + ": nothing.") : [part(caption, list.slice(0, FIRST)),
    list.length > FIRST && make("details", { "data-key": caption }, make("summary", { "data-key": "summary " + caption }, (list.length - FIRST) + " more"), part(caption + ", the smaller ones", list.slice(FIRST)))];
  return section("What changed", "", make("p", { class: "faint" }, "The " + window + " up to " + clock(end, today) + " against the " + window + " before it, in every grouping of that window, where the two 95 % intervals do not meet: "
    + count(found.length + left_off) + " of " + count(compared) + " numbers. By chance alone about one in two hundred would be here."), block("Worse", rows(true)), block("Better", rows(false)),
    left_off > 0 && make("p", { class: "faint" }, "And " + count(left_off) + " more, smaller ones."));
}

// The interval as a band and the value as a mark, on the scale of all products: from 0 to the greatest bound, or what the unit allows.
function track(row, peers) {
  if (row.lower === null || row.upper === null) return null;
  const bounds = row.unit.match(/^points, (-?\d+) to (\d+)/);
  const least = bounds ? +bounds[1] : 0, most = bounds ? +bounds[2] : Math.max(...peers.map(peer => peer.upper ?? peer.value)) || 1;
  const at = value => Math.min(100, Math.max(0, 100 * (value - least) / (most - least)));
  const band = make("i"), mark = make("b");
  band.style.left = at(row.lower) + "%";
  band.style.width = at(row.upper) - at(row.lower) + "%";
  mark.style.left = at(row.value) + "%";
  return make("div", { class: "track", "aria-hidden": "true" }, band, mark);
}

function line(row, label, peers) {
  const alike = peers.filter(peer => peer.metric === row.metric && peer.stat === row.stat && peer.label === row.label);
  const to = make("a", { href: explore(row), title: row.help, "data-key": "number " + row.metric + row.stat + row.label + place(row) }, label);
  return [[to, track(row, alike)], value(row, row.unit)];
}

function block(heading, rows) {
  return [make("h3", {}, heading), rows.length ? make("table", {}, make("caption", { class: "unseen" }, heading), make("tbody", {},
    rows.map(([first, second]) => make("tr", {}, make("th", { scope: "row" }, first), make("td", { class: "number" }, second)))))
    : make("p", { class: "faint" }, "nothing in this window")];
}

function products(metrics) {
  if (!metrics.rows.length) return null;
  const windows = [...new Set(metrics.rows.map(row => row.window))];
  if (!windows.includes(wanted)) wanted = windows.includes("1h") ? "1h" : windows[0];
  const here = metrics.rows.filter(row => row.window === wanted);
  const peers = here.filter(row => row.grouping === "product"), all = here.filter(row => row.grouping === "overall");
  const names = [...new Set(peers.map(row => place(row)))].sort();
  const tasks = here.filter(row => row.grouping === "product+task" && row.metric === "task_success_ratio").sort((a, b) => a.value - b.value);
  const cards = (names.length ? names : ["everything"]).map(product => {
    const mine = names.length ? peers.filter(row => place(row) === product) : all;
    // Of many currencies, the two with the most purchases.
    const side = (heading, list) => block(heading, list.flatMap(([metric, stat]) => mine.filter(row => row.metric === metric && row.stat === stat)
      .sort((a, b) => b.n - a.n).slice(0, 2).map(row => line(row, full(metric, stat, row.label), names.length ? peers : all))));
    const worst = tasks.filter(row => names.length && (row.dimensions.product ?? "(none)") === product).slice(0, 6).map(row => line(row, row.dimensions.task ?? "(none)", tasks));
    return section(product, "", make("div", { class: "sides" }, make("div", {}, side("UX: how it works", UX)), make("div", {}, side("CX: what they make of it", CX)),
      make("div", {}, side("UX to CX: what goes with friction", LINKS), worst.length ? block("Task success, the lowest first", worst) : [])));
  });
  const choose = value => {
    wanted = value;
    if (last) update(...last);
  };
  const span = here[0];
  return [make("form", { onsubmit: event => event.preventDefault() }, choice("Window", windows.map(value => ({ value })), wanted, choose, "window"),
    span && make("span", { class: "faint" }, clock(span.window_start, metrics.watermark) + " to " + clock(span.window_end, metrics.watermark) + ", so far")), ...cards];
}
