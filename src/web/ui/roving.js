// A list is one stop of the Tab key; in it, the arrows go from entry to entry.

import { actionOf } from '../core/keymap.js';

const entriesOf = (list) => [...list.querySelectorAll(':scope > li > button:first-child')];

/** Where the Tab key stops: at the entry that had the focus last, or that is current, or at the first one. */
export function rove(list) {
  const entries = entriesOf(list);
  const stop = entries.find((entry) => entry === list.ownerDocument.activeElement) ?? entries.find((entry) => entry.hasAttribute('aria-current'))
    ?? entries.find((entry) => entry.tabIndex === 0) ?? entries[0];
  for (const entry of entries) for (const button of entry.parentElement.children) {
    const index = entry === stop ? 0 : -1;
    if (button.tabIndex !== index) button.tabIndex = index;
  }
}

export function listenRoving(list) {
  list.addEventListener('keydown', (event) => {
    if (actionOf(event, 'list') !== 'list') return;
    const entries = entriesOf(list), at = entries.indexOf(event.target.closest('li')?.firstElementChild);
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: entries.length - 1 }[event.key] ?? at;
    event.preventDefault();
    if (!entries[to]) return;
    entries[to].focus();
    rove(list);
  });
  list.addEventListener('focusin', () => rove(list));
}
