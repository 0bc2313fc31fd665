// Which rows of the log are in sight, and going from one to another by the keyboard.

import { actionOf } from '../../core/keymap.js';
import { $ } from '../dom.js';

/** The message that stands highest. */
export function firstInSight() {
  const top = $('#log').getBoundingClientRect().top;
  return [...$('#messages').children].find((node) => node.classList.contains('message') && node.getBoundingClientRect().bottom > top);
}

/** The id of the message that stands lowest; 0 for none. */
export function lastInSight() {
  const bottom = $('#log').getBoundingClientRect().bottom, rows = [...$('#messages').querySelectorAll('[data-id], [data-last]')];
  const row = rows.findLast((node) => node.getBoundingClientRect().bottom <= bottom + 1);
  return row ? Number(row.dataset.id ?? row.dataset.last) : 0;
}

/** Enter goes from the log to the menu of its newest message, the arrows to that of another, Escape back. */
export function stepMenus(event) {
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
