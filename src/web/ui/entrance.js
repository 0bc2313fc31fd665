// What a link has brought, and what the rest of the page tells of accounts. The dialogs for it are in dialogs/accounts.js.

import { current, notify, store } from '../core/store.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { takeCode } from './code.js';
import { $ } from './dom.js';

export class Entrance {
  #isOffered = false;
  #tabs = new BroadcastChannel(`chat.v1 ${new URL('.', location.href).pathname}`);

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    window.addEventListener('hashchange', () => {
      const code = takeCode();
      if (!code) return;
      store.code = code;
      this.#isOffered = false;
      this.welcomed();
    });
    this.#tabs.onmessage = () => store.role || this.app.session.reconnect();
  }

  /** There is a connection: the code of a link can be used now. */
  welcomed() {
    if (!store.code || this.#isOffered || store.link !== 'online') return;
    this.#isOffered = true;
    if (!store.role) return this.app.parts.accounts.register();
    const { code, room } = store.code;
    store.code = null;
    if (room) this.app.router.enter(room, code);
    else notify(accountWords.spent(store.name));
  }

  /** A room is there: who is here for the first time is asked for a name. */
  entered() {
    if (!store.isNew || store.role || store.wish || store.code || store.link !== 'online') return;
    store.isNew = false;
    const { ask } = this.app.parts;
    // The keys of who is writing already would go on in the dialog: half a sentence would be a name.
    if (!this.#isWriting()) return ask.welcome();
    notify(t.welcomeOffer, false, [[t.chooseName, () => ask.welcome()], [peopleWords.notNow, () => {}]]);
  }

  #isWriting() {
    return $('#composer').value !== '' || store.outbox.length > 0 || (current()?.entries.some(({ own }) => own) ?? false);
  }

  /** Other tabs of this browser are known, too, now. */
  tellTabs() { this.#tabs.postMessage('login'); }

  /** To an account, by the way that there is. */
  comeIn() { (store.code ? this.app.parts.accounts.register() : this.app.parts.accounts.login()); }
}
