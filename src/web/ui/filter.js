// The filter of the members of a room. In a big room not all of them are listed: for the others the server is asked.

import { changed, current } from '../core/store.js';
import { $ } from './dom.js';

const FILTERING_MS = 150; // after the last key the server is asked

export class Filter {
  #timer = 0;

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const filter = $('#members-filter');
    filter.addEventListener('input', () => {
      changed('members');
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#seek(), FILTERING_MS);
    });
    filter.addEventListener('keydown', (event) => this.#onKey(event));
    this.#seek(); // what was typed before this was there
  }

  #seek() {
    const conv = current(), typed = $('#members-filter').value.trim();
    if (typed && conv?.kind === 'room' && conv.members.size < conv.total) this.app.parts.finding.members(conv, typed);
  }

  #onKey(event) {
    const first = $('#members button');
    if (event.isComposing || !['Escape', 'ArrowDown', 'Enter'].includes(event.key)) return;
    if (event.key !== 'Escape') return first?.focus();
    // Once for the filter, and then as everywhere.
    if (event.target.value) event.stopPropagation();
    event.target.value = '';
    changed('members');
  }
}
