// The token by which a guest comes back as who it was: after a reload, on a new line, or when the page is opened again. Each is
// good once, so it lies where it is found only while the page is not there to use it.

import { store } from '../core/store.js';

const KEY = 'chat.v1.resume';

/**
 * Tabs that share a line, where there are locks, are one person, and so is the next one that is opened. Elsewhere each tab is
 * somebody by itself, and a tab that is duplicated copies what it keeps.
 */
const isShared = () => Boolean(navigator.locks);
const storage = () => (isShared() ? window.localStorage : window.sessionStorage);
/** Of this line alone: what is in front of the token. */
const owner = () => (isShared() ? `${store.line} ` : '');

export class ResumeToken {
  #token = '';

  constructor() {
    window.addEventListener('pagehide', () => this.#put());
    window.addEventListener('pageshow', () => this.#take());
    // A page in the background may be ended without a word.
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#put() : this.#take()));
  }

  get value() {
    if (!this.#token) this.#take();
    return this.#token;
  }

  set value(token) {
    this.#token = token;
    if (document.hidden) this.#put();
  }

  #put() {
    try { if (this.#token) storage().setItem(KEY, owner() + this.#token); } catch { /* private window: a reload is somebody new */ }
  }

  #take() {
    try {
      const kept = storage().getItem(KEY) ?? '';
      if (!kept.startsWith(owner())) return;
      this.#token ||= kept.slice(owner().length);
      storage().removeItem(KEY);
    } catch { /* nothing was kept */ }
  }
}
