// Accounts: links with a code, logging in and out, and what people do with their account. All of it
// is in one dialog.

import { words } from './account-words.js';
import { Views } from './dialogs.js';
import { $, el, isText } from './dom.js';

const USES_MAX = 10_000;
const DAYS_MAX = 365;

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

/** Where the cookie is set and taken away; scripts cannot see it. */
const sessionAddress = () => new URL('session', location.href);

export class Accounts {
  #host;
  #dialog;
  #code = takeCode(); // { kind, code, room }: what a link has brought, until it is used
  #isOffered = false;
  #tabs = new BroadcastChannel(`chat.v1 ${new URL('.', location.href).pathname}`);

  /**
   * `host`: store; ask(frame), a promise; quit(frame), the same for what makes a guest of this page; notify(text, isError);
   * errorWords(error); date(ms); rename(); goOnAsGuest(); reconnect(); knows(command); enter(room, code), by an
   * invitation; showNew(rooms), the one that is new; bans(), ignored(), views of others; focus(), where the focus belongs otherwise.
   */
  constructor(host) {
    this.#host = host;
    this.#dialog = new Views($('#account'), {
      ask: host.ask,
      notify: host.notify,
      focus: host.focus,
      wordsOf: (error) => this.#wordsOf(error),
      closed: () => host.store.ended && host.goOnAsGuest(),
    });
  }

  start() {
    $('#log-in').addEventListener('click', () => (this.#code ? this.register() : this.login()));
    window.addEventListener('hashchange', () => {
      const code = takeCode();
      if (!code) return;
      this.#code = code;
      this.#isOffered = false;
      this.welcomed();
    });
    this.#tabs.onmessage = () => this.#host.store.role || this.#host.reconnect();
  }

  // -- what the rest of the page tells

  /** There is a connection: the code of a link can be used now. */
  welcomed() {
    const { store, notify, enter } = this.#host;
    if (!this.#code || this.#isOffered || store.link !== 'online') return;
    this.#isOffered = true;
    if (!store.role) return this.register();
    const { code, room } = this.#code;
    this.#code = null;
    if (room) enter(room, code);
    else notify(words.spent(store.name));
  }

  /** This page is an account's now, by whatever way. */
  identified() {
    if (['login', 'register'].includes(this.#dialog.view)) this.#dialog.close();
  }

  /** The server knows this browser no more. */
  ended() {
    this.forget();
    this.login();
  }

  /** The cookie goes: the next one to open the page is a guest. */
  forget() {
    fetch(sessionAddress(), { method: 'DELETE', cache: 'no-store' }).catch(() => { /* what it stands for has ended anyway */ });
  }

  /** Why passwords are not taken here, if they are not. */
  get #refusal() {
    const { store } = this.#host;
    if (store.registration || store.link !== 'online') return '';
    const isPrivate = location.protocol === 'https:' || /^(localhost|127\.[\d.]+|\[::1\])$/.test(location.hostname);
    return isPrivate ? words.noAccounts : words.notPrivate;
  }

  get words() { return words; }
  get entryWords() { return this.#code ? words.makeAccount : words.logIn; }

  // -- views for guests

  login(name = '', note = '') {
    const { store } = this.#host, ended = store.ended;
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
        await this.#host.ask({ type: 'login', name: typed, password });
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
    const { store } = this.#host, given = this.#code;
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
        const { rooms } = await this.#host.ask({ type: 'register', ...rest, ...(shown ? { code: shown } : {}) });
        this.#code = null;
        this.#host.showNew(rooms);
        this.#loggedIn();
      },
    });
  }

  /** Into the room of an invitation, without an account. */
  #comeIn({ room, code }) {
    this.#code = null;
    this.#leaveTo(() => this.#host.enter(room, code));
  }

  #loggedIn() {
    this.#dialog.close();
    this.#remember();
  }

  /** A code that came over the WebSocket is exchanged for a cookie, by which a reload and other tabs are known. */
  async #remember() {
    try {
      const { code } = await this.#host.ask({ type: 'cookie', label: browserLabel() });
      const headers = { Authorization: `Bearer ${code}` };
      const answer = await fetch(sessionAddress(), { method: 'POST', headers, cache: 'no-store' });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.#tabs.postMessage('login');
    } catch {
      this.#host.notify(words.notRemembered, true);
    }
  }

  // -- views for accounts

  menu() {
    const { store, knows, rename, ignored, bans } = this.#host;
    const entries = [
      [words.invite, words.inviteMenuNote, () => this.invite()],
      [words.terminal, words.terminalMenuNote, () => this.terminal()],
      [words.sessions, words.sessionsMenuNote, () => this.sessions()],
      ...(store.role === 'owner' ? [[words.rolesTitle, words.rolesMenuNote, () => this.roles()]] : []),
      ...(store.role === 'member' ? [] : [[words.resetTitle, words.resetMenuNote, () => this.reset()]]),
      ...(knows('ignore') ? [[words.ignored, words.ignoredNote, () => this.#leaveTo(ignored)]] : []),
      ...(knows('bans') && store.role !== 'member' ? [[words.bans, words.bansNote, () => this.#leaveTo(bans)]] : []),
      [words.rename, '', () => this.#leaveTo(rename)],
      [words.changePassword, '', () => this.password()],
      [words.logOut, words.logOutNote, () => this.logout()],
      [words.deleteAccount, '', () => this.deletion(), 'danger'],
    ];
    this.#dialog.menu('menu', store.name, words.roles[store.role] ?? '', entries);
  }

  /** To what is in another dialog. */
  #leaveTo(act) {
    this.#dialog.close();
    act();
  }

  async logout() {
    this.#dialog.close();
    await this.#host.quit({ type: 'logout' }).catch((error) => this.#host.notify(this.#wordsOf(error), true));
  }

  invite() {
    const result = el('div', { className: 'result' }), list = el('div', {});
    this.#dialog.openForm('invite', words.invite, {
      back: () => this.menu(),
      fields: [
        { key: 'uses', label: words.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: words.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
      ],
      submit: words.makeLink,
      after: [result, list],
      done: async ({ uses, days }) => {
        const made = await this.#host.ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days) });
        result.replaceChildren(...this.#dialog.shownOnce(words.linkLabel, this.linkOf(made), words.linkNote, words.qr));
        result.querySelector('button').focus();
        this.#listInvitations(list);
      },
    });
    this.#listInvitations(list);
  }

  linkOf({ link, code }) { return isText(link) ? link : `${new URL('.', location.href)}#invite=${code}`; }

  /** For somebody whose password is lost. */
  reset(name = '') {
    const result = el('div', { className: 'result' });
    this.#dialog.openForm('reset', words.resetTitle, {
      back: () => this.menu(),
      note: words.resetNote,
      fields: [{ key: 'name', label: words.name, autocomplete: 'off', value: name }],
      submit: words.makeLink,
      after: [result],
      done: async (values) => {
        const made = await this.#host.ask({ type: 'reset', ...values });
        result.replaceChildren(...this.#dialog.shownOnce(words.linkLabel, this.linkOf(made), words.resetLinkNote(values.name)));
        result.querySelector('button').focus();
      },
    });
  }

  #listInvitations(place) {
    this.#dialog.list(place, words.open, { type: 'invitations' }, 'invitations', '', ({ id, uses, until }) => ({
      title: words.invitation(id),
      note: [words.left(uses), until === undefined ? '' : words.until(this.#host.date(until))],
      end: { type: 'end_invitation', id },
    }));
  }

  sessions() {
    const list = el('div', {}), result = el('div', { className: 'result' });
    this.#dialog.openForm('sessions', words.sessions, {
      back: () => this.menu(),
      before: [list, el('h3', { textContent: words.newToken })],
      fields: [{ key: 'label', label: words.tokenLabel, autocomplete: 'off', maxLength: 64 }],
      submit: words.makeToken,
      after: [result],
      done: async ({ label }, form) => {
        const made = await this.#host.ask({ type: 'token', label });
        result.replaceChildren(...this.#dialog.shownOnce(words.tokenShown, made.token, words.tokenNote));
        result.querySelector('button').focus();
        form.reset();
        this.#listSessions(list);
      },
    });
    this.#listSessions(list);
  }

  #listSessions(place) {
    this.#dialog.list(place, '', { type: 'sessions' }, 'sessions', words.noSessions, (one) => ({
      title: one.label || words.kinds[one.kind],
      note: [one.you ? words.thisBrowser : words.kinds[one.kind], words.since(this.#host.date(one.created)), words.connected(one.connected)],
      end: one.you ? null : { type: 'end_session', id: one.id },
    }));
  }

  terminal(code = '') {
    this.#dialog.openForm('terminal', words.terminal, {
      back: () => this.menu(),
      note: words.terminalNote,
      fields: [{ key: 'code', label: words.terminalCode, autocomplete: 'off', value: code, className: 'code' }],
      submit: words.next,
      done: async ({ code: typed }) => {
        const { address } = await this.#host.ask({ type: 'confirm', code: typed });
        this.#confirm(typed, String(address));
      },
    });
  }

  #confirm(code, address) {
    this.#dialog.openForm('terminal', words.terminal, {
      back: () => this.menu(),
      note: words.terminalAsk(address),
      fields: [],
      submit: words.letIn,
      done: async () => {
        await this.#host.ask({ type: 'confirm', code, sure: true });
        this.#dialog.close();
        this.#host.notify(words.terminalDone(address));
      },
    });
  }

  password() {
    this.#dialog.openForm('password', words.changePassword, {
      back: () => this.menu(),
      fields: [
        this.#ownName(),
        { key: 'old', label: words.oldPassword, type: 'password', autocomplete: 'current-password' },
        { key: 'password', label: words.newPassword, type: 'password', autocomplete: 'new-password', note: words.passwordNote },
      ],
      submit: words.change,
      faults: { login_failed: 'old' },
      done: async ({ old, password }) => {
        await this.#host.ask({ type: 'password', old, password });
        this.#dialog.close();
        this.#host.notify(words.passwordDone);
      },
    });
  }

  roles(name = '', role = '') {
    const known = new Set([...this.#host.store.conversations.values()].flatMap((conv) => (
      [...conv.members].filter(([key]) => conv.accounts.has(key)).map(([, one]) => one))));
    this.#dialog.openForm('roles', words.rolesTitle, {
      back: () => this.menu(),
      note: words.rolesNote,
      fields: [
        { key: 'name', label: words.name, autocomplete: 'off', value: name, suggest: [...known] },
        { key: 'role', label: words.role, choices: words.roleNames, value: role || 'admin' },
      ],
      submit: words.give,
      done: async (values) => {
        await this.#host.ask({ type: 'role', ...values });
        this.#dialog.close();
        this.#host.notify(words.roleDone(values.name, words.roleNames[values.role]));
      },
    });
  }

  deletion() {
    this.#dialog.openForm('deletion', words.deleteTitle, {
      back: () => this.menu(),
      note: words.deleteNote,
      fields: [this.#ownName(), { key: 'password', label: words.password, type: 'password', autocomplete: 'current-password' }],
      submit: words.deleteIt,
      danger: true,
      done: async ({ password }) => {
        await this.#host.quit({ type: 'delete_account', password });
        this.#dialog.close();
      },
    });
  }

  /** Not shown, but password managers go by it. */
  #ownName() { return { key: 'username', label: words.name, autocomplete: 'username', value: this.#host.store.name, isHidden: true }; }

  #wordsOf(error) { return words.errors[error?.code] ?? this.#host.errorWords(error ?? {}); }
}
