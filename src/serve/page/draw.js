"use strict";

// Numbers in words, elements, and small charts.

const KEPT = 120; // polls, one a second
const at = (id) => document.getElementById(id);

// What was polled lately: { at, status }.
const past = [];

function bits(value) {
  if (value === null || value === undefined) return "–";
  return value < 1e6 ? `${Math.round(value / 1000)} kb/s` : `${(value / 1e6).toFixed(2)} Mb/s`;
}

function span(ms) {
  return ms === null || ms === undefined ? "–" : `${(ms / 1000).toFixed(2)} s`;
}

function hms(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

function rate(text) {
  const [num, den] = text.split("/").map(Number);
  return (num / (den || 1)).toFixed(2).replace(/\.?0+$/, "");
}

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Replaces what an element has only where that changes, so that what is selected or read out stays.
function fill(parent, children) {
  const same = parent.children.length === children.length && children.every((c, i) => c.isEqualNode(parent.children[i]));
  if (!same) parent.replaceChildren(...children);
}

// A count's growth a second between two polls, the second about five seconds after the first; `back` polls ago.
function growth(of, back = 0) {
  const end = past.length - 1 - back;
  const last = past[end];
  if (!last) return null;
  let begin = end;
  while (begin > 0 && last.at - past[begin - 1].at <= 5500) begin -= 1;
  const first = past[begin];
  const [from, to] = [of(first.status), of(last.status)];
  if (begin === end || from === null || from === undefined || to === null || to === undefined) return null;
  return Math.max(0, (to - from) / ((last.at - first.at) / 1000));
}

// The last two minutes of something, oldest first; null where it was not known.
const history = (of) => past.map((entry) => of(entry.status) ?? null);
const growths = (of) => past.map((_, i) => growth(of, past.length - 1 - i));

// A sparkline. `limit` is a line that it is held against; `from`, what its lower edge is.
function spark(values, { label, limit = null, top = 0, from = 0, over = false }) {
  const known = values.filter((v) => v !== null);
  const high = Math.max(top, limit ?? 0, ...known, from + 1e-9);
  const y = (v) => (27 - (25 * (v - from)) / (high - from)).toFixed(1);
  const points = values.map((v, i) => (v === null ? null : `${KEPT - values.length + i},${y(Math.max(v, from))}`)).filter(Boolean);
  const bad = over && limit !== null && known.length > 0 && known.at(-1) > limit;
  const svg = drawn("svg", { viewBox: `0 0 ${KEPT} 28`, preserveAspectRatio: "none", role: "img", class: bad ? "spark bad" : "spark" });
  const title = drawn("title", {});
  title.textContent = label;
  svg.append(title);
  if (limit !== null) svg.append(drawn("line", { x1: 0, x2: KEPT, y1: y(limit), y2: y(limit) }));
  if (points.length > 1) {
    const first = points[0].split(",")[0];
    svg.append(drawn("polygon", { points: `${first},28 ${points.join(" ")} ${KEPT - 1},28` }), drawn("polyline", { points: points.join(" ") }));
  }
  return svg;
}
