// What every part of the page needs of the browser: elements, and writing only what differs.

import { hueOf, initials } from '../core/names.js';

/** The element that fits a selector. @returns {any} */
export const $ = (selector) => document.querySelector(selector);

/** An element with properties and children; strings among the children become text. @returns {any} */
export function el(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** A picture of the page's own: one of the symbols of index.html. */
export function iconOf(id) {
  const make = (tag) => document.createElementNS('http://www.w3.org/2000/svg', tag), svg = make('svg'), use = make('use');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `#${id}`);
  svg.append(use);
  return svg;
}

/** Writes only what differs, so that nothing is announced, restyled or unselected for no reason. */
export function setText(node, text) { if (node.textContent !== text) node.textContent = text; }
export function setLabel(node, text) {
  if (node.title !== text) node.title = text;
  if (node.getAttribute('aria-label') !== text) node.setAttribute('aria-label', text);
}
export function setHidden(node, hidden) { if (node.hidden !== hidden) node.hidden = hidden; }

const rowKeys = new WeakMap();
/** The key of the row that a node is of. */
export const rowKeyOf = (node) => rowKeys.get(node);

/** Makes the children of `parent` match `rows` (each with a `key`), keeping the nodes of rows that stay. */
export function reconcile(parent, rows, make, update) {
  const wanted = new Set(rows.map((row) => row.key)), nodes = new Map();
  for (const node of [...parent.children]) {
    if (wanted.has(rowKeys.get(node))) nodes.set(rowKeys.get(node), node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const row of rows) {
    let node = nodes.get(row.key);
    if (!node) rowKeys.set(node = make(row), row.key);
    update(node, row);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

const FACES_KEPT = 1000;
const faces = new Map(); // name -> { letters, hue }
const drawn = new WeakMap(); // node -> name

/** Somebody: two letters and a colour of their own, worked out once. */
function faceOf(name) {
  let face = faces.get(name);
  if (!face) {
    if (faces.size >= FACES_KEPT) faces.clear();
    faces.set(name, face = { letters: initials(name), hue: String(hueOf(name)) });
  }
  return face;
}

export function drawAvatar(node, name) {
  if (drawn.get(node) === name) return;
  drawn.set(node, name);
  node.dataset.letters = faceOf(name).letters; // a picture, and no text
  drawHue(node, name);
}

export function drawHue(node, name) { node.style.setProperty('--hue', faceOf(name).hue); }

/** A lock in place of the sign of a room that not everybody with an account may enter. */
export function drawMark(mark, { entry }) {
  const icon = isLocked(entry) ? 'i-lock' : '';
  if (mark.dataset.icon === icon) return;
  mark.dataset.icon = icon;
  mark.replaceChildren(icon ? iconOf(icon) : '#');
}

export const isLocked = (entry) => entry === 'ask' || entry === 'invited';
