// What is done with a room beyond talking in it: making a private one, who may enter and write, inviting, letting in who asks,
// renaming, archiving, deleting. All of it is in one dialog.

import { words } from './people-words.js';
import { Views } from './dialogs.js';
import { $, el, isText, setText } from './dom.js';

const USES_MAX = 10_000;
const DAYS_MAX = 365;
const SETTINGS = ['entry', 'listed', 'newcomers_see', 'posting', 'invites', 'archived', 'kept'];

export class RoomDialogs {
  #host;
  #dialog;

  /**
   * `host`: store; ask(frame), a promise; notify(text, isError, actions); errorWords(error); knows(command); changed(); date(ms);
   * fold(name); isolate(name); bareRoom(name); accounts, which shows invitations; enter(room, code); forget(conv), leaves it;
   * focus(), where the focus belongs otherwise.
   */
  constructor(host) {
    this.#host = host;
    this.#dialog = new Views($('#room'), { ...host, wordsOf: (error) => host.errorWords(error ?? {}) });
  }

  // -- what the rest of the page tells

  /** Somebody asks to be let in. */
  asked(conv, name) {
    this.#host.notify(words.asks(this.#host.isolate(name), conv.name), false, [
      [words.accept, () => this.admit(conv, name)],
      [words.refuse, () => this.refuse(conv, name)],
    ]);
  }

  /** Somebody has let this person into a room. */
  invited({ room, by }) {
    if (!isText(room) || !isText(by)) return;
    this.#host.notify(words.invitedBy(this.#host.isolate(by), room), false, [[words.enter, () => this.#host.enter(room)], [words.notNow, () => {}]]);
  }

  refused({ room }) {
    if (isText(room)) this.#host.notify(words.refused(room), true);
  }

  /** What has changed, in sentences for the log. */
  changes(before, now, by) {
    if (isText(now.from)) return [words.renamed(by, now.from, now.room)];
    const changed = SETTINGS.filter((key) => now[key] !== undefined && (before ?? {})[key] !== now[key]);
    // Where it is not known what was before, who may enter is what matters.
    const told = before ? changed : changed.filter((key) => key === 'entry');
    const sentences = told.map((key) => words.changes[key][now[key]]).filter(isText).map((what) => words.made(by, what));
    return sentences.length ? sentences : [words.changed(by)];
  }

  /** Why this person cannot write there, or ''. */
  silence(conv) {
    if (conv?.settings?.archived === true) return words.archived;
    return conv?.settings?.posting === 'moderators' && !this.#isModerator(conv) ? words.onlyModerators : '';
  }

  #isModerator(conv) { return conv.role === 'owner' || conv.role === 'moderator'; }

  // -- views

  /** Asks for the rules of a room first: it is by them that the menu has what it has. */
  async menu(conv) {
    const { ask, store } = this.#host;
    const frame = await this.#try(() => ask({ type: 'room', room: conv.name }));
    if (!frame) return;
    for (const name of Array.isArray(frame.asking) ? frame.asking.filter(isText) : []) conv.asking.set(this.#host.fold(name), name);
    const isOwner = conv.role === 'owner', isModerator = this.#isModerator(conv), { archived, kept, invites, entry } = frame;
    const mayInvite = store.role && !archived && (isModerator || (invites !== 'moderators' && entry !== 'ask'));
    const entries = [
      mayInvite && [words.invite, words.inviteNote, () => this.invite(conv)],
      isModerator && [words.settings, words.settingsNote, () => this.#settings(conv, frame)],
      conv.reading && [words.notifications, words.levels[conv.reading.level], () => this.levels(conv)],
      store.role && kept === false && [words.keep, words.keepNote, () => this.keep(conv)],
      isOwner && [words.rename, '', () => this.rename(conv)],
      isOwner && (archived ? [words.unarchive, '', () => this.#archive(conv, false)] : [words.archive, words.archiveNote, () => this.#archive(conv, true)]),
      isOwner && [words.deleteRoom, '', () => this.deletion(conv), 'danger'],
      [words.leave, '', () => this.#leave(conv)],
    ];
    const facts = [words.entryShort[frame.entry], archived && words.archived, frame.posting === 'moderators' && words.onlyModerators, words.yours[conv.role]];
    this.#dialog.menu('menu', conv.name, facts.filter(Boolean).join(' · '), entries.filter(Boolean));
  }

  create(wish = '') {
    const { ask, bareRoom, enter, notify } = this.#host;
    this.#dialog.openForm('create', words.newRoom, {
      note: words.newNote,
      fields: [
        { key: 'room', label: words.roomName, value: wish, autocomplete: 'off', maxLength: 768 },
        { key: 'entry', label: words.entry, choices: words.entries, value: 'invited' },
      ],
      submit: words.make,
      done: async ({ room, entry }) => {
        const bare = bareRoom(room);
        if (!bare) throw { code: 'room_refused', message: '' };
        const frame = await ask({ type: 'join', room: `#${bare}` });
        const isNew = frame.role === 'owner', name = frame.room ?? bare;
        if (isNew && entry !== (frame.entry ?? 'all')) await ask({ type: 'room', room: name, entry });
        this.#dialog.close();
        enter(name);
        if (!isNew) notify(words.exists(name), true);
      },
    });
  }

  #settings(conv, now) {
    const { ask, notify } = this.#host, isOwner = conv.role === 'owner';
    const fields = [
      isOwner && { key: 'entry', label: words.entry, choices: words.entries, value: now.entry },
      { key: 'listed', label: words.listed, type: 'checkbox', checked: now.listed === true, note: words.listedNote },
      { key: 'newcomers_see', label: words.newcomers, choices: words.newcomersSee, value: now.newcomers_see, note: words.newcomersNote },
      { key: 'posting', label: words.posting, choices: words.postings, value: now.posting },
      { key: 'invites', label: words.invites, choices: words.inviters, value: now.invites },
    ];
    this.#dialog.openForm('settings', words.settings, {
      back: () => this.menu(conv),
      fields: fields.filter((field) => field && now[field.key] !== undefined),
      submit: words.save,
      done: async (values) => {
        const changed = Object.fromEntries(Object.entries(values).filter(([key, value]) => now[key] !== value));
        if (Object.keys(changed).length) await ask({ type: 'room', room: conv.name, ...changed });
        this.#dialog.close();
        notify(words.saved(conv.name));
      },
    });
  }

  levels(conv) {
    const entries = Object.entries(words.levels).map(([level, label]) => [label, level === conv.reading?.level ? '✓' : '', () => {
      this.#dialog.close();
      this.#host.setLevel(conv, level);
    }]);
    this.#dialog.menu('levels', words.notifications, conv.name, entries, () => this.menu(conv));
  }

  invite(conv) {
    const { ask, accounts, notify, isolate } = this.#host;
    const result = el('div', { className: 'result' });
    const name = this.#byName(conv, async (typed) => {
      await ask({ type: 'admit', room: conv.name, name: typed });
      this.#dialog.close();
      notify(words.letInDone(isolate(typed), conv.name));
    });
    this.#dialog.openForm('invite', words.inviteTo(conv.name), {
      back: () => this.menu(conv),
      fields: [
        { key: 'uses', label: accounts.words.uses, type: 'number', value: 1, min: 1, max: USES_MAX },
        { key: 'days', label: accounts.words.days, type: 'number', value: 7, min: 1, max: DAYS_MAX },
        { key: 'accounts', label: words.mayRegister, type: 'checkbox', checked: true },
      ],
      submit: accounts.words.makeLink,
      after: [result, el('h3', { textContent: words.byName }), name],
      done: async ({ uses, days, accounts: mayRegister }) => {
        const made = await ask({ type: 'invite', uses: Number(uses), hours: 24 * Number(days), rooms: [conv.name], accounts: mayRegister });
        result.replaceChildren(
          ...this.#dialog.shownOnce(accounts.words.linkLabel, this.#linkOf(made, conv), words.linkNote(conv.name), accounts.words.qr),
          el('p', { className: 'note' }, `${words.atTerminal}: `, el('kbd', { textContent: `/join ${conv.name} ${made.code}` })),
        );
        result.querySelector('button').focus();
      },
    });
  }

  /** The code opens the room, which has to be named. Neither is sent to any server before the link's reader has decided. */
  #linkOf(made, conv) { return `${this.#host.accounts.linkOf(made)}&room=${encodeURIComponent(this.#host.bareRoom(conv.name))}`; }

  /** A field and a button, beside the form of the view. */
  #byName(conv, done) {
    const input = el('input', { type: 'text', name: 'name', autocomplete: 'off', spellcheck: false, autocapitalize: 'none', ariaLabel: words.byName });
    const fault = el('p', { className: 'fault', role: 'alert' });
    const form = el('form', { className: 'one', noValidate: true }, input, el('button', { type: 'submit', className: 'solid', textContent: words.letIn }), fault);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      setText(fault, '');
      if (input.value.trim()) await done(input.value.trim()).catch((error) => setText(fault, this.#host.errorWords(error ?? {})));
      else input.focus();
    });
    return form;
  }

  rename(conv, name = '') {
    const { ask } = this.#host;
    this.#dialog.openForm('rename', words.renameTitle(conv.name), {
      back: () => this.menu(conv),
      note: words.renameNote,
      fields: [{ key: 'room', label: words.newName, value: name || conv.name, autocomplete: 'off', maxLength: 768 }],
      submit: words.rename,
      done: async ({ room }) => {
        await ask({ type: 'room_name', room: conv.name, name: room });
        this.#dialog.close();
      },
    });
  }

  deletion(conv) {
    const { ask, bareRoom, fold } = this.#host;
    this.#dialog.openForm('deletion', words.deleteTitle(conv.name), {
      back: () => this.menu(conv),
      note: words.deleteNote,
      fields: [{ key: 'room', label: words.typeBack(conv.name), autocomplete: 'off', maxLength: 768 }],
      submit: words.deleteIt,
      danger: true,
      done: async ({ room }) => {
        if (fold(bareRoom(room)) !== fold(bareRoom(conv.name))) throw { code: 'room_refused', message: words.notThat };
        await ask({ type: 'delete_room', room: conv.name, name: conv.name });
        this.#dialog.close();
      },
    });
  }

  // -- what takes no view

  async admit(conv, name) {
    const { ask, notify, isolate } = this.#host;
    const done = await this.#try(() => ask({ type: 'admit', room: conv.name, name }));
    if (done) notify(words.letInDone(isolate(name), conv.name));
    this.#answered(conv, name);
  }

  async refuse(conv, name) {
    await this.#try(() => this.#host.ask({ type: 'refuse', room: conv.name, name }));
    this.#answered(conv, name);
  }

  #answered(conv, name) {
    conv.asking.delete(this.#host.fold(name));
    this.#host.changed();
  }

  async keep(conv) {
    this.#dialog.close();
    const done = await this.#try(() => this.#host.ask({ type: 'keep', room: conv.name }));
    if (done) this.#host.notify(words.kept(conv.name));
  }

  async #archive(conv, archived) {
    this.#dialog.close();
    await this.#try(() => this.#host.ask({ type: 'room', room: conv.name, archived }));
  }

  #leave(conv) {
    this.#dialog.close();
    this.#host.forget(conv);
  }

  /** The answer, or undefined, and the error has been told. */
  async #try(act) {
    try {
      return await act();
    } catch (error) {
      this.#host.notify(this.#host.errorWords(error ?? {}), true);
      return undefined;
    }
  }
}
