// Requests to the host of the page, and to no other.

export async function ask(path) {
  const answer = await fetch("api/v1/" + path, { cache: "no-store" });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error ?? body.reason ?? "HTTP " + answer.status);
  return body;
}

export const history = question => ask("history?" + new URLSearchParams(question));

// The hash of the page: which view, and what is chosen in it.
export function where() {
  const [view, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { view: view || "overview", chosen: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

export const link = (view, chosen) => "#/" + view + "?" + new URLSearchParams(chosen);

// To where a number of a group is drawn over time.
export function explore(row) {
  const dimensions = Object.entries(row.dimensions).map(([name, value]) => [name, value ?? "__none__"]);
  const label = row.label === null || row.label === undefined ? {} : { label: row.label };
  return link("explore", { metric: row.metric, stat: row.stat ?? "value", window: row.window, grouping: row.grouping, ...label, ...Object.fromEntries(dimensions) });
}
