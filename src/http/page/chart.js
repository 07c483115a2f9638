// Lines over time with their intervals, and the sample sizes below, by uPlot.

import { make } from "./dom.js";
import { clock, count, full, number, place } from "./format.js";

const DASHES = [[], [6, 3], [2, 3], [10, 3, 2, 3], [], [6, 3], [2, 3], [10, 3, 2, 3]];
const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
const seconds = time => Date.parse(time) / 1000;

export const lineName = line => (place(line.dimensions) + (line.label ? " (" + line.label + ")" : ""));

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

export function draw(node, answer, bound) {
  const { series, unit } = answer;
  const x = times(series, answer.window_ms / 1000);
  const width = Math.max(260, node.clientWidth);
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
  const banded = series.length <= 3;
  const data = [x], lines = [{ label: "time", value: (_, at) => at === null ? "" : clock(at * 1000, 0) }], bands = [];
  aligned(series, x, point => point.value).forEach((values, at) => {
    const stroke = colour("s" + (at + 1));
    lines.push({ label: lineName(series[at]), stroke, width: 2, dash: DASHES[at], points: { size: 5, show: x.length < 60 },
      value: (_, value) => value === null ? "" : number(value, unit) });
    data.push(values);
  });
  if (banded) {
    const edges = ["upper", "lower"].map(edge => aligned(series, x, point => point[edge]));
    series.forEach((_, at) => {
      if (edges[0][at].every(value => value === null)) return;
      const from = data.length;
      data.push(edges[0][at], edges[1][at]);
      lines.push(...["upper", "lower"].map(edge => ({ label: edge, width: 0, points: { show: false }, value: (_, value) => value === null ? "" : number(value, unit) })));
      bands.push({ series: [from, from + 1], fill: wash(colour("s" + (at + 1))) });
    });
  }
  if (bound !== null && bound !== undefined) {
    data.push(x.map(() => bound));
    lines.push({ label: "target", stroke: colour("bad"), width: 1.5, dash: [8, 5], points: { show: false }, value: () => number(bound, unit) });
  }
  const wide = width > 500;
  const scales = { x: { time: true } };
  const tzDate = time => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC");
  const top = { width, height: wide ? 320 : 240, tzDate, scales, bands, series: lines, legend: { live: wide }, cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis }, { ...axis, size: wide ? 75 : 62, values: (_, values) => values.map(value => number(value, unit)) }] };
  const sizes = aligned(series, x, point => point.n);
  const below = { width, height: 110, tzDate, scales: { ...scales, y: { range: (_, __, most) => [0, (most || 1) * 1.1] } }, legend: { show: false }, cursor: { drag: { x: false, y: false } },
    series: [{}, ...series.map((line, at) => ({ label: lineName(line), stroke: colour("s" + (at + 1)), width: 1.5, dash: DASHES[at], fill: series.length === 1 ? wash(colour("s1")) : undefined, points: { show: false } }))],
    axes: [{ ...axis }, { ...axis, size: wide ? 75 : 62, values: (_, values) => values.map(value => Number.isInteger(value) ? count(value) : "") }] };
  const name = full(answer.metric, answer.stat) + " over time";
  const picture = (text, options, numbers) => {
    const box = make("div", { class: "chart", role: "img", "aria-label": text });
    new uPlot(options, numbers, box);
    return box;
  };
  node.replaceChildren(picture(name + "; the same numbers are in the table below", top, data), make("p", { class: "faint" }, "Sample size of each window (n)"),
    picture("Sample size over time; the same numbers are in the table below", below, [x, ...sizes]));
}
