// Keys that work everywhere in the page, and what the window tells.

import { changed, current, store } from '../core/store.js';
import { $ } from './dom.js';

export class Keys {
  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const { session } = this.app;
    document.addEventListener('keydown', (event) => this.#onKey(event));
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      session.nudge();
      changed();
    });
    // A page in the back/forward cache keeps its WebSocket, and so the name and the place in the rooms.
    window.addEventListener('pagehide', (event) => session.pause(event.persisted));
    window.addEventListener('pageshow', () => session.resume());
    window.addEventListener('online', () => session.nudge());
    window.addEventListener('focus', changed);
    window.addEventListener('beforeunload', (event) => { if (store.outbox.some((item) => item.state !== 'failed')) event.preventDefault(); });
    setInterval(() => this.#everyMinute(), 60_000);
    this.#listenDialogs();
  }

  /** "Today" turns into "yesterday", and who was here may be no more. */
  #everyMinute() {
    const conv = current();
    if (conv && !document.hidden) this.app.session.lists.refreshMembers(conv);
    changed();
  }

  /** A click beside a dialog closes it. */
  #listenDialogs() {
    for (const dialog of document.querySelectorAll('dialog')) {
      let pressed = null; // a text that is selected to beyond the edge is no click beside the dialog
      dialog.addEventListener('pointerdown', (event) => { pressed = event.target; });
      dialog.addEventListener('click', (event) => {
        const at = /** @type {Element} */ (event.target);
        if ((at === dialog && pressed === dialog) || at.closest('[data-close]')) dialog.close();
      });
    }
  }

  #onKey(event) {
    const { layout, router, switcher } = this.app;
    if (document.querySelector('dialog[open]') || event.isComposing) return;
    if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      event.preventDefault();
      router.step(event.key === 'ArrowUp' ? -1 : 1);
    } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      switcher.open();
    } else if (event.key === 'Escape') {
      if (layout.drawer) return layout.slide('');
      if (store.notice) this.app.notice.dismiss();
      else this.app.log.toLatest();
      $('#composer').focus();
    }
  }
}
