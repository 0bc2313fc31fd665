// What every part of the page needs of the browser: its language, elements, and writing only what differs.

/** The first of the browser's languages that is a language tag: under LANG=C or en_US.UTF-8 some browsers hand out just that. */
function languageTag() {
  for (const said of [navigator.language, ...Array.from(navigator.languages ?? [])]) {
    const tag = String(said ?? '').replace(/[.@][^]*$/, '').replaceAll('_', '-');
    try {
      if (Intl.DateTimeFormat.supportedLocalesOf(tag).length) return tag;
    } catch { /* not a tag */ }
  }
  return 'en';
}
export const LANGUAGE_TAG = languageTag();
export const LANGUAGE = /^ja\b/i.test(LANGUAGE_TAG) ? 'ja' : 'en';

export const $ = (selector) => document.querySelector(selector);
export const isText = (value) => typeof value === 'string';

/** An element with properties and children; strings among the children become text. */
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
