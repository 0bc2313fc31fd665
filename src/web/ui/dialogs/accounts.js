// Ways to an account: links with a code, logging in, making one. What people do with theirs is in account-menu.js.

import { notify, store } from '../../core/store.js';
import { accountWords as words } from '../../words/index.js';
import { $, el } from '../dom.js';
import { AccountMenu, wordsOf } from './account-menu.js';
import { Views } from './views.js';

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

/** What this browser is called in the list of sessions. */
function browserLabel() {
  const agent = navigator.userAgent;
  const find = (pairs) => pairs.find(([, pattern]) => pattern.test(agent))?.[0];
  const browser = find([['Edge', /\bEdg/], ['Opera', /\bOPR\//], ['Firefox', /\b(Firefox|FxiOS)\//], ['Chrome', /(Chrome|CriOS)\//], ['Safari', /\bSafari\//]]);
  const system = find([['Android', /\bAndroid\b/], ['iPhone', /\biPhone\b/], ['iPad', /\biPad\b/], ['Windows', /\bWindows\b/], ['macOS', /\bMac OS X\b/], ['ChromeOS', /\bCrOS\b/], ['Linux', /\bLinux\b/]]);
  return [browser ?? 'Browser', system].filter(Boolean).join(' on ');
}

export class Accounts {
  #dialog;
  #code = takeCode(); // { kind, code, room }: what a link has brought, until it is used
  #isOffered = false;
  #tabs = new BroadcastChannel(`chat.v1 ${new URL('.', location.href).pathname}`);

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.#dialog = new Views($('#account'), app, { wordsOf, closed: () => store.ended && app.session.identity.goOnAsGuest() });
    this.menu = new AccountMenu(app, this.#dialog);
  }

  listen() {
    $('#log-in').addEventListener('click', () => (this.#code ? this.register() : this.login()));
    window.addEventListener('hashchange', () => {
      const code = takeCode();
      if (!code) return;
      this.#code = code;
      this.#isOffered = false;
      this.welcomed();
    });
    this.#tabs.onmessage = () => store.role || this.app.session.reconnect();
  }

  // -- what the rest of the page tells

  /** There is a connection: the code of a link can be used now. */
  welcomed() {
    if (!this.#code || this.#isOffered || store.link !== 'online') return;
    this.#isOffered = true;
    if (!store.role) return this.register();
    const { code, room } = this.#code;
    this.#code = null;
    if (room) this.app.router.enter(room, code);
    else notify(words.spent(store.name));
  }

  /** This page is an account's now, by whatever way. */
  identified() {
    if (['login', 'register'].includes(this.#dialog.view)) this.#dialog.close();
  }

  /** Why passwords are not taken here, if they are not. */
  get #refusal() {
    if (store.registration || store.link !== 'online') return '';
    const isPrivate = location.protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
    return isPrivate ? words.noAccounts : words.notPrivate;
  }

  get entryWords() { return this.#code ? words.makeAccount : words.logIn; }

  // -- views for guests

  login(name = '', note = '') {
    const ended = store.ended;
    const title = ended ? words.endedTitle : words.loginTitle;
    if (this.#refusal) return this.#dialog.open('login', title, el('p', { className: 'note', textContent: this.#refusal }));
    this.#dialog.openForm('login', title, {
      note: ended ? words.endedNote(ended) : note || words.loginNote,
      fields: [
        { key: 'name', label: words.name, autocomplete: 'username', value: name || ended },
        { key: 'password', label: words.password, type: 'password', autocomplete: 'current-password' },
      ],
      submit: words.logIn,
      others: [ended ? [words.goOnAsGuest, () => this.#dialog.close()] : [words.haveCode, () => this.register()]],
      done: async ({ name: typed, password }) => {
        await this.app.session.ask({ type: 'login', name: typed, password });
        this.#loggedIn();
      },
    });
  }

  /** Somebody who has no account and wanted something that takes one. */
  loginRequired() {
    if (!this.#dialog.isOpen) this.login('', words.closedNote);
  }

  register(name = '', code = '') {
    if (code) this.#code = { kind: 'invite', code, room: '' };
    const given = this.#code;
    const kind = given?.kind ?? 'register', title = words[`${kind}Title`];
    if (this.#refusal) return this.#dialog.open('register', title, el('p', { className: 'note', textContent: this.#refusal }));
    const needsCode = !given && store.registration !== 'open';
    this.#dialog.openForm('register', title, {
      note: words[`${kind}Note`],
      fields: [
        ...(needsCode ? [{ key: 'code', label: words.code, note: words.codeNote, autocomplete: 'off' }] : []),
        { key: 'name', label: words.name, autocomplete: 'username', value: name || store.wish },
        { key: 'password', label: words.password, type: 'password', autocomplete: 'new-password', note: words.passwordNote },
      ],
      submit: kind === 'setup' ? words.setup : words.makeAccount,
      others: [[words.haveAccount, () => this.login()], ...(given?.room ? [[words.comeIn, () => this.#comeIn(given)]] : [])],
      done: async ({ code: typed, ...rest }) => {
        const shown = given?.code ?? typed;
        const { rooms } = await this.app.session.ask({ type: 'register', ...rest, ...(shown ? { code: shown } : {}) });
        this.#code = null;
        this.app.session.rooms.showNew(rooms);
        this.#loggedIn();
      },
    });
  }

  /** Into the room of an invitation, without an account. */
  #comeIn({ room, code }) {
    this.#code = null;
    this.#dialog.close();
    this.app.router.enter(room, code);
  }

  #loggedIn() {
    this.#dialog.close();
    this.#remember();
  }

  /** So that a reload and other tabs are known. */
  async #remember() {
    try {
      await this.app.session.identity.remember(browserLabel());
      this.#tabs.postMessage('login');
    } catch {
      notify(words.notRemembered, true);
    }
  }
}
