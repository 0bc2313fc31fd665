// What people do with their account: inviting, sessions and tokens, roles, passwords.

import { knows, notify, store } from '../../core/store.js';
import { dateWords } from '../../core/time.js';
import { accountWords as words, errorWords } from '../../words/index.js';
import { el } from '../dom.js';
import { linkOf } from './views.js';

const USES_MAX = 10_000;
const DAYS_MAX = 365;

export const wordsOf = (error) => words.errors[error?.code] ?? errorWords(error ?? {});

export class AccountMenu {
  #dialog;

  /**
   * @param {import('../app.js').App} app
   * @param {import('./views.js').Views} dialog
   */
  constructor(app, dialog) {
    this.app = app;
    this.#dialog = dialog;
  }

  open() {
    const entries = [
      [words.invite, words.inviteMenuNote, () => this.invite()],
      [words.terminal, words.terminalMenuNote, () => this.terminal()],
      [words.sessions, words.sessionsMenuNote, () => this.sessions()],
      ...(store.role === 'owner' ? [[words.rolesTitle, words.rolesMenuNote, () => this.roles()]] : []),
      ...(store.role === 'member' ? [] : [[words.resetTitle, words.resetMenuNote, () => this.reset()]]),
      ...(knows('ignore') ? [[words.ignored, words.ignoredNote, () => this.#leaveTo(() => this.app.order.ignoredList())]] : []),
      ...(knows('bans') && store.role !== 'member' ? [[words.bans, words.bansNote, () => this.#leaveTo(() => this.app.order.bans())]] : []),
      [words.rename, '', () => this.#leaveTo(() => this.app.ask.name())],
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
    await this.app.session.identity.quit({ type: 'logout' }).catch((error) => notify(wordsOf(error), true));
  }

  invite() {
    const result = el('div', { className: 'result' }), list = el('div', {});
    this.#dialog.openForm('invite', words.invite, {
      back: () => this.open(),
      fields: [
        { key: 'uses', label: words.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: words.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
      ],
      submit: words.makeLink,
      after: [result, list],
      done: async ({ uses, days }) => {
        const made = await this.app.session.ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days) });
        result.replaceChildren(...this.#dialog.shownOnce(words.linkLabel, linkOf(made), words.linkNote, words.qr));
        result.querySelector('button').focus();
        this.#listInvitations(list);
      },
    });
    this.#listInvitations(list);
  }

  /** For somebody whose password is lost. */
  reset(name = '') {
    const result = el('div', { className: 'result' });
    this.#dialog.openForm('reset', words.resetTitle, {
      back: () => this.open(),
      note: words.resetNote,
      fields: [{ key: 'name', label: words.name, autocomplete: 'off', value: name }],
      submit: words.makeLink,
      after: [result],
      done: async (values) => {
        const made = await this.app.session.ask({ type: 'reset', ...values });
        result.replaceChildren(...this.#dialog.shownOnce(words.linkLabel, linkOf(made), words.resetLinkNote(values.name)));
        result.querySelector('button').focus();
      },
    });
  }

  #listInvitations(place) {
    this.#dialog.list(place, words.open, { type: 'invitations' }, 'invitations', '', ({ id, uses, until }) => ({
      title: words.invitation(id),
      note: [words.left(uses), until === undefined ? '' : words.until(dateWords(until))],
      end: { type: 'end_invitation', id },
    }));
  }

  sessions() {
    const list = el('div', {}), result = el('div', { className: 'result' });
    this.#dialog.openForm('sessions', words.sessions, {
      back: () => this.open(),
      before: [list, el('h3', { textContent: words.newToken })],
      fields: [{ key: 'label', label: words.tokenLabel, autocomplete: 'off', maxLength: 64 }],
      submit: words.makeToken,
      after: [result],
      done: async ({ label }, form) => {
        const made = await this.app.session.ask({ type: 'token', label });
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
      note: [one.you ? words.thisBrowser : words.kinds[one.kind], words.since(dateWords(one.created)), words.connected(one.connected)],
      end: one.you ? null : { type: 'end_session', id: one.id },
    }));
  }

  terminal(code = '') {
    this.#dialog.openForm('terminal', words.terminal, {
      back: () => this.open(),
      note: words.terminalNote,
      fields: [{ key: 'code', label: words.terminalCode, autocomplete: 'off', value: code, className: 'code' }],
      submit: words.next,
      done: async ({ code: typed }) => {
        const { address } = await this.app.session.ask({ type: 'confirm', code: typed });
        this.#confirm(typed, String(address));
      },
    });
  }

  #confirm(code, address) {
    this.#dialog.openForm('terminal', words.terminal, {
      back: () => this.open(),
      note: words.terminalAsk(address),
      fields: [],
      submit: words.letIn,
      done: async () => {
        await this.app.session.ask({ type: 'confirm', code, sure: true });
        this.#dialog.close();
        notify(words.terminalDone(address));
      },
    });
  }

  password() {
    this.#dialog.openForm('password', words.changePassword, {
      back: () => this.open(),
      fields: [
        this.#ownName(),
        { key: 'old', label: words.oldPassword, type: 'password', autocomplete: 'current-password' },
        { key: 'password', label: words.newPassword, type: 'password', autocomplete: 'new-password', note: words.passwordNote },
      ],
      submit: words.change,
      faults: { login_failed: 'old' },
      done: async ({ old, password }) => {
        await this.app.session.ask({ type: 'password', old, password });
        this.#dialog.close();
        notify(words.passwordDone);
      },
    });
  }

  roles(name = '', role = '') {
    const known = new Set([...store.conversations.values()].flatMap((conv) => (
      [...conv.members].filter(([key]) => conv.accounts.has(key)).map(([, one]) => one))));
    this.#dialog.openForm('roles', words.rolesTitle, {
      back: () => this.open(),
      note: words.rolesNote,
      fields: [
        { key: 'name', label: words.name, autocomplete: 'off', value: name, suggest: [...known] },
        { key: 'role', label: words.role, choices: words.roleNames, value: role || 'admin' },
      ],
      submit: words.give,
      done: async (values) => {
        await this.app.session.ask({ type: 'role', ...values });
        this.#dialog.close();
        notify(words.roleDone(values.name, words.roleNames[values.role]));
      },
    });
  }

  deletion() {
    this.#dialog.openForm('deletion', words.deleteTitle, {
      back: () => this.open(),
      note: words.deleteNote,
      fields: [this.#ownName(), { key: 'password', label: words.password, type: 'password', autocomplete: 'current-password' }],
      submit: words.deleteIt,
      danger: true,
      done: async ({ password }) => {
        await this.app.session.identity.quit({ type: 'delete_account', password });
        this.#dialog.close();
      },
    });
  }

  /** Not shown, but password managers go by it. */
  #ownName() { return { key: 'username', label: words.name, autocomplete: 'username', value: store.name, isHidden: true }; }
}
