// How this browser shows the page: what dialogs/settings.js lets people choose.

import { changed, store } from '../core/store.js';
import { setHours } from '../core/time.js';
import { $ } from './dom.js';

export class Settings {
  #applied = '';

  /** Also of what has been drawn already. */
  apply() {
    const all = JSON.stringify(store.settings);
    if (all === this.#applied) return;
    this.#applied = all;
    const { theme, density, hours } = store.settings, { dataset } = document.documentElement;
    Object.assign(dataset, { theme, density });
    for (const meta of /** @type {NodeListOf<HTMLMetaElement>} */ (document.querySelectorAll('meta[data-scheme]'))) {
      const { scheme } = meta.dataset;
      meta.media = theme ? (theme === scheme ? 'all' : 'not all') : `(prefers-color-scheme: ${scheme})`;
    }
    setHours(hours);
    $('#messages').replaceChildren();
    changed();
  }
}
