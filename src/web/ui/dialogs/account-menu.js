// What people do with their account: inviting, sessions and tokens, roles, passwords.

import { notify, store } from '../../core/store.js';
import { dateWords } from '../../core/time.js';
import { accountWords, errorWords } from '../../words/index.js';
import { el } from '../dom.js';
import { linkOf } from './views.js';

export const USES_MAX = 10_000; // of an invitation
export const DAYS_MAX = 365;

export const wordsOf = (error) => accountWords.errors[error?.code] ?? errorWords(error ?? {});

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
      [accountWords.invite, accountWords.inviteMenuNote, () => this.invite()],
      [accountWords.terminal, accountWords.terminalMenuNote, () => this.terminal()],
      [accountWords.sessions, accountWords.sessionsMenuNote, () => this.sessions()],
      ...(store.role === 'owner' ? [[accountWords.rolesTitle, accountWords.rolesMenuNote, () => this.roles()]] : []),
      ...(store.role === 'member' ? [] : [[accountWords.resetTitle, accountWords.resetMenuNote, () => this.reset()]]),
      [accountWords.ignored, accountWords.ignoredNote, () => this.#leaveTo(() => this.app.parts.order.ignoredList())],
      ...(store.role !== 'member' ? [[accountWords.bans, accountWords.bansNote, () => this.#leaveTo(() => this.app.parts.order.bans())]] : []),
      [accountWords.rename, '', () => this.#leaveTo(() => this.app.parts.ask.name())],
      [accountWords.changePassword, '', () => this.password()],
      [accountWords.logOut, accountWords.logOutNote, () => this.logout()],
      [accountWords.deleteAccount, '', () => this.deletion(), 'danger'],
    ];
    this.#dialog.menu('menu', store.name, accountWords.roles[store.role] ?? '', entries);
  }

  /** To what is in another dialog. */
  #leaveTo(act) {
    this.#dialog.close();
    act();
  }

  async logout() {
    this.#dialog.close();
    await this.app.session.account.quit({ type: 'logout' }).catch((error) => notify(wordsOf(error), true));
  }

  invite() {
    const result = el('div', { className: 'result' }), list = el('div', {});
    this.#dialog.openForm('invite', accountWords.invite, {
      back: () => this.open(),
      fields: [
        { key: 'uses', label: accountWords.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: accountWords.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
      ],
      submit: accountWords.makeLink,
      after: [result, list],
      done: async ({ uses, days }) => {
        const made = await this.app.session.ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days) });
        result.replaceChildren(...this.#dialog.shownOnce(accountWords.linkLabel, linkOf(made), accountWords.linkNote, accountWords.qr));
        result.querySelector('button').focus();
        this.#listInvitations(list);
      },
    });
    this.#listInvitations(list);
  }

  /** For somebody whose password is lost. */
  reset(name = '') {
    const result = el('div', { className: 'result' });
    this.#dialog.openForm('reset', accountWords.resetTitle, {
      back: () => this.open(),
      note: accountWords.resetNote,
      fields: [{ key: 'name', label: accountWords.name, autocomplete: 'off', value: name }],
      submit: accountWords.makeLink,
      after: [result],
      done: async (values) => {
        const made = await this.app.session.ask({ type: 'reset', ...values });
        result.replaceChildren(...this.#dialog.shownOnce(accountWords.linkLabel, linkOf(made), accountWords.resetLinkNote(values.name)));
        result.querySelector('button').focus();
      },
    });
  }

  #listInvitations(place) {
    this.#dialog.list(place, accountWords.open, { type: 'invitations' }, 'invitations', '', ({ id, uses, until, resets }) => ({
      title: accountWords.invitation(id),
      note: [resets ? accountWords.resets(resets) : accountWords.left(uses), until === undefined ? '' : accountWords.until(dateWords(until))],
      end: { type: 'end_invitation', id },
    }));
  }

  sessions() {
    const list = el('div', {}), result = el('div', { className: 'result' });
    this.#dialog.openForm('sessions', accountWords.sessions, {
      back: () => this.open(),
      before: [list, el('h3', { textContent: accountWords.newToken })],
      fields: [{ key: 'label', label: accountWords.tokenLabel, autocomplete: 'off', maxLength: 64 }],
      submit: accountWords.makeToken,
      after: [result],
      done: async ({ label }, form) => {
        const made = await this.app.session.ask({ type: 'token', label });
        result.replaceChildren(...this.#dialog.shownOnce(accountWords.tokenShown, made.token, accountWords.tokenNote));
        result.querySelector('button').focus();
        form.reset();
        this.#listSessions(list);
      },
    });
    this.#listSessions(list);
  }

  #listSessions(place) {
    this.#dialog.list(place, '', { type: 'sessions' }, 'sessions', '', ({ id, connection, kind, label, created, connected, from = [], you }) => ({
      title: label || accountWords.kinds[kind],
      note: [you ? accountWords.thisBrowser : accountWords.kinds[kind], accountWords.since(dateWords(created)), accountWords.connected(connected), from.join(', ')],
      end: you ? null : { type: 'end_session', id, connection },
    }));
  }

  terminal(code = '') {
    this.#dialog.openForm('terminal', accountWords.terminal, {
      back: () => this.open(),
      note: accountWords.terminalNote,
      fields: [{ key: 'code', label: accountWords.terminalCode, autocomplete: 'off', value: code, className: 'code' }],
      submit: accountWords.next,
      done: async ({ code: typed }) => {
        const { address } = await this.app.session.ask({ type: 'confirm', code: typed });
        this.#confirm(typed, String(address));
      },
    });
  }

  #confirm(code, address) {
    this.#dialog.openForm('terminal', accountWords.terminal, {
      back: () => this.open(),
      note: accountWords.terminalAsk(address),
      fields: [],
      submit: accountWords.letIn,
      done: async () => {
        await this.app.session.ask({ type: 'confirm', code, sure: true });
        this.#dialog.close();
        notify(accountWords.terminalDone(address));
      },
    });
  }

  password() {
    this.#dialog.openForm('password', accountWords.changePassword, {
      back: () => this.open(),
      fields: [
        this.#ownName(),
        { key: 'old', label: accountWords.oldPassword, type: 'password', autocomplete: 'current-password' },
        { key: 'password', label: accountWords.newPassword, type: 'password', autocomplete: 'new-password', note: accountWords.passwordNote },
      ],
      submit: accountWords.change,
      faults: { login_failed: 'old' },
      done: async ({ old, password }) => {
        await this.app.session.ask({ type: 'password', old, password });
        this.#dialog.close();
        notify(accountWords.passwordDone);
      },
    });
  }

  roles(name = '', role = '') {
    const known = new Set([...store.conversations.values()].flatMap((conv) => (
      [...conv.members].filter(([key]) => conv.accounts.has(key)).map(([, one]) => one))));
    this.#dialog.openForm('roles', accountWords.rolesTitle, {
      back: () => this.open(),
      note: accountWords.rolesNote,
      fields: [
        { key: 'name', label: accountWords.name, autocomplete: 'off', value: name, suggest: [...known] },
        { key: 'role', label: accountWords.role, choices: accountWords.roleNames, value: role || 'admin' },
      ],
      submit: accountWords.give,
      done: async (values) => {
        await this.app.session.ask({ type: 'role', ...values });
        this.#dialog.close();
        notify(accountWords.roleDone(values.name, accountWords.roleNames[values.role]));
      },
    });
  }

  deletion() {
    this.#dialog.openForm('deletion', accountWords.deleteTitle, {
      back: () => this.open(),
      note: accountWords.deleteNote,
      fields: [this.#ownName(), { key: 'password', label: accountWords.password, type: 'password', autocomplete: 'current-password' }],
      submit: accountWords.deleteIt,
      danger: true,
      done: async ({ password }) => {
        await this.app.session.account.quit({ type: 'delete_account', password });
        this.#dialog.close();
      },
    });
  }

  /** Not shown, but password managers go by it. */
  #ownName() { return { key: 'username', label: accountWords.name, autocomplete: 'username', value: store.name, isHidden: true }; }
}
