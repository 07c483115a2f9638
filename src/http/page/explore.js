// Any metric over time with its interval, by whatever it is grouped by, with sample size.

import { history, link } from "./ask.js";
import { choice, exact, make, refill, table } from "./dom.js";
import { capital, clock, count, full, interval, place, stat as statName, title as named } from "./format.js";
import { draw, lineName } from "./chart.js";

export const title = "Explore";
export const needs = ["overview"];
const DEFAULTS = { metric: "task_success_ratio", grouping: "overall" };
const FIXED = ["metric", "stat", "window", "grouping", "label"];
let chosen = {}, parts = null, known = null, drawn = "", answer = null;

export function enter() {
  parts = null;
  drawn = "";
}

export function choose(values) {
  chosen = values;
  if (known && parts) refresh();
}

export function restyle() {
  if (parts && answer?.series.length) draw(parts.chart, answer, target());
}

export async function update(all, view) {
  known = all;
  if (!parts) {
    parts = { form: make("form", { "aria-label": "What is shown", onsubmit: event => event.preventDefault() }), about: make("div"), chart: make("div"), list: make("div") };
    view.replaceChildren(parts.form, make("section", {}, parts.about, parts.chart), parts.list);
    let width = 0;
    new ResizeObserver(entries => {
      const now = Math.round(entries[0].contentRect.width);
      if (now !== width) {
        width = now;
        restyle();
      }
    }).observe(parts.chart);
  }
  await refresh();
}

// What is chosen, completed by what there is.
function question() {
  const { catalogue } = known;
  const metric = catalogue.metrics.find(metric => metric.name === chosen.metric) ?? catalogue.metrics.find(metric => metric.name === DEFAULTS.metric);
  const carries = window => window.groupings.some(name => metric.groupings.includes(name));
  const windows = catalogue.windows.filter(carries);
  const window = windows.find(window => window.name === chosen.window) ?? windows.find(window => window.name === "1h" || window.size_ms === 3600000) ?? windows[0];
  const groupings = catalogue.groupings.filter(grouping => metric.groupings.includes(grouping.name) && window?.groupings.includes(grouping.name));
  const grouping = groupings.find(grouping => grouping.name === chosen.grouping) ?? groupings.find(grouping => grouping.name === DEFAULTS.grouping) ?? groupings[0];
  const stat = metric.stats.includes(chosen.stat) ? chosen.stat : metric.stats[0];
  const group = Object.fromEntries((grouping?.dimensions ?? []).filter(name => chosen[name] !== undefined).map(name => [name, chosen[name]]));
  const whole = grouping && Object.keys(group).length === grouping.dimensions.length;
  const label = metric.labels.length && chosen.label !== undefined ? { label: chosen.label } : {};
  return { metric, windows, window, groupings, grouping, stat, group: whole ? group : {}, label };
}

const go = changes => {
  const { metric, stat, window, grouping, group, label } = question();
  const now = { metric: metric.name, stat, window: window?.name, grouping: grouping?.name, ...label, ...group, ...changes };
  if (changes.metric || changes.grouping) for (const name of Object.keys(group)) delete now[name];
  if (changes.metric) delete now.label;
  const left = Object.entries(now).filter(([, value]) => value !== undefined && value !== null);
  location.replace(link("explore", Object.fromEntries(left)));
};

async function refresh() {
  const asked = question();
  const { metric, stat, window, grouping, group, label } = asked;
  if (!window || !grouping) {
    refill(parts.about, make("p", {}, "No window and grouping of this configuration carries " + metric.name + "."));
    return;
  }
  const query = { metric: metric.name, stat, window: window.name, grouping: grouping.name, ...label, ...group };
  const got = await history(query);
  const text = JSON.stringify([query, got, known.overview.no_report]);
  if (text === drawn || !parts) return;
  drawn = text;
  answer = got;
  form(asked);
  about(asked);
  if (got.series.length) draw(parts.chart, got, target());
  else parts.chart.replaceChildren();
  list();
}

function form({ metric, windows, window, groupings, grouping, stat, group, label }) {
  const none = value => value ?? "__none__";
  const keyOf = one => JSON.stringify([Object.entries(one.dimensions).map(([name, value]) => [name, none(value)]), one.label === null && !metric.labels.length ? undefined : none(one.label)]);
  const mine = answer.groups.find(one => Object.entries(one.dimensions).every(([name, value]) => group[name] === none(value)) && (!metric.labels.length || label.label === none(one.label)));
  const chooseGroup = value => {
    if (value === "") return go({ ...Object.fromEntries(grouping.dimensions.map(name => [name, null])), label: null });
    const [dimensions, label] = JSON.parse(value);
    go({ ...Object.fromEntries(dimensions), label });
  };
  const single = !grouping.dimensions.length && !metric.labels.length;
  refill(parts.form,
    choice("Metric", known.catalogue.metrics.map(one => ({ value: one.name, text: named(one.name), group: one.area })), metric.name, value => go({ metric: value, stat: null }), "metric"),
    metric.stats.length > 1 && choice("Number", metric.stats.map(value => ({ value, text: capital(statName(value)) })), stat, value => go({ stat: value }), "stat"),
    choice("Window", windows.map(one => ({ value: one.name })), window.name, value => go({ window: value }), "window"),
    choice("By", groupings.map(one => ({ value: one.name, text: one.name === "overall" ? "everything" : one.dimensions.join(" and ") })), grouping.name, value => go({ grouping: value }), "grouping"),
    !single && choice("Group", [{ value: "", text: "the largest ones" }, ...answer.groups.map(one => ({ value: keyOf(one), text: lineName(one, grouping.name) }))],
      mine && Object.keys(group).length === grouping.dimensions.length ? keyOf(mine) : "", chooseGroup, "group"));
}

// The target that is about exactly what is shown.
function target() {
  const { metric, stat, window, grouping, group } = question();
  const meant = known.overview.targets.find(target => target.metric === metric.name && target.stat === stat && target.window === window.name && target.grouping === grouping.name
    && Object.entries(target.where).every(([name, value]) => group[name] === value));
  return meant ? meant.at_least ?? meant.at_most : null;
}

function about({ metric, stat, window }) {
  const lines = answer.series;
  const newest = lines.length === 1 ? lines[0].points.at(-1) : null;
  const unit = answer.unit;
  const empty = known.overview.no_report ? capital(known.overview.no_report) + "." : answer.loading ? "The history is still being read from the tables."
    : "Nothing published yet for this choice. A window is published once the events have passed its end by the lateness, so the first " + window.name + " results take at least that long; "
      + "a metric without a single sample has no row.";
  refill(parts.about, make("h2", {}, full(metric.name, stat, lines.length === 1 ? lines[0].label : null) + (lines.length === 1 ? " of " + place({ ...lines[0], grouping: answer.grouping }) : "")),
    make("p", { class: "faint" }, metric.help + " Counted: " + metric.definition + "." + (metric.interval ? " The band is the interval: " + metric.interval + "." : " It has no interval.")),
    !lines.length && make("p", {}, empty),
    newest && make("p", {}, "Newest: ", exact(newest.value, unit), newest.lower === null ? "" : " (" + interval(newest.lower, newest.upper, unit) + ")",
      ", n " + count(newest.n) + ", of the " + window.name + " that ended " + clock(newest.end, answer.newest) + "."),
    answer.left_off > 0 && make("p", { class: "faint" }, "The " + lines.length + " largest of " + count(lines.length + answer.left_off) + " groups; choose one to see its interval and any other."));
}

function list() {
  const unit = answer.unit, several = answer.series.length > 1;
  const rows = answer.series.flatMap(line => line.points.map(point => ({ line, point }))).sort((a, b) => b.point.end.localeCompare(a.point.end)).slice(0, 500).map(({ line, point }) => {
    const cells = [clock(point.end, 0), exact(point.value, unit), interval(point.lower, point.upper, unit), count(point.n), point.revision ? String(point.revision) : ""];
    if (several) cells.splice(1, 0, lineName(line, answer.grouping));
    return cells;
  });
  const heads = ["Window ended", "Value", "Interval", "n", "Revision"];
  if (several) heads.splice(1, 0, "Group");
  const numbers = several ? [2, 3, 4, 5] : [1, 2, 3, 4];
  refill(parts.list, rows.length > 0 && make("section", {}, make("details", { "data-key": "list" }, make("summary", { "data-key": "list-summary" }, "The same numbers as a table"),
    table("Committed results, newest first, as in the table metrics", heads, rows, { numbers }))));
}
