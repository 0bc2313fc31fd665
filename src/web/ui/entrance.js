// What a link has brought, and what the rest of the page tells of accounts. The dialogs for it are in dialogs/accounts.js.

import { notify, store } from '../core/store.js';
import { accountWords } from '../words/index.js';
import { $ } from './dom.js';

/** Takes the code out of the page's address, so that it is in no history and on no screen. */
function takeCode() {
  const [, kind, code, room = ''] = /^#(setup|invite)=([\w-]+)(?:&room=([^&]+))?$/.exec(location.hash) ?? [];
  if (!kind) return null;
  history.replaceState(null, '', location.pathname + location.search);
  try {
    return { kind, code, room: decodeURIComponent(room) };
  } catch {
    return { kind, code, room: '' };
  }
}

export class Entrance {
  code = takeCode(); // { kind, code, room }, until it is used
  #isOffered = false;
  #tabs = new BroadcastChannel(`chat.v1 ${new URL('.', location.href).pathname}`);

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const { accounts, session } = this.app;
    $('#log-in').addEventListener('click', () => (this.code ? accounts.register() : accounts.login()));
    window.addEventListener('hashchange', () => {
      const code = takeCode();
      if (!code) return;
      this.code = code;
      this.#isOffered = false;
      this.welcomed();
    });
    this.#tabs.onmessage = () => store.role || session.reconnect();
  }

  /** There is a connection: the code of a link can be used now. */
  welcomed() {
    if (!this.code || this.#isOffered || store.link !== 'online') return;
    this.#isOffered = true;
    if (!store.role) return this.app.accounts.register();
    const { code, room } = this.code;
    this.code = null;
    if (room) this.app.router.enter(room, code);
    else notify(accountWords.spent(store.name));
  }

  /** A room is there: who is here for the first time is asked for a name. */
  entered() {
    if (!store.isNew || store.role || store.wish || this.code || store.link !== 'online') return;
    store.isNew = false;
    this.app.ask.welcome();
  }

  /** Other tabs of this browser are known, too, now. */
  tellTabs() { this.#tabs.postMessage('login'); }

  get words() { return this.code ? accountWords.makeAccount : accountWords.logIn; }
}
