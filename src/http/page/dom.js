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

// A table that scrolls by itself on a narrow screen, and by keyboard. Cells are texts, nodes, or { node, class } objects.
export function table(caption, heads, rows, { numbers = [], hidden = false } = {}) {
  const cell = (content, column) => {
    const tag = column === 0 ? "th" : "td";
    return make(tag, { scope: column === 0 ? "row" : null, class: numbers.includes(column) ? "number" : null }, content);
  };
  const head = heads.map((text, column) => make("th", { scope: "col", class: numbers.includes(column) ? "number" : null }, text));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption, "data-key": "table " + caption },
    make("table", {}, make("caption", { class: hidden ? "unseen" : null }, caption), make("thead", {}, make("tr", {}, head)),
      make("tbody", {}, rows.map(row => make("tr", {}, row.map(cell))))));
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
