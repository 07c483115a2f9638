// Lines over time with their intervals, and the sample sizes below, by uPlot.

import { make } from "./dom.js";
import { clock, count, full, interval, number, place } from "./format.js";

const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3], [], [6, 3], [2, 3], [10, 3, 2, 3]];
const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const seconds = time => Date.parse(time) / 1000;

export const lineName = (line, grouping) => place({ dimensions: line.dimensions, grouping }) + (line.label ? " (" + line.label + ")" : "");

// Every time of any line, with a hole where a window was left out.
function times(series, size) {
  const all = [...new Set(series.flatMap(line => line.points.map(point => seconds(point.end))))].sort((a, b) => a - b);
  const holes = [];
  all.forEach((time, at) => {
    if (at && time - all[at - 1] > size * 1.01) holes.push((time + all[at - 1]) / 2);
  });
  return [...all, ...holes].sort((a, b) => a - b);
}

function aligned(series, x, pick) {
  return series.map(line => {
    const by = new Map(line.points.map(point => [seconds(point.end), pick(point)]));
    return x.map(time => by.get(time) ?? null);
  });
}

// A transparent version of a colour of the form #rrggbb.
const wash = hex => hex + "38";

const HOUR = 3600, DAY = 86400;
// Windows end on whole minutes at the least.
const STEPS = [60, 300, 600, 900, 1800, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 28 * DAY];
// Hours and minutes, and the date where it is another one than at the mark before.
function times24(_, marks, __, ___, step) {
  const text = mark => new Date(mark * 1000).toISOString();
  return marks.map((mark, at) => {
    const date = text(mark).slice(5, 10);
    if (step >= DAY) return date;
    return text(mark).slice(11, 16) + (at && text(marks[at - 1]).slice(5, 10) === date ? "" : "\n" + date);
  });
}

export function draw(node, answer, bound) {
  const { series, unit } = answer;
  const x = times(series, answer.window_ms / 1000);
  const width = Math.max(240, node.clientWidth), wide = width > 500;
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  const beside = { ...axis, size: wide ? 75 : 62 };
  const stroke = at => colour("s" + (at + 1));
  const alone = series.length === 1;
  const data = [x], lines = [{}], bands = [];
  for (const [at, values] of aligned(series, x, point => point.value).entries()) {
    lines.push({ stroke: stroke(at), width: 2, dash: DASHES[at], points: { size: 5, show: x.length < 60 } });
    data.push(values);
  }
  if (series.length <= 3) {
    const [upper, lower] = ["upper", "lower"].map(edge => aligned(series, x, point => point[edge]));
    for (const at of series.keys()) {
      if (upper[at].every(value => value === null)) continue;
      bands.push({ series: [data.length, data.length + 1], fill: wash(stroke(at)) });
      data.push(upper[at], lower[at]);
      lines.push({ width: 0, points: { show: false } }, { width: 0, points: { show: false } });
    }
  }
  if (bound !== null) {
    data.push(x.map(() => bound));
    lines.push({ stroke: colour("bad"), width: 1.5, dash: [8, 5], points: { show: false } });
  }
  const readout = make("p", { class: "faint readout", "aria-hidden": "true" });
  const read = at => {
    const time = at === null || at === undefined ? null : x[at];
    const parts = time === null ? [] : series.flatMap(line => {
      const point = line.points.find(point => seconds(point.end) === time);
      return point ? [(alone ? "" : lineName(line, answer.grouping) + " ") + number(point.value, unit) + (point.lower === null ? "" : " (" + interval(point.lower, point.upper, unit) + ")") + ", n " + count(point.n)] : [];
    });
    readout.textContent = parts.length ? clock(time * 1000, 0) + ": " + parts.join("; ") : "Point at the chart to read a window.";
  };
  read(null);
  const shared = { width, tzDate: time => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC"), legend: { show: false } };
  const cursor = { drag: { x: false, y: false }, sync: { key: "time" } };
  const top = { ...shared, height: wide ? 320 : 240, bands, series: lines, cursor, hooks: { setCursor: [chart => read(chart.cursor.idx)] },
    axes: [{ ...axis, values: times24, incrs: STEPS }, { ...beside, values: (_, values) => values.map(value => number(value, unit)) }] };
  const sizes = aligned(series, x, point => point.n);
  const most = Math.max(1, ...series.flatMap(line => line.points.map(point => point.n)));
  const below = { ...shared, height: 110, cursor, scales: { y: { range: [0, most * 1.1] } },
    series: [{}, ...series.map((_, at) => ({ stroke: stroke(at), width: 1.5, dash: DASHES[at], fill: alone ? wash(stroke(at)) : undefined, points: { show: false } }))],
    axes: [{ ...axis, values: times24, incrs: STEPS }, { ...beside, splits: () => [0, most], values: (_, values) => values.map(count) }] };
  const picture = (text, options, numbers) => {
    const box = make("div", { class: "chart", role: "img", "aria-label": text });
    new uPlot(options, numbers, box);
    return box;
  };
  const name = full(answer.metric, answer.stat) + " over time";
  node.replaceChildren(names(answer, stroke, bound === null ? null : "target: " + number(bound, unit)), picture(name + "; the same numbers are in the table below", top, data), readout,
    make("p", { class: "faint" }, "Sample size of each window (n)"), picture("Sample size over time; the same numbers are in the table below", below, [x, ...sizes]));
}

// Which line is whose.
function names(answer, stroke, target) {
  const entry = (text, colour, dash) => {
    const mark = make("i", { "aria-hidden": "true" });
    mark.style.borderTopColor = colour;
    mark.style.borderTopStyle = dash ? "dashed" : "solid";
    return make("li", {}, mark, text);
  };
  const all = answer.series.length > 1 ? answer.series.map((line, at) => entry(lineName(line, answer.grouping), stroke(at), DASHES[at].length)) : [];
  return make("ul", { class: "names" }, all, target && entry(target, colour("bad"), true));
}
