// Numbers, names and times as people read them.

const TITLES = {
  nps: "NPS of the brand", product_nps: "NPS of the product", touchpoint_nps: "NPS of the touchpoint", csat_ratio: "Satisfied (CSAT 4-5)",
  csat_score: "CSAT, mean", ces_score: "Ease (CES 1-7)", ces_low_effort_ratio: "Low effort (CES 5-7)", sus_score: "Usability (SUS)", seq_score: "Ease of the task (SEQ)",
  task_success_ratio: "Task success", task_failure_ratio: "Tasks failed", task_abandonment_ratio: "Tasks abandoned", task_error_ratio: "Attempts with errors",
  time_on_task_seconds: "Time on task", wait_seconds: "Wait", frustrated_user_ratio: "Frustrated users", crash_free_user_ratio: "Crash-free users",
  contact_ratio: "Users who needed support", churn_ratio: "Churned", conversion_ratio: "Converted", friction_user_ratio: "Users with friction",
  contact_friction_lift: "Support: friction / calm", churn_friction_lift: "Churn: friction / calm", detractor_friction_lift: "Detractors: friction / calm",
  first_response_seconds: "First response", first_contact_resolution_ratio: "Solved at first contact", negative_feedback_ratio: "Negative feedback",
};
const STATS = { p50: "median", p75: "75th percentile", p90: "90th percentile", p95: "95th percentile", p99: "99th percentile", mean: "mean", geomean: "geometric mean" };

export const title = metric => TITLES[metric] ?? capital(metric.replace(/_(ratio|seconds)$/, "").replaceAll("_", " "));
export const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
export const full = (metric, stat, label) => title(metric) + (stat && stat !== "value" ? ", " + (STATS[stat] ?? stat) : "") + (label ? " (" + label + ")" : "");
export const stat = name => STATS[name] ?? name;
export const count = n => n.toLocaleString("en");
// The values of a group in the order of its grouping.
export function place({ dimensions, grouping }) {
  const order = (grouping ?? "").split("+");
  const entries = Object.entries(dimensions).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  return entries.map(([, value]) => value ?? "(none)").join(" / ") || "everything";
}

export function number(value, unit) {
  if (value === null || value === undefined) return "";
  if (unit.startsWith("ratio")) return (100 * value).toFixed(1) + "\u00a0%";
  if (unit.startsWith("difference")) return (value < 0 ? "−" : "+") + (100 * Math.abs(value)).toFixed(1) + " points";
  if (unit.startsWith("seconds")) return span(value);
  if (unit.startsWith("points")) return value.toFixed(unit.includes("100") ? 1 : 2);
  if (unit.startsWith("factor")) return "× " + value.toPrecision(3);
  if (Number.isInteger(value)) return count(value);
  return Math.abs(value) >= 1000 ? value.toLocaleString("en", { maximumFractionDigits: 1 }) : String(+value.toPrecision(3));
}

export function interval(lower, upper, unit) {
  if (lower === null || upper === null || lower === undefined || upper === undefined) return "";
  const [from, to] = [number(lower, unit), number(upper, unit)];
  if (unit.startsWith("ratio")) return from.replace("\u00a0%", "") + " to " + to;
  if (unit.startsWith("difference")) return from.replace(" points", "") + " to " + to;
  return from + " to " + (unit.startsWith("factor") ? to.replace("× ", "") : to);
}

export function span(seconds) {
  if (seconds < 1) return Math.round(1000 * seconds) + "\u00a0ms";
  if (seconds < 60) return +seconds.toPrecision(3) + "\u00a0s";
  if (seconds < 5400) return +(seconds / 60).toFixed(1) + "\u00a0min";
  return seconds < 172800 ? +(seconds / 3600).toFixed(1) + "\u00a0h" : +(seconds / 86400).toFixed(1) + " days";
}

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit += 1) n /= 1024;
  return unit ? n.toFixed(1) + " " + units[unit] : n + " B";
}

const iso = time => typeof time === "number" ? new Date(time).toISOString() : time;
// The day is only said where it is not the day of `today`, or of the clock.
export function clock(time, today = Date.now()) {
  if (time === null || time === undefined) return "";
  const text = iso(time);
  return (text.slice(0, 10) === iso(today).slice(0, 10) ? "" : text.slice(0, 10) + " ") + text.slice(11, 16);
}
export const second = time => time === null || time === undefined ? "none yet" : iso(time).slice(0, 19).replace("T", " ");
export const ago = ms => ms === null || ms === undefined ? "none yet" : span(Math.max(0, Math.round((Date.now() - ms) / 1000))) + " ago";
