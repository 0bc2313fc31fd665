// Entering and leaving rooms, and catching up on what was said there meanwhile.

import { addDivider, MESSAGES_KEPT, trim } from '../core/entries.js';
import { byOf, reasonOf } from '../core/events.js';
import { bareRoom, roomKey } from '../core/names.js';
import { changed, conversation, current, dispatch, noteRecent, notify, rename, roomOf, saveMemory, store } from '../core/store.js';
import { isId, isText } from '../core/text.js';
import { peopleWords, t } from '../words/index.js';

const REPLAY = 50; // messages asked for on entering a room
const REPLAY_MS = 8000; // a replay that stays incomplete for so long is over

/** A room that answers so is out of reach, whatever it was before. */
const GONE = new Set(['no_such_room', 'removed']);

export class Rooms {
  #session;
  #left = new Set(); // keys of rooms that an account has left while there was no connection to say so

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  clear() { this.#left.clear(); }

  // -- what a person can do

  /** Shows a room, entering it first where need be. Offline it is entered as soon as there is a line. */
  join(name, code = '') {
    if (!bareRoom(name)) return;
    const conv = conversation('room', name);
    conv.wanted = true;
    this.#left.delete(conv.key);
    this.show(conv);
    if (conv.stage === 'out') this.enter(conv, code);
  }

  /** Of an account that has just begun: the room into which its invitation has brought it. */
  showNew(names) {
    const room = (Array.isArray(names) ? names : []).find((name) => isText(name) && !store.conversations.has(roomKey(name)));
    if (room) this.join(room);
  }

  message(name) { this.show(conversation('direct', name)); }

  show(conv) {
    const previous = current(), { reading, lists, conversations } = this.#session;
    store.current = conv ? conv.key : null;
    if (conv) noteRecent(conv);
    if (previous && previous !== conv) {
      Object.assign(previous, { firstUnread: null, sought: null });
      reading.closed(previous);
      trim(previous, MESSAGES_KEPT);
    }
    if (conv && conv !== previous) {
      conv.jumps = true;
      reading.opened(conv);
    }
    if (conv) lists.refreshMembers(conv);
    if (conv?.kind === 'direct') conversations.open(conv);
    saveMemory();
    changed();
  }

  leave(conv) {
    if (conv.kind === 'room' && conv.stage !== 'out') return void this.#session.request({ type: 'leave', room: conv.name });
    if ((store.account || this.#session.token.value) && conv.known && conv.kind === 'room') this.#left.add(conv.key);
    this.forget(conv);
  }

  forget(conv) {
    const keys = [...store.conversations.keys()], at = keys.indexOf(conv.key);
    store.conversations.delete(conv.key);
    dispatch({ type: 'left', conv: conv.key });
    const before = store.recent.find((key) => store.conversations.has(key));
    if (store.current === conv.key) this.show(store.conversations.get(before ?? keys[at + 1] ?? keys[at - 1]) || null);
    saveMemory();
    changed();
  }

  /** Rejects with the error. */
  setTopic(conv, text) { return this.#session.ask({ type: 'topic', room: conv.name, text }); }

  // -- entering

  enter(conv, code = '') {
    const frame = { type: 'join', room: conv.name, ...(code && { code }) };
    if (conv.lastId === null) Object.assign(frame, { replay: REPLAY });
    else Object.assign(frame, { since: conv.lastId, epoch: conv.epoch });
    const refused = (error) => {
      if (error.code === 'login_required') {
        conv.stage = 'out';
        return this.#session.page.loginRequired(conv);
      }
      notify({ ...error, about: conv.name }, true);
      if (conv.entries.length === 0 || GONE.has(error.code)) this.forget(conv);
      else conv.stage = 'out';
    };
    const entered = ({ type, room }) => {
      // Its moderators have been asked: it is entered when they say yes.
      if (type === 'asked') return this.forget(conv);
      // The server may know the room by another spelling than the one we asked for.
      if (isText(room)) rename(conv, roomKey(room), room);
    };
    if (this.#session.request(frame, entered, refused)) conv.stage = 'joining';
  }

  onJoined(frame) {
    if (frame.you !== true || !isText(frame.room) || !isText(frame.name)) return;
    const conv = conversation('room', frame.room);
    if (this.#left.delete(conv.key)) {
      this.#session.request({ type: 'leave', room: conv.name });
      return this.forget(conv);
    }
    conv.topic = isText(frame.topic) ? frame.topic : '';
    conv.total = isId(frame.members) ? frame.members : 0;
    conv.entry = isText(frame.entry) ? frame.entry : '';
    conv.role = isText(frame.role) ? frame.role : '';
    if (store.role) this.#session.reading.entered(conv, frame);
    // An account's room that this page has not asked for: what was said there, it asks for now.
    if (frame.ref === undefined) return void (conv.stage === 'out' && this.enter(conv));
    conv.wanted = false;
    this.#beginReplay(conv, frame);
    if (conv === current()) this.#session.lists.askMembers(conv);
    saveMemory();
  }

  #beginReplay(conv, { gap, position }) {
    const fresh = conv.lastId === null;
    if (!fresh && conv.epoch !== store.epoch) {
      // Ids start over. What is on the screen stays, under a divider, and can no longer be asked for.
      addDivider(conv, 'restart');
      Object.assign(conv, { lastId: null, readId: 0, mentions: 0, newFrom: null, ids: new Set(), older: false, passage: null });
    } else if (gap === true && !fresh) {
      addDivider(conv, 'gap');
      dispatch({ type: 'gap', conv: conv.key });
    }
    conv.since = conv.lastId;
    if (conv.since !== null) this.#session.history.askDeleted(conv);
    if (fresh) {
      if (conv.epoch !== store.epoch) conv.readId = null; // remembered from another life of the server
      conv.older = position > 0;
    }
    Object.assign(conv, { epoch: store.epoch, stage: 'replaying', known: true, position: isId(position) ? position : 0 });
    if (!store.role) this.#session.reading.entered(conv);
    if (conv.position <= (conv.lastId ?? 0)) return this.#endReplay(conv);
    const join = ++conv.joins;
    setTimeout(() => conv.joins === join && conv.stage === 'replaying' && this.#endReplay(conv), REPLAY_MS);
  }

  /** From here on nothing that was missed is still to come, so what is unsure can be judged and what waits can go. */
  #endReplay(conv) {
    conv.stage = 'in';
    conv.lastId = Math.max(conv.lastId ?? 0, conv.position);
    this.caughtUp(conv);
  }

  caughtUp(conv) {
    this.#session.outgoing.settle();
    this.#session.history.seek(conv);
  }

  onReplay(frame) {
    const conv = roomOf(frame);
    if (!conv || frame.replay !== true || !Array.isArray(frame.messages)) return;
    for (const message of frame.messages) this.#session.incoming.take(conv, message, 'replay');
    if (conv.stage === 'replaying' && (conv.lastId ?? 0) >= conv.position) this.#endReplay(conv);
  }

  onLeft(frame) {
    const conv = roomOf(frame), by = byOf(frame), why = reasonOf(frame);
    if (!conv || frame.you !== true || !isText(frame.name)) return;
    if (frame.ref === undefined && !frame.isOurs) notify(by ? peopleWords.removed(by, conv.name, why) : t.removedFrom(conv.name, why), Boolean(by));
    this.forget(conv);
  }
}
