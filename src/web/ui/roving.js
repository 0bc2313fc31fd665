// A list is one stop of the Tab key; in it, the arrows go from entry to entry, and in the log from menu to menu.

import { actionOf } from '../core/keymap.js';
import { $ } from './dom.js';

const ROVED = ['#rooms', '#directs', '#members'];

const entriesOf = (list) => [...list.querySelectorAll(':scope > li > button:first-child')];

/** Where the Tab key stops: at the entry that had the focus last, or that is current, or at the first one. */
function rove(list) {
  const entries = entriesOf(list);
  const stop = entries.find((entry) => entry === list.ownerDocument.activeElement) ?? entries.find((entry) => entry.hasAttribute('aria-current'))
    ?? entries.find((entry) => entry.tabIndex === 0) ?? entries[0];
  for (const entry of entries) for (const button of entry.parentElement.children) {
    const index = entry === stop ? 0 : -1;
    if (button.tabIndex !== index) button.tabIndex = index;
  }
}

function listenTo(list) {
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

/** Enter goes from the log to the menu of its newest message, the arrows to that of another, Escape back. */
function stepMenus(event) {
  const at = event.target.closest('.more'), log = $('#log');
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const all = [...log.querySelectorAll('.more')], by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const next = event.target === log && actionOf(event, 'log') === 'menu' ? all.at(-1) : at && by ? all[all.indexOf(at) + by] : null;
  if (at && event.key === 'Escape') {
    event.stopPropagation();
    log.focus();
  } else if (next) {
    event.preventDefault();
    next.focus();
  }
}

export class Roving {
  listen() {
    for (const list of ROVED) listenTo($(list));
    $('#log').addEventListener('keydown', stepMenus);
    this.draw(...ROVED);
  }

  draw(...lists) { for (const list of lists) rove($(list)); }
}
