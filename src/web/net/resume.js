// The token by which a guest comes back as who it was, after a reload or on a new line. Each is good once, so this tab alone may
// have it: it lies in the tab's storage only while the page is not there, because a tab that is duplicated copies that.

const KEY = 'chat.v1.resume';

export class ResumeToken {
  #token = '';

  constructor() {
    this.#take();
    window.addEventListener('pagehide', () => this.#put());
    window.addEventListener('pageshow', () => this.#take());
    // A page in the background may be ended without a word.
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#put() : this.#take()));
  }

  get value() { return this.#token; }

  set value(token) {
    this.#token = token;
    if (document.hidden) this.#put();
  }

  #put() {
    try { sessionStorage.setItem(KEY, this.#token); } catch { /* private window: a reload is somebody new */ }
  }

  #take() {
    try {
      this.#token ||= sessionStorage.getItem(KEY) ?? '';
      sessionStorage.removeItem(KEY);
    } catch { /* nothing was kept */ }
  }
}
