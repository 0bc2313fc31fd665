// Keys that work everywhere in the page, and what the window tells.

import { actionOf, isWriting } from '../core/keymap.js';
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
      this.app.log.comeBack();
      changed();
    });
    // A page in the back/forward cache keeps its WebSocket, and so the name and the place in the rooms.
    window.addEventListener('pagehide', (event) => session.pause(event.persisted));
    window.addEventListener('pageshow', () => session.resume());
    window.addEventListener('online', () => session.nudge());
    window.addEventListener('focus', () => {
      this.app.log.comeBack();
      changed();
    });
    window.addEventListener('beforeunload', (event) => { if (store.outbox.some((item) => item.state !== 'failed')) event.preventDefault(); });
    setInterval(() => this.#everyMinute(), 60_000);
  }

  /** "Today" turns into "yesterday", and who was here may be no more. */
  #everyMinute() {
    const conv = current();
    if (conv && !document.hidden) this.app.session.lists.refreshMembers(conv);
    changed();
  }

  #onKey(event) {
    if (document.querySelector('dialog[open]')) return;
    switch (actionOf(event, 'page')) {
      case 'step':
        event.preventDefault();
        return this.app.router.step(event.key === 'ArrowUp' ? -1 : 1);
      case 'rooms':
        event.preventDefault();
        return this.app.parts.switcher.open();
      case 'close': return this.#close();
      default:
        // What is written goes into the message box, wherever a click has left the focus.
        if (isWriting(event) && !event.target.closest('input, textarea, select') && !this.app.layout.drawer) $('#composer').focus({ preventScroll: true });
    }
  }

  #close() {
    const { later, layout, log, notice } = this.app;
    later.drop();
    if (layout.drawer) return layout.slide('');
    if (store.notice) notice.dismiss();
    else log.toLatest();
    $('#composer').focus();
  }
}
