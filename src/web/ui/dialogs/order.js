// Order: what is done about a person or a message. Removing, muting, banning, roles in a room; ignoring and reporting. All of it
// is in one dialog; who may do what the server knows, and here stands only what has a chance.

import { addressOf } from '../../core/conversation.js';
import { deleted } from '../../core/events.js';
import { fold } from '../../core/names.js';
import { keepsOrder } from '../../core/rights.js';
import { changed, isMe, notify, store } from '../../core/store.js';
import { dateWords } from '../../core/time.js';
import { errorWords, peopleWords, t } from '../../words/index.js';
import { $, el } from '../dom.js';
import { Views } from './views.js';

const MINUTES_MAX = 5_256_000; // ten years

export class Order {
  #dialog;

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.#dialog = new Views($('#person'), app, { wordsOf: (error) => errorWords(error ?? {}) });
  }

  // -- views

  memberMenu(conv, name) {
    this.#dialog.menu('member', name, '', this.#aboutPerson(conv, name));
  }

  messageMenu(conv, entry) {
    const isModerator = conv.kind === 'room' && keepsOrder(conv);
    const entries = [
      entry.id !== undefined && [t.copyLink, '', () => this.#copyLink(conv, entry)],
      conv.reading && [peopleWords.markUnread, '', () => {
        this.#dialog.close();
        this.app.parts.marking.markUnread(conv, entry.id);
      }],
      entry.id !== undefined && !entry.isDeleted && (entry.own || isModerator) && [peopleWords.deleteMessage, peopleWords.deleteMessageNote, () => this.deletion(conv, entry), 'danger'],
      conv.kind === 'room' && !entry.own && !entry.isDeleted && [peopleWords.report, peopleWords.reportNote, () => this.report(conv, entry)],
      ...(entry.own ? [] : this.#aboutPerson(conv, entry.name)),
    ];
    this.#dialog.menu('message', entry.name, `${dateWords(entry.time)} · ${this.#quote(entry)}`, entries.filter(Boolean));
  }

  async #copyLink(conv, entry) {
    const link = this.app.parts.address.linkTo(conv, entry.id);
    try {
      await navigator.clipboard.writeText(link);
    } catch {
      return this.#dialog.open('link', t.copyLink, ...this.#dialog.shownOnce(t.copyLink, link, ''));
    }
    this.#dialog.close();
    notify(t.linkCopied);
  }

  deletion(conv, entry) {
    this.#dialog.openForm('delete', peopleWords.deleteMessageTitle, {
      back: () => this.messageMenu(conv, entry),
      note: this.#quote(entry),
      fields: [],
      submit: peopleWords.deleteMessage,
      danger: true,
      done: async () => {
        deleted(await this.app.session.ask({ type: 'delete', ...addressOf(conv), id: entry.id }));
        changed();
        this.#dialog.close();
      },
    });
  }

  #quote({ text, isDeleted }) { return isDeleted ? peopleWords.messageDeleted : text.length > 120 ? `${text.slice(0, 120)}…` : text; }

  #aboutPerson(conv, name) {
    const key = fold(name), isRoom = conv.kind === 'room';
    const isOwner = isRoom && conv.role === 'owner', isModerator = isRoom && keepsOrder(conv);
    const isAdmin = store.role === 'owner' || store.role === 'admin', role = conv.roles.get(key), isAccount = conv.accounts.has(key);
    const isIgnored = store.ignored.has(key), back = () => this.memberMenu(conv, name);
    if (isMe(name)) return [];
    return [
      isRoom && [peopleWords.message, '', () => this.#then(() => this.app.router.message(name))],
      isOwner && isAccount && (role === 'moderator' ? [peopleWords.makeMember, '', () => this.#role(conv, name, 'member')] : role !== 'owner' && [peopleWords.makeModerator, '', () => this.#role(conv, name, 'moderator')]),
      isOwner && isAccount && role !== 'owner' && [peopleWords.handOver, peopleWords.handOverNote, () => this.#handOver(conv, name, back)],
      isIgnored ? [peopleWords.unignore, '', () => this.#then(() => this.unignore(name))] : [peopleWords.ignore, peopleWords.ignoreNote, () => this.#then(() => this.ignore(name))],
      isModerator && [peopleWords.mute, peopleWords.muteNote, () => this.mute(conv, name, '', '', back)],
      isModerator && [peopleWords.unmute, '', () => this.#then(() => this.unmute(conv, name))],
      isModerator && [peopleWords.remove(conv.name), peopleWords.removeNote, () => this.remove(conv, name, '', '', back), 'danger'],
      isAdmin && [peopleWords.ban, peopleWords.banNote, () => this.ban(name, '', '', back), 'danger'],
    ].filter(Boolean);
  }

  #then(act) {
    this.#dialog.close();
    act();
  }

  remove(conv, name, minutes = '', reason = '', back = null) {
    this.#sentence('remove', peopleWords.removeTitle(name, conv.name), { minutes, reason, back, submit: peopleWords.removeIt }, (rest) => (
      this.app.session.ask({ type: 'kick', room: conv.name, name, ...rest })));
  }

  mute(conv, name, minutes = '', reason = '', back = null) {
    this.#sentence('mute', peopleWords.muteTitle(name, conv.name), { minutes, reason, back, submit: peopleWords.mute }, async (rest) => {
      await this.app.session.ask({ type: 'mute', room: conv.name, name, ...rest });
      notify(peopleWords.muteDone(name));
    });
  }

  ban(whom = '', minutes = '', reason = '', back = null) {
    const fields = [{ key: 'name', label: peopleWords.whom, autocomplete: 'off', value: whom }];
    this.#sentence('ban', peopleWords.banTitle, { fields, minutes, reason, back, submit: peopleWords.banIt }, async ({ name, ...rest }) => {
      await this.app.session.ask({ type: 'ban', ...this.#target(name), ...rest });
      notify(peopleWords.banDone(name));
    });
  }

  /** What can be no name is an address. */
  #target(whom) { return /^[\d.]+(\/\d+)?$|:/.test(whom) ? { address: whom } : { name: whom }; }

  /** A form with a time and a reason. */
  #sentence(view, title, { fields = [], minutes, reason, back, submit }, act) {
    this.#dialog.openForm(view, title, {
      back,
      fields: [
        ...fields,
        { key: 'minutes', label: peopleWords.minutes, type: 'number', min: 1, max: MINUTES_MAX, value: minutes, required: false, note: peopleWords.minutesNote },
        { key: 'reason', label: peopleWords.reason, value: reason, required: false, maxLength: 400, note: peopleWords.reasonNote },
      ],
      submit,
      danger: true,
      done: async ({ minutes: typed, reason: why, ...rest }) => {
        await act({ ...rest, ...(typed && { minutes: Number(typed) }), ...(why && { reason: why }) });
        this.#dialog.close();
      },
    });
  }

  #handOver(conv, name, back) {
    this.#dialog.openForm('hand-over', peopleWords.handOverTitle(conv.name, name), {
      back,
      note: peopleWords.handOverNote,
      fields: [],
      submit: peopleWords.handOverIt,
      danger: true,
      done: async () => {
        await this.app.session.ask({ type: 'role', room: conv.name, name, role: 'owner' });
        this.#dialog.close();
        notify(peopleWords.roleDone(name, peopleWords.roleNames.owner));
      },
    });
  }

  #role(conv, name, role) {
    this.#then(() => this.#do({ type: 'role', room: conv.name, name, role }, peopleWords.roleDone(name, peopleWords.roleNames[role])));
  }

  report(conv, entry, reason = '') {
    this.#dialog.openForm('report', peopleWords.reportTitle, {
      note: `${entry.name}: ${this.#quote(entry)}`,
      fields: [{ key: 'reason', label: peopleWords.reportReason, value: reason, required: false, maxLength: 400, note: peopleWords.reportNote }],
      submit: peopleWords.reportIt,
      done: async ({ reason: why }) => {
        await this.app.session.ask({ type: 'report', room: conv.name, id: entry.id, ...(why && { reason: why }) });
        this.#dialog.close();
        notify(peopleWords.reportDone);
      },
    });
  }

  /** Of the whole server, for its admins. */
  bans() {
    const list = el('div', {});
    this.#dialog.open('bans', peopleWords.bans, list);
    this.#dialog.list(list, '', { type: 'bans' }, 'bans', peopleWords.noBans, ({ name, address, until, by, reason }) => ({
      title: name ?? address,
      note: [until === undefined ? peopleWords.forEver : peopleWords.until(dateWords(until)), by && peopleWords.by(by), reason],
      end: { type: 'unban', ...(name === undefined ? { address } : { name }) },
    }));
  }

  ignoredList() {
    const list = el('div', {});
    this.#dialog.open('ignored', peopleWords.ignoredList, list);
    this.#dialog.list(list, '', { type: 'ignored' }, 'names', peopleWords.noIgnored, (name) => ({ title: name, note: [], end: { type: 'unignore', name } }));
  }

  // -- what takes no view

  unmute(conv, name) { return this.#do({ type: 'unmute', room: conv.name, name }, peopleWords.unmuteDone(name)); }

  async ignore(name) {
    if (await this.#do({ type: 'ignore', name }, peopleWords.ignoreDone(name))) store.ignored.add(fold(name));
    changed();
  }

  async unignore(name) {
    if (await this.#do({ type: 'unignore', name }, peopleWords.unignoreDone(name))) store.ignored.delete(fold(name));
    changed();
  }

  /** Whether it is done; what is wrong has been told. */
  async #do(frame, done) {
    try {
      await this.app.session.ask(frame);
      notify(done);
      return true;
    } catch (error) {
      notify(errorWords(error ?? {}), true);
      return false;
    }
  }
}
