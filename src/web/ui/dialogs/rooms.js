// What is done with a room beyond talking in it: making a private one, who may enter and write, inviting, letting in who asks,
// renaming, archiving, deleting. All of it is in one dialog.

import { bareRoom, fold } from '../../core/names.js';
import { isFavourite, setFavourite } from '../../core/order.js';
import { keepsOrder } from '../../core/rights.js';
import { changed, notify, roomOf, store } from '../../core/store.js';
import { isolate, isText } from '../../core/text.js';
import { accountWords, errorWords, peopleWords } from '../../words/index.js';
import { $, el, setText } from '../dom.js';
import { DAYS_MAX, USES_MAX } from './account-menu.js';
import { linkOf, Views } from './views.js';

export class RoomDialogs {
  #dialog;

  /** @param {import('../app.js').App} app */
  constructor(app) {
    this.app = app;
    this.#dialog = new Views($('#room'), app, { wordsOf: (error) => errorWords(error ?? {}) });
  }

  // -- what the rest of the page tells

  /** Somebody asks to be let in. The answer to one's own asking comes without a name. */
  asked(frame) {
    const conv = roomOf(frame), { name, room } = frame;
    if (!isText(room)) return;
    if (!isText(name)) return notify(peopleWords.asked(room));
    if (!conv) return;
    conv.asking.set(fold(name), name);
    changed();
    notify(peopleWords.asks(isolate(name), conv.name), false, [
      [peopleWords.accept, () => this.admit(conv, name)],
      [peopleWords.refuse, () => this.refuse(conv, name)],
    ]);
  }

  /** Somebody has let this person into a room. */
  invited({ room, by }) {
    if (!isText(room) || !isText(by)) return;
    notify(peopleWords.invitedBy(isolate(by), room), false, [[peopleWords.enter, () => this.app.router.enter(room)], [peopleWords.notNow, () => {}]]);
  }

  refused({ room }) {
    if (isText(room)) notify(peopleWords.refused(room), true);
  }

  // -- views

  /** Asks for the rules of a room first: it is by them that the menu has what it has. */
  async menu(conv) {
    const frame = await this.#try(() => this.app.session.ask({ type: 'room', room: conv.name }));
    if (!frame) return;
    for (const name of Array.isArray(frame.asking) ? frame.asking.filter(isText) : []) conv.asking.set(fold(name), name);
    const isOwner = conv.role === 'owner', isModerator = keepsOrder(conv), { archived, kept, invites, entry } = frame;
    const mayInvite = store.role && !archived && (isModerator || (invites !== 'moderators' && entry !== 'ask'));
    const entries = [
      mayInvite && [peopleWords.invite, peopleWords.inviteNote, () => this.invite(conv)],
      isModerator && [peopleWords.settings, peopleWords.settingsNote, () => this.#settings(conv, frame)],
      store.role && conv.reading && [peopleWords.notifications, peopleWords.levels[conv.reading.level], () => this.levels(conv)],
      isModerator && !archived && [peopleWords.hooks, peopleWords.hooksNote, () => this.hooks(conv)],
      store.role && kept === false && [peopleWords.keep, peopleWords.keepNote, () => this.keep(conv)],
      isOwner && [peopleWords.rename, '', () => this.rename(conv)],
      isOwner && (archived ? [peopleWords.unarchive, '', () => this.#archive(conv, false)] : [peopleWords.archive, peopleWords.archiveNote, () => this.#archive(conv, true)]),
      isOwner && [peopleWords.deleteRoom, '', () => this.deletion(conv), 'danger'],
      isFavourite(conv) ? [peopleWords.unstar, '', () => this.#star(conv, false)] : [peopleWords.star, peopleWords.starNote, () => this.#star(conv, true)],
      [peopleWords.leave, '', () => this.leave(conv)],
    ];
    const facts = [peopleWords.entryShort[frame.entry], archived && peopleWords.archived, frame.posting === 'moderators' && peopleWords.onlyModerators, peopleWords.yours[conv.role]];
    this.#dialog.menu('menu', conv.name, facts.filter(Boolean).join(' · '), entries.filter(Boolean));
  }

  create(wish = '') {
    this.#dialog.openForm('create', peopleWords.newRoom, {
      note: peopleWords.newNote,
      fields: [
        { key: 'room', label: peopleWords.roomName, value: wish, autocomplete: 'off', maxLength: 768 },
        { key: 'entry', label: peopleWords.entry, choices: peopleWords.entries, value: 'invited' },
      ],
      submit: peopleWords.make,
      done: async ({ room, entry }) => {
        const bare = bareRoom(room);
        if (!bare) throw { code: 'room_refused', message: '' };
        const frame = await this.app.session.ask({ type: 'join', room: `#${bare}` });
        const isNew = frame.role === 'owner', name = frame.room ?? bare;
        if (isNew && entry !== (frame.entry ?? 'all')) await this.app.session.ask({ type: 'room', room: name, entry });
        this.#dialog.close();
        this.app.router.enter(name);
        if (!isNew) notify(peopleWords.exists(name), true);
      },
    });
  }

  #settings(conv, now) {
    const isOwner = conv.role === 'owner';
    const fields = [
      isOwner && { key: 'entry', label: peopleWords.entry, choices: peopleWords.entries, value: now.entry },
      { key: 'listed', label: peopleWords.listed, type: 'checkbox', checked: now.listed === true, note: peopleWords.listedNote },
      { key: 'newcomers_see', label: peopleWords.newcomers, choices: peopleWords.newcomersSee, value: now.newcomers_see, note: peopleWords.newcomersNote },
      { key: 'posting', label: peopleWords.posting, choices: peopleWords.postings, value: now.posting },
      { key: 'invites', label: peopleWords.invites, choices: peopleWords.inviters, value: now.invites },
    ];
    this.#dialog.openForm('settings', peopleWords.settings, {
      back: () => this.menu(conv),
      fields: fields.filter((field) => field && now[field.key] !== undefined),
      submit: peopleWords.save,
      done: async (values) => {
        const changed = Object.fromEntries(Object.entries(values).filter(([key, value]) => now[key] !== value));
        if (Object.keys(changed).length) await this.app.session.ask({ type: 'room', room: conv.name, ...changed });
        this.#dialog.close();
        notify(peopleWords.saved(conv.name));
      },
    });
  }

  levels(conv) {
    const entries = Object.entries(peopleWords.levels).map(([level, label]) => [label, level === conv.reading?.level ? '✓' : '', () => {
      this.#dialog.close();
      this.app.parts.marking.setLevel(conv, level);
    }]);
    this.#dialog.menu('levels', peopleWords.notifications, conv.name, entries, () => this.menu(conv));
  }

  invite(conv) {
    const result = el('div', { className: 'result' });
    const name = this.#byName(async (typed) => {
      await this.app.session.ask({ type: 'admit', room: conv.name, name: typed });
      this.#dialog.close();
      notify(peopleWords.letInDone(isolate(typed), conv.name));
    });
    this.#dialog.openForm('invite', peopleWords.inviteTo(conv.name), {
      back: () => this.menu(conv),
      fields: [
        { key: 'uses', label: accountWords.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: accountWords.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
        { key: 'accounts', label: peopleWords.mayRegister, type: 'checkbox', checked: true },
      ],
      submit: accountWords.makeLink,
      after: [result, el('h3', { textContent: peopleWords.byName }), name],
      done: async ({ uses, days, accounts: mayRegister }) => {
        const made = await this.app.session.ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days), rooms: [conv.name], accounts: mayRegister });
        result.replaceChildren(
          ...this.#dialog.shownOnce(accountWords.linkLabel, this.#linkOf(made, conv), peopleWords.linkNote(conv.name), accountWords.qr),
          el('p', { className: 'note' }, `${peopleWords.atTerminal}: `, el('kbd', { textContent: `/join ${conv.name} ${made.code}` })),
        );
        result.querySelector('button').focus();
      },
    });
  }

  /** Programs that say something in the room. */
  hooks(conv) {
    const list = el('div', {}), result = el('div', { className: 'result' });
    const show = () => this.#dialog.list(list, '', { type: 'hooks', room: conv.name }, 'hooks', peopleWords.noHooks, ({ name, by, stopped }) => ({
      title: name,
      note: [peopleWords.by(isolate(by)), stopped ? peopleWords.hookStopped : ''],
      end: { type: 'end_hook', room: conv.name, name },
    }));
    this.#dialog.openForm('hooks', peopleWords.hooksOf(conv.name), {
      back: () => this.menu(conv),
      before: [list],
      fields: [{ key: 'name', label: accountWords.name, autocomplete: 'off', maxLength: 128 }],
      submit: peopleWords.makeHook,
      after: [result],
      done: async ({ name }, form) => {
        const { token } = await this.app.session.ask({ type: 'hook', room: conv.name, name });
        result.replaceChildren(...this.#dialog.shownOnce(peopleWords.hookShown, `${new URL('.', location.href)}hook/${token}`, peopleWords.hookShownNote));
        result.querySelector('button').focus();
        form.reset();
        show();
      },
    });
    show();
  }

  /** The code opens the room, which has to be named. Neither is sent to any server before the link's reader has decided. */
  #linkOf(made, conv) { return `${linkOf(made)}&room=${encodeURIComponent(bareRoom(conv.name))}`; }

  /** A field and a button, beside the form of the view. */
  #byName(done) {
    const input = el('input', { type: 'text', name: 'name', autocomplete: 'off', spellcheck: false, autocapitalize: 'none', ariaLabel: peopleWords.byName });
    const fault = el('p', { className: 'fault', role: 'alert' });
    const form = el('form', { className: 'one', noValidate: true }, input, el('button', { type: 'submit', className: 'solid', textContent: peopleWords.letIn }), fault);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      setText(fault, '');
      if (input.value.trim()) await done(input.value.trim()).catch((error) => setText(fault, errorWords(error ?? {})));
      else input.focus();
    });
    return form;
  }

  rename(conv, name = '') {
    this.#dialog.openForm('rename', peopleWords.renameTitle(conv.name), {
      back: () => this.menu(conv),
      note: peopleWords.renameNote,
      fields: [{ key: 'room', label: peopleWords.newName, value: name || conv.name, autocomplete: 'off', maxLength: 768 }],
      submit: peopleWords.rename,
      done: async ({ room }) => {
        await this.app.session.ask({ type: 'room_name', room: conv.name, name: room });
        this.#dialog.close();
      },
    });
  }

  deletion(conv) {
    this.#dialog.openForm('deletion', peopleWords.deleteTitle(conv.name), {
      back: () => this.menu(conv),
      note: peopleWords.deleteNote,
      fields: [{ key: 'room', label: peopleWords.typeBack(conv.name), autocomplete: 'off', maxLength: 768 }],
      submit: peopleWords.deleteIt,
      danger: true,
      done: async ({ room }) => {
        if (fold(bareRoom(room)) !== fold(bareRoom(conv.name))) throw { code: 'room_refused', message: peopleWords.notThat };
        await this.app.session.ask({ type: 'delete_room', room: conv.name, name: conv.name });
        this.#dialog.close();
      },
    });
  }

  // -- what takes no view

  async admit(conv, name) {
    const done = await this.#try(() => this.app.session.ask({ type: 'admit', room: conv.name, name }));
    if (done) notify(peopleWords.letInDone(isolate(name), conv.name));
    this.#answered(conv, name);
  }

  async refuse(conv, name) {
    await this.#try(() => this.app.session.ask({ type: 'refuse', room: conv.name, name }));
    this.#answered(conv, name);
  }

  #answered(conv, name) {
    conv.asking.delete(fold(name));
    changed();
  }

  async keep(conv) {
    this.#dialog.close();
    const done = await this.#try(() => this.app.session.ask({ type: 'keep', room: conv.name }));
    if (done) notify(peopleWords.kept(conv.name));
  }

  async #archive(conv, archived) {
    this.#dialog.close();
    await this.#try(() => this.app.session.ask({ type: 'room', room: conv.name, archived }));
  }

  /** A direct conversation comes back by itself; a room is asked about. */
  leave(conv) {
    if (conv.kind !== 'room') return this.app.session.rooms.leave(conv);
    this.#dialog.openForm('leave', peopleWords.leaveTitle(conv.name), {
      note: conv.settings?.kept === false && conv.total <= 1 ? peopleWords.leaveLast : peopleWords.leaveNote,
      fields: [],
      submit: peopleWords.leave,
      done: async () => {
        this.#dialog.close();
        this.app.session.rooms.leave(conv);
      },
    });
  }

  #star(conv, isWanted) {
    this.#dialog.close();
    setFavourite(conv, isWanted);
    changed();
  }

  /** The answer, or undefined, and the error has been told. */
  async #try(act) {
    try {
      return await act();
    } catch (error) {
      notify(errorWords(error ?? {}), true);
      return undefined;
    }
  }
}
