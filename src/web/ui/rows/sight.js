// Which rows of the log are in sight.

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
