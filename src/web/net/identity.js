// Who this page is: a guest with a name that it would like to keep, or an account.

import { renamedMe } from '../core/events.js';
import { fold, roomKey } from '../core/names.js';
import { changed, conversation, current, dispatch, notify, rooms, saveMemory, store } from '../core/store.js';
import { isText } from '../core/text.js';
import { t } from '../words/index.js';

const NAME_RETRY_S = [1, 2, 4, 8, 15, 30, 30];
export const FIRST_ROOM = 'lobby';

const namesOf = ({ rooms: names }) => (Array.isArray(names) ? names.filter(isText) : []);

export class Identity {
  #session;
  #nameTimer = 0;
  isQuitting = false; // this page asked to be a guest again

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  cut() { clearTimeout(this.#nameTimer); }

  welcomed(frame) {
    const wish = store.wish || store.name, { rooms: entering, outgoing, page } = this.#session;
    const isSomebody = this.#identify(frame);
    page.welcomed();
    // An account's rooms are told by themselves, and which they are.
    if (isSomebody) return this.#beSomebody();
    if (store.ended) return;
    if (wish && fold(wish) !== fold(frame.name)) this.#claimName(wish);
    const first = current();
    for (const conv of rooms().sort((a, b) => Number(b === first) - Number(a === first))) entering.enter(conv);
    outgoing.flush();
  }

  #beSomebody() {
    // A tab that shares a connection which another one has opened is told of its rooms by nothing else.
    this.#session.request({ type: 'account' }, (frame) => { for (const name of namesOf(frame)) conversation('room', name); });
    this.#learnOwn();
  }

  /** What the server keeps for this account alone. */
  #learnOwn() {
    this.#session.conversations.list();
    this.#learnIgnored();
  }

  /** Whom this account ignores, on whatever device. */
  async #learnIgnored() {
    const { names } = await this.#session.ask({ type: 'ignored' }).catch(() => ({ names: [] }));
    store.ignored = new Set((Array.isArray(names) ? names : []).map(fold));
    changed();
  }

  // -- names

  onRenamed(frame) {
    if (frame.you !== true || !isText(frame.from) || !isText(frame.to) || store.name === frame.to) return;
    renamedMe(frame);
    if (!store.role) store.wish = frame.to; // which may have been asked for in another tab
    this.#session.outgoing.settle();
  }

  /** The name may be held by our own lost connection, which the server has not yet noticed: ask again, ever more rarely. */
  #claimName(wish, attempt = 0) {
    const isQuiet = !store.wish; // a guest never asked for a name and need not hear about it
    this.#session.request({ type: 'nick', name: wish }, () => {}, (error) => {
      if (store.account) return;
      if (error.code === 'name_taken' && attempt < NAME_RETRY_S.length) {
        if (attempt === 2 && !isQuiet) notify(t.nameHeld(wish, store.name));
        this.#nameTimer = setTimeout(() => this.#claimName(wish, attempt + 1), NAME_RETRY_S[attempt] * 1000);
        return;
      }
      if (error.code !== 'name_taken') store.wish = '';
      if (!isQuiet) notify(error.code === 'name_taken' ? t.nameGone(wish, store.name) : error, true);
    });
  }

  // -- accounts

  /** Who this page is now, by a frame with a name and perhaps a role. Returns whether that is an account. */
  #identify({ name, role }) {
    const before = store.account;
    store.name = name;
    store.role = isText(role) ? role : '';
    if (!store.role) {
      if (before) this.#endAccount(before);
      return false;
    }
    clearTimeout(this.#nameTimer);
    if (before && fold(before) !== fold(name)) this.#clear(); // what is here is somebody else's
    Object.assign(store, { account: name, wish: '', ended: '' });
    this.#session.page.identified();
    saveMemory();
    return true;
  }

  /** As an answer it has the account's rooms as well: where somebody left or joined elsewhere, this page follows. */
  onAccount(frame) {
    if (!isText(frame.name)) return;
    const before = store.account, { rooms: entering, lists, outgoing } = this.#session;
    if (!this.#identify(frame)) return;
    if (!before) this.#learnOwn();
    for (const conv of rooms()) conv.membersAsked = false;
    const theirs = new Set(namesOf(frame).map(roomKey));
    for (const conv of frame.ref === undefined ? [] : rooms()) {
      if (conv.stage !== 'out') continue;
      if (before && !conv.wanted && !theirs.has(conv.key)) entering.forget(conv);
      else entering.enter(conv);
    }
    if (!store.current) entering.show(rooms()[0] ?? null);
    const conv = current();
    if (conv) lists.askMembers(conv);
    outgoing.settle();
  }

  /** Nothing is joined or said by the guest that this page is now, until its reader has decided. */
  #endAccount(name) {
    if (this.isQuitting) {
      this.#session.account.forgetCookie();
      return this.goOnAsGuest();
    }
    if (store.ended) return;
    store.ended = name;
    for (const conv of store.conversations.values()) conv.stage = 'out';
    dispatch({ type: 'cut' });
    this.#session.account.forgetCookie();
    this.#session.page.ended();
  }

  goOnAsGuest() {
    this.isQuitting = false;
    this.#clear();
    Object.assign(store, { account: '', ended: '', wish: '' });
    this.#session.rooms.join(FIRST_ROOM);
  }

  #clear() {
    store.conversations.clear();
    Object.assign(store, { outbox: [], current: null, notice: null, ignored: new Set(), recent: [] });
    this.#session.rooms.clear();
    this.#session.reading.forget();
    this.#session.page.forget();
  }
}
