// Small helpers for the document. Text is always set as text: names come from whoever sends events.

import { number } from "./format.js";

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

// Replaces what a node holds, but leaves the keyboard where it was and open what was open: both by data-key.
export function refill(node, ...children) {
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const open = new Map([...node.querySelectorAll("details[data-key]")].map(details => [details.dataset.key, details.open]));
  node.replaceChildren(...children.flat(Infinity).filter(Boolean));
  for (const details of node.querySelectorAll("details[data-key]")) if (open.has(details.dataset.key)) details.open = open.get(details.dataset.key);
  if (key) node.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

// A table that becomes one card a row on a narrow screen; its roles are said since such a display would lose them. Where it is still too wide it
// scrolls, by keyboard too. Cells are texts or nodes.
export function table(caption, heads, rows, { numbers = [], hidden = false } = {}) {
  const number = column => numbers.includes(column) ? "number" : null;
  const cell = (content, column) => column === 0 ? make("th", { scope: "row", role: "rowheader", class: number(column) }, content)
    : make("td", { role: "cell", class: number(column), "data-label": heads[column] }, make("div", {}, content));
  const head = heads.map((text, column) => make("th", { scope: "col", role: "columnheader", class: number(column) }, text));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption, "data-key": "table " + caption },
    make("table", { class: "stack", role: "table" }, make("caption", { class: hidden ? "unseen" : null }, caption), make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, head)),
      make("tbody", { role: "rowgroup" }, rows.map(row => make("tr", { role: "row" }, row.map(cell))))));
}

// A number as people read it, with what it is exactly.
export const exact = (value, unit) => make("data", { value: String(value) }, number(value, unit));

// A label with a choice; keeps the choice while it is still on offer.
export function choice(label, options, chosen, onchange, key) {
  const id = "choice-" + key;
  const select = make("select", { id, "data-key": id, onchange: event => onchange(event.target.value) });
  let group = null;
  for (const option of options) {
    if (option.group !== group?.label) group = option.group ? make("optgroup", { label: option.group }) : null;
    if (group && group.parentNode !== select) select.append(group);
    (group ?? select).append(make("option", { value: option.value, selected: option.value === chosen }, option.text ?? option.value));
  }
  select.value = chosen;
  return make("div", { class: "choice" }, make("label", { for: id }, label), select);
}
