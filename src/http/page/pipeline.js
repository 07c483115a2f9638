// Is the pipeline itself well.

import { make, refill, table } from "./dom.js";
import { ago, bytes, capital, count, second, span } from "./format.js";

export const title = "Pipeline";
export const needs = [];
const sum = list => list.reduce((a, b) => a + b, 0);

const REASONS = {
  empty: "no value", too_large: "larger than limits.max_record_bytes", not_json: "not one JSON object", missing_field: "a required field is missing", invalid_field: "a field has the wrong type or range",
  unknown_type: "type is none of the contract's", bad_time: "time cannot be read", future_time: "time is ahead of the record's timestamp",
};

export function update({ status }, view) {
  const known = status.partitions.filter(partition => partition.lag !== null), lag = sum(known.map(partition => partition.lag));
  const rejected = sum(Object.values(status.rejected)), held = status.partitions.find(partition => partition.holds_watermark);
  const facts = {
    "State": status.ready ? (status.caught_up ? "ready, caught up" : "ready, catching up") : "not ready",
    "Lag": known.length ? count(lag) + " records" : "unknown",
    "Watermark": status.watermark_ms === null ? "no events yet" : second(status.watermark_ms),
    "Held back by": held ? held.topic + "[" + held.partition + "]" : "nobody",
    "Last commit": ago(status.last_commit_ms), "Commits failed": count(status.commit_failures),
    "Accepted": count(status.accepted), "Rejected": count(rejected), "Late": count(status.late), "Duplicate": count(status.duplicate),
    "Windows published": count(status.windows_published), "Up for": span(Math.max(0, Date.now() - status.started_ms) / 1000) };
  refill(view,
    status.no_report && section("One of several processes", make("p", {}, capital(status.no_report) + ".")),
    section("How it stands", status.reason && make("p", { class: "mark bad" }, status.reason), pairs(facts),
      make("p", { class: "faint" }, "Counts are of this process since it took its partitions over. Committed by all processes since the beginning: " + count(status.committed.records) + " records, "
        + count(status.committed.accepted) + " accepted, " + count(sum(Object.values(status.committed.rejected))) + " rejected, " + count(status.committed.late) + " late, " + count(status.committed.duplicate) + " duplicate.")),
    section("Partitions", status.partitions.length ? table("Partitions that this process reads", ["Partition", "Position", "Lag", "Watermark", "State"],
      status.partitions.map(partition => [partition.topic + "[" + partition.partition + "]", count(partition.position), partition.lag === null ? "unknown" : count(partition.lag),
        partition.watermark_ms === null ? "no events yet" : second(partition.watermark_ms),
        [partition.idle && "idle", partition.waiting && "waiting for others", partition.holds_watermark && "holds the watermark"].filter(Boolean).join(", ") || "reading"]), { numbers: [1, 2], hidden: true })
      : make("p", {}, "None yet: the consumer group has not assigned any.")),
    section("Rejected records", rejects(status, rejected)),
    section("Late and duplicate events", make("p", {}, count(status.late) + " late: their time is more than time.lateness before what their partition had seen; they are kept in the table late. "
      + count(status.duplicate) + " duplicate: their event_id was there already.")),
    section("Commits", status.last_commits.length ? table("The newest commits of this process", ["At", "Took", "Records", "Files", "Rows"],
      status.last_commits.map(commit => [second(commit.at_ms), span(commit.seconds), count(commit.records), count(commit.files), count(commit.rows)]), { numbers: [1, 2, 3, 4], hidden: true })
      : make("p", {}, "None yet. Results appear here before: they do not wait for commits.")),
    section("Bounds and oddities", pairs({ ...counts("at the bound ", status.limit_reached), ...counts("", status.tracker_outcomes), "beyond the revision horizon": count(status.beyond_horizon),
      "unknown fields": count(status.unknown_fields), "gaps recorded": count(status.gaps), "rows revised": count(status.revisions) })),
    section("Memory", pairs(Object.fromEntries(Object.entries(status.state_bytes).map(([part, size]) => [part.replaceAll("_", " "), bytes(size)])))));
}

const counts = (before, of) => Object.fromEntries(Object.entries(of).map(([name, n]) => [before + name, count(n)]));
const section = (heading, ...children) => make("section", {}, make("h2", {}, heading), ...children);
const pairs = facts => make("dl", {}, Object.entries(facts).map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text))));

function rejects(status, rejected) {
  if (!rejected) return make("p", {}, "None since this process took its partitions over.");
  const reasons = table("Why", ["Reason", "What it means", "Records"], Object.entries(status.rejected).map(([reason, n]) => [reason, REASONS[reason] ?? "", count(n)]), { numbers: [2] });
  const examples = status.rejected_examples.map(one => [one.topic + "[" + one.partition + "] offset " + one.offset, one.reason, one.field ?? "", one.detail]);
  return [reasons, examples.length ? table("The newest examples; the table rejects has every one with its bytes", ["Record", "Reason", "Field", "What was found"], examples) : null];
}
