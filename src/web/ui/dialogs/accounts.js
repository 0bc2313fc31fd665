// Ways to an account: logging in, making one. What people do with theirs is in account-menu.js.

import { notify, store } from '../../core/store.js';
import { accountWords } from '../../words/index.js';
import { $, el } from '../dom.js';
import { wordsOf } from './account-menu.js';
import { Views } from './views.js';

/** What this browser is called in the list of sessions. */
function browserLabel() {
  const agent = navigator.userAgent;
  const find = (pairs) => pairs.find(([, pattern]) => pattern.test(agent))?.[0];
  const browser = find([['Edge', /\bEdg/], ['Opera', /\bOPR\//], ['Firefox', /\b(Firefox|FxiOS)\//], ['Chrome', /(Chrome|CriOS)\//], ['Safari', /\bSafari\//]]);
  const system = find([['Android', /\bAndroid\b/], ['iPhone', /\biPhone\b/], ['iPad', /\biPad\b/], ['Windows', /\bWindows\b/], ['macOS', /\bMac OS X\b/], ['ChromeOS', /\bCrOS\b/], ['Linux', /\bLinux\b/]]);
  return [browser ?? 'Browser', system].filter(Boolean).join(' on ');
}

export class Accounts {
  #wanted = /** @type {import('../../core/conversation.js').Conversation | null} */ (null); // the room that takes an account

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.dialog = new Views($('#account'), app, { wordsOf, closed: () => this.#closed() });
  }

  // -- what the rest of the page tells

  /** This page is an account's now, by whatever way. */
  identified() {
    if (['login', 'register'].includes(this.dialog.view)) this.dialog.close();
  }

  #closed() {
    const wanted = this.#wanted, { account, identity } = this.app.session;
    this.#wanted = null;
    if (store.ended) identity.goOnAsGuest();
    else if (wanted) account.giveUp(wanted);
  }

  /** Why passwords are not taken here, if they are not. */
  get #refusal() {
    if (store.registration || store.link !== 'online') return '';
    const isPrivate = location.protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
    return isPrivate ? accountWords.noAccounts : accountWords.notPrivate;
  }

  // -- views for guests

  login(name = '', note = '') {
    const ended = store.ended;
    const title = ended ? accountWords.endedTitle : accountWords.loginTitle;
    if (this.#refusal) return this.dialog.open('login', title, el('p', { className: 'note', textContent: [note, this.#refusal].filter(Boolean).join(' ') }));
    this.dialog.openForm('login', title, {
      note: ended ? accountWords.endedNote(ended) : note || accountWords.loginNote,
      fields: [
        { key: 'name', label: accountWords.name, autocomplete: 'username', value: name || ended },
        { key: 'password', label: accountWords.password, type: 'password', autocomplete: 'current-password' },
      ],
      submit: accountWords.logIn,
      others: [ended ? [accountWords.goOnAsGuest, () => this.dialog.close()] : [store.registration === 'open' ? accountWords.makeAccount : accountWords.haveCode, () => this.register()]],
      done: async ({ name: typed, password }) => {
        await this.app.session.ask({ type: 'login', name: typed, password });
        this.#loggedIn();
      },
    });
  }

  /** A guest wanted to enter a room that takes an account. */
  loginRequired(conv) {
    if (this.dialog.isOpen) return;
    this.#wanted = conv;
    this.login('', accountWords.closedNote(conv.name));
  }

  /** For whoever comes to this computer next. */
  afresh() {
    this.dialog.openForm('afresh', accountWords.afresh, {
      note: accountWords.afreshNote,
      fields: [],
      submit: accountWords.afresh,
      danger: true,
      done: async () => this.leaveBehind(),
    });
  }

  /** This tab tells the others. Did each of them, too, they would begin anew for ever. */
  leaveBehind() {
    const { account, tabs } = this.app.session;
    tabs.tellAfresh();
    account.startAfresh();
  }

  register(name = '', code = '') {
    if (code) store.code = { kind: 'invite', code, room: '' };
    const given = store.code;
    const kind = given?.kind ?? 'register', title = accountWords[`${kind}Title`];
    if (this.#refusal) return this.dialog.open('register', title, el('p', { className: 'note', textContent: this.#refusal }));
    const needsCode = !given && store.registration !== 'open';
    this.dialog.openForm('register', title, {
      note: accountWords[`${kind}Note`],
      fields: [
        ...(needsCode ? [{ key: 'code', label: accountWords.code, note: accountWords.codeNote, autocomplete: 'off' }] : []),
        { key: 'name', label: accountWords.name, autocomplete: 'username', value: name || store.wish },
        { key: 'password', label: accountWords.password, type: 'password', autocomplete: 'new-password', note: accountWords.passwordNote },
      ],
      submit: kind === 'setup' ? accountWords.setup : accountWords.makeAccount,
      others: [[accountWords.haveAccount, () => this.login()], ...(given?.room ? [[accountWords.comeIn, () => this.#comeIn(given)]] : [])],
      done: async ({ code: typed, ...rest }) => {
        const shown = given?.code ?? typed;
        const { rooms } = await this.app.session.ask({ type: 'register', ...rest, ...(shown ? { code: shown } : {}) });
        store.code = null;
        this.app.session.rooms.showNew(rooms);
        this.#loggedIn();
      },
    });
  }

  /** Into the room of an invitation, without an account. */
  #comeIn({ room, code }) {
    store.code = null;
    this.dialog.close();
    this.app.router.enter(room, code);
  }

  #loggedIn() {
    this.dialog.close();
    this.#remember();
  }

  /** So that a reload and other tabs are known. */
  async #remember() {
    try {
      await this.app.session.account.remember(browserLabel());
      this.app.parts.entrance.tellTabs();
    } catch {
      notify(accountWords.notRemembered, true);
    }
  }
}
