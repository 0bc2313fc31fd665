// Accounts: links with a code, logging in and out, and what people do with their account. One dialog, whose content is one
// of several views. What was typed stays until the server has taken it; what is wrong stands below its field.

import { words } from './account-words.js';
import { $, el, isText, setText } from './dom.js';

const USES_MAX = 10_000;
const DAYS_MAX = 365;
const COPIED_MS = 2000;

/** Which field an error of the server is about, where the form has it. */
const FIELD_OF = {
  login_failed: 'password', password_refused: 'password', name_taken: 'name', name_refused: 'name', no_such_name: 'name',
  no_account: 'name', code_refused: 'code', code_required: 'code', text_refused: 'label',
};

/** Takes the code out of the page's address, so that it is in no history and on no screen. */
function takeCode() {
  const [, kind, code] = /^#(setup|invite)=([\w-]+)$/.exec(location.hash) ?? [];
  if (!kind) return null;
  history.replaceState(null, '', location.pathname + location.search);
  return { kind, code };
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

async function copy(input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
  } catch {
    document.execCommand('copy'); // where the page did not come by https, there is no clipboard
  }
}

let lastId = 0;

export class Accounts {
  #host;
  #dialog = $('#account');
  #code = takeCode(); // { kind, code }: what a link has brought, until it is used
  #isOffered = false;
  #tabs = new BroadcastChannel(`chat.v1 ${new URL('.', location.href).pathname}`);

  /**
   * `host`: store; ask(frame), a promise; quit(frame), the same for what makes a guest of this page; notify(text, isError);
   * errorWords(error); date(ms); rename(); goOnAsGuest(); reconnect(); focus(), where the focus belongs otherwise.
   */
  constructor(host) {
    this.#host = host;
  }

  start() {
    this.#dialog.addEventListener('close', () => this.#closed());
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
    const { store, notify } = this.#host;
    if (!this.#code || this.#isOffered || store.link !== 'online') return;
    this.#isOffered = true;
    if (!store.role) return this.register();
    this.#code = null;
    notify(words.spent(store.name));
  }

  /** This page is an account's now, by whatever way. */
  identified() {
    if (['login', 'register'].includes(this.#dialog.dataset.view)) this.#dialog.close();
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

  get entryWords() { return this.#code ? words.makeAccount : words.logIn; }

  // -- views for guests

  login(name = '', note = '') {
    const { store } = this.#host, ended = store.ended;
    const title = ended ? words.endedTitle : words.loginTitle;
    if (this.#refusal) return this.#open('login', title, el('p', { className: 'note', textContent: this.#refusal }));
    this.#openForm('login', title, {
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
    if (!this.#dialog.open) this.login('', words.closedNote);
  }

  register(name = '', code = '') {
    if (code) this.#code = { kind: 'invite', code };
    const { store } = this.#host, given = this.#code;
    const kind = given?.kind ?? 'register', title = words[`${kind}Title`];
    if (this.#refusal) return this.#open('register', title, el('p', { className: 'note', textContent: this.#refusal }));
    const needsCode = !given && store.registration !== 'open';
    this.#openForm('register', title, {
      note: words[`${kind}Note`],
      fields: [
        ...(needsCode ? [{ key: 'code', label: words.code, note: words.codeNote, autocomplete: 'off' }] : []),
        { key: 'name', label: words.name, autocomplete: 'username', value: name || store.wish },
        { key: 'password', label: words.password, type: 'password', autocomplete: 'new-password', note: words.passwordNote },
      ],
      submit: kind === 'setup' ? words.setup : words.makeAccount,
      others: [[words.haveAccount, () => this.login()]],
      done: async ({ code: typed, ...rest }) => {
        const shown = given?.code ?? typed;
        await this.#host.ask({ type: 'register', ...rest, ...(shown ? { code: shown } : {}) });
        this.#code = null;
        this.#loggedIn();
      },
    });
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
    const { store } = this.#host;
    const entries = [
      [words.invite, words.inviteMenuNote, () => this.invite()],
      [words.terminal, words.terminalMenuNote, () => this.terminal()],
      [words.sessions, words.sessionsMenuNote, () => this.sessions()],
      ...(store.role === 'owner' ? [[words.rolesTitle, words.rolesMenuNote, () => this.roles()]] : []),
      ...(store.role === 'member' ? [] : [[words.resetTitle, words.resetMenuNote, () => this.reset()]]),
      [words.rename, '', () => this.#rename()],
      [words.changePassword, '', () => this.password()],
      [words.logOut, words.logOutNote, () => this.logout()],
      [words.deleteAccount, '', () => this.deletion(), 'danger'],
    ];
    const list = entries.map(([label, note, act, kind = '']) => {
      const button = el('button', { type: 'button', className: kind }, el('span', { textContent: label }), el('small', { textContent: note }));
      button.addEventListener('click', act);
      return el('li', {}, button);
    });
    const role = el('p', { className: 'note', textContent: words.roles[store.role] ?? '' });
    this.#open('menu', store.name, role, el('ul', { className: 'menu' }, ...list));
  }

  #rename() {
    this.#dialog.close();
    this.#host.rename();
  }

  async logout() {
    this.#dialog.close();
    await this.#host.quit({ type: 'logout' }).catch((error) => this.#host.notify(this.#wordsOf(error), true));
  }

  invite() {
    const result = el('div', { className: 'result' }), list = el('div', {});
    this.#openForm('invite', words.invite, {
      back: true,
      fields: [
        { key: 'uses', label: words.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: words.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
      ],
      submit: words.makeLink,
      after: [result, list],
      done: async ({ uses, days }) => {
        const made = await this.#host.ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days) });
        result.replaceChildren(...this.#shownOnce(words.linkLabel, this.#linkOf(made), words.linkNote));
        result.querySelector('button').focus();
        this.#listInvitations(list);
      },
    });
    this.#listInvitations(list);
  }

  #linkOf({ link, code }) { return isText(link) ? link : `${new URL('.', location.href)}#invite=${code}`; }

  /** For somebody whose password is lost. */
  reset(name = '') {
    const result = el('div', { className: 'result' });
    this.#openForm('reset', words.resetTitle, {
      back: true,
      note: words.resetNote,
      fields: [{ key: 'name', label: words.name, autocomplete: 'off', value: name }],
      submit: words.makeLink,
      after: [result],
      done: async (values) => {
        const made = await this.#host.ask({ type: 'reset', ...values });
        result.replaceChildren(...this.#shownOnce(words.linkLabel, this.#linkOf(made), words.resetLinkNote(values.name)));
        result.querySelector('button').focus();
      },
    });
  }

  #listInvitations(place) {
    this.#list(place, words.open, { type: 'invitations' }, 'invitations', '', ({ id, uses, until }) => ({
      title: words.invitation(id),
      note: [words.left(uses), until === undefined ? '' : words.until(this.#host.date(until))],
      end: { type: 'end_invitation', id },
    }));
  }

  sessions() {
    const list = el('div', {}), result = el('div', { className: 'result' });
    this.#openForm('sessions', words.sessions, {
      back: true,
      before: [list, el('h3', { textContent: words.newToken })],
      fields: [{ key: 'label', label: words.tokenLabel, autocomplete: 'off', maxLength: 64 }],
      submit: words.makeToken,
      after: [result],
      done: async ({ label }, form) => {
        const made = await this.#host.ask({ type: 'token', label });
        result.replaceChildren(...this.#shownOnce(words.tokenShown, made.token, words.tokenNote));
        result.querySelector('button').focus();
        form.reset();
        this.#listSessions(list);
      },
    });
    this.#listSessions(list);
  }

  #listSessions(place) {
    this.#list(place, '', { type: 'sessions' }, 'sessions', words.noSessions, (one) => ({
      title: one.label || words.kinds[one.kind],
      note: [one.you ? words.thisBrowser : words.kinds[one.kind], words.since(this.#host.date(one.created)), words.connected(one.connected)],
      end: one.you ? null : { type: 'end_session', id: one.id },
    }));
  }

  terminal(code = '') {
    this.#openForm('terminal', words.terminal, {
      back: true,
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
    this.#openForm('terminal', words.terminal, {
      back: true,
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
    this.#openForm('password', words.changePassword, {
      back: true,
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
    this.#openForm('roles', words.rolesTitle, {
      back: true,
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
    this.#openForm('deletion', words.deleteTitle, {
      back: true,
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

  // -- parts of views

  /** A secret that the server does not know any more, and a button that copies it. */
  #shownOnce(label, value, note) {
    const input = el('input', { type: 'text', readOnly: true, value, ariaLabel: label });
    const button = el('button', { type: 'button', className: 'solid', textContent: words.copy });
    button.addEventListener('click', async () => {
      await copy(input);
      button.textContent = words.copied;
      setTimeout(() => { button.textContent = words.copy; }, COPIED_MS);
    });
    input.addEventListener('focus', () => input.select());
    return [el('div', { className: 'copy' }, input, button), el('p', { className: 'note', textContent: note, role: 'status' })];
  }

  /** What the server lists, each with a button that ends it. */
  async #list(place, heading, request, key, none, describe) {
    const items = await this.#host.ask(request).then((frame) => frame[key], () => []);
    const rows = (Array.isArray(items) ? items : []).map(describe).map(({ title, note, end }) => {
      const row = el('li', {}, el('div', {}, el('b', { textContent: title, dir: 'auto' }), el('small', { textContent: note.filter(Boolean).join(' · ') })));
      if (!end) return row;
      const button = el('button', { type: 'button', className: 'quiet', textContent: words.end, ariaLabel: words.endOf(title) });
      button.addEventListener('click', async () => {
        button.disabled = true;
        this.#dialog.querySelector('.result')?.replaceChildren(); // it may be what ends
        await this.#host.ask(end).catch((error) => this.#host.notify(this.#wordsOf(error), true));
        await this.#list(place, heading, request, key, none, describe);
        this.#dialog.focus();
      });
      row.append(button);
      return row;
    });
    const parts = [];
    if (heading && rows.length) parts.push(el('h3', { textContent: heading }));
    if (rows.length) parts.push(el('ul', { className: 'keys' }, ...rows));
    else if (none) parts.push(el('p', { className: 'note', textContent: none }));
    place.replaceChildren(...parts);
  }

  #open(view, title, ...content) { this.#draw(view, title, false, content); }

  #draw(view, title, back, content) {
    const icon = (name, label, act) => {
      const button = el('button', { type: 'button', className: 'icon', title: label, ariaLabel: label });
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'), use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
      svg.setAttribute('aria-hidden', 'true');
      use.setAttribute('href', `#i-${name}`);
      svg.append(use);
      button.append(svg);
      button.addEventListener('click', act);
      return button;
    };
    const heading = el('div', { className: 'heading' });
    if (back) heading.append(icon('back', words.back, () => this.menu()));
    heading.append(el('h2', { id: 'account-title', textContent: title, dir: 'auto' }), icon('close', words.close, () => this.#dialog.close()));
    this.#dialog.dataset.view = view;
    this.#dialog.replaceChildren(heading, ...content);
    if (!this.#dialog.open) this.#dialog.showModal();
    const fields = [...this.#dialog.querySelectorAll('input:not([hidden]), select')];
    const first = fields.find((field) => !field.value) ?? fields[0] ?? this.#dialog.querySelector('.menu button, .solid') ?? this.#dialog.querySelector('.icon');
    first?.focus();
  }

  /** A view whose heart is a form. `done` rejects with an error of the server, which is shown where it belongs. */
  #openForm(view, title, { note = '', fields, submit, others = [], before = [], after = [], back = false, faults = {}, danger = false, done }) {
    const inputs = new Map(), form = el('form', { noValidate: true });
    if (note) form.append(el('p', { className: 'note', textContent: note }));
    for (const field of fields) form.append(this.#field(field, inputs));
    const fault = el('p', { className: 'fault', role: 'alert' });
    const button = el('button', { type: 'submit', className: danger ? 'solid danger' : 'solid', textContent: submit });
    const buttons = el('div', { className: 'buttons' }, ...others.map(([label, act]) => {
      const other = el('button', { type: 'button', className: 'quiet', textContent: label });
      other.addEventListener('click', act);
      return other;
    }), button);
    form.append(fault, buttons);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (button.disabled || !this.#check(inputs)) return;
      setText(fault, '');
      button.disabled = true;
      form.ariaBusy = 'true';
      const values = Object.fromEntries([...inputs].map(([key, { input, isSecret }]) => [key, isSecret ? input.value : input.value.trim()]));
      try {
        await done(values, form);
      } catch (error) {
        if (!form.isConnected) return;
        const field = inputs.get(faults[error?.code] ?? FIELD_OF[error?.code]);
        if (field) this.#blame(field, this.#wordsOf(error));
        else setText(fault, this.#wordsOf(error));
      } finally {
        button.disabled = false;
        form.ariaBusy = null;
      }
    });
    this.#draw(view, title, back, [...before, form, ...after]);
  }

  #field({ key, label, type = 'text', note = '', value = '', choices, suggest, isHidden = false, className = '', ...attributes }, inputs) {
    const id = `account-${key}-${++lastId}`;
    const input = choices
      ? el('select', { id }, ...Object.entries(choices).map(([option, name]) => el('option', { value: option, textContent: name })))
      : el('input', { id, type, className, spellcheck: false, autocapitalize: 'none' });
    Object.assign(input, { name: key, value, required: true, ...attributes });
    if (isHidden) Object.assign(input, { hidden: true, readOnly: true });
    if (isHidden) return input;
    const fault = el('p', { className: 'fault', role: 'alert', id: `${id}-fault` });
    const hint = el('p', { className: 'hint', id: `${id}-hint`, textContent: note });
    input.setAttribute('aria-describedby', `${fault.id} ${hint.id}`);
    input.addEventListener('input', () => this.#blame({ input, fault }, ''));
    inputs.set(key, { input, fault, isSecret: type === 'password' });
    const box = el('div', { className: 'field' }, el('label', { htmlFor: id, textContent: label }), type === 'password' ? this.#withShow(input) : input, fault);
    if (suggest?.length) {
      box.append(el('datalist', { id: `${id}-list` }, ...suggest.map((name) => el('option', { value: name }))));
      input.setAttribute('list', `${id}-list`);
    }
    if (note) box.append(hint);
    return box;
  }

  /** Typed once and looked at, rather than typed twice. */
  #withShow(input) {
    const button = el('button', { type: 'button', className: 'quiet', textContent: words.show, ariaPressed: 'false' });
    button.addEventListener('click', () => {
      const isShown = input.type === 'text';
      input.type = isShown ? 'password' : 'text';
      button.textContent = isShown ? words.show : words.hide;
      button.ariaPressed = String(!isShown);
      input.focus();
    });
    return el('div', { className: 'secret' }, input, button);
  }

  #check(inputs) {
    const wrong = [...inputs.values()].filter(({ input }) => {
      const { validity, min, max } = input;
      const fault = validity.valueMissing || validity.badInput ? words.needs : validity.valid ? '' : words.number(min, max);
      this.#blame({ input, fault: inputs.get(input.name).fault }, fault, false);
      return fault !== '';
    });
    wrong[0]?.input.focus();
    return wrong.length === 0;
  }

  #blame({ input, fault }, text, takesFocus = text !== '') {
    setText(fault, text);
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    if (!takesFocus) return;
    input.focus();
    input.select?.();
  }

  #wordsOf(error) { return words.errors[error?.code] ?? this.#host.errorWords(error ?? {}); }

  /** Nothing that was typed stays in the page. */
  #closed() {
    this.#dialog.replaceChildren();
    delete this.#dialog.dataset.view;
    if (this.#host.store.ended) this.#host.goOnAsGuest();
    // A field that gets the focus back was out of reach until now, and Chromium would put no text into it: it gets it again.
    const at = document.activeElement, isField = at?.matches('input, textarea');
    if (isField) at.blur();
    if (isField) setTimeout(() => document.querySelector('dialog[open]') || at.focus({ preventScroll: true }));
    else if (!at || at === document.body) this.#host.focus();
  }
}
