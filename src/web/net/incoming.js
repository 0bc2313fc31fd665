// What is said: live, in a replay, or asked for. Each message is taken once.

import { addDivider, insertMessage, isMessage, MESSAGES_KEPT, MESSAGES_KEPT_READING_BACK, messageOf, nextKey, claim, trim } from '../core/entries.js';
import { directKey, fold } from '../core/names.js';
import { itemOf } from '../core/outbox.js';
import { conversation, current, dispatch, isMe, rename, roomOf, store } from '../core/store.js';
import { isId, isText } from '../core/text.js';
import { timeOf } from '../core/time.js';

export class Incoming {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  said(frame) {
    const conv = roomOf(frame);
    // An account hears its rooms at once. What is said before its page has joined is in the replay.
    if (conv && conv.stage !== 'out' && conv.stage !== 'joining') this.take(conv, frame, 'live');
  }

  /** `way`: 'live' and 'replay' move the resume position, 'older' fills in above. */
  take(conv, raw, way) {
    if (!isMessage(raw)) return;
    const isIgnored = raw.ignored === true;
    // What is replayed may come late, after what is new.
    const known = { live: conv.lastId, replay: conv.since, older: null }[way];
    if (conv.ids.has(raw.id) || (known !== null && raw.id <= known)) {
      // It may be here under a name that nobody knew to be one's own.
      if (!isIgnored && this.#arrived(conv, raw, true)) claim(conv, raw.id);
      return;
    }
    const item = isIgnored ? undefined : this.#arrived(conv, raw, way === 'older');
    const isOwn = !isIgnored && (item !== undefined || isMe(raw.name));
    const message = messageOf(conv, raw, isOwn, item?.key);
    conv.ids.add(raw.id);
    insertMessage(conv, message);
    if (way === 'older') return;
    conv.lastId = Math.max(conv.lastId ?? 0, raw.id);
    conv.at = Math.max(conv.at, message.time);
    if (!isIgnored) conv.typing.delete(fold(raw.name));
    if (way === 'live' && !isIgnored) conv.away.delete(fold(raw.name));
    this.#session.reading.count(conv, message);
    if (way === 'live') this.#session.page.said(conv, message);
    trim(conv, this.#session.page.isReadingBack(conv) ? MESSAGES_KEPT_READING_BACK : MESSAGES_KEPT);
  }

  /** The outbox item that this message is the server's copy of, taken out of the outbox; undefined if there is none. */
  #arrived(conv, raw, byRefOnly) {
    const item = itemOf(store.outbox, conv.key, raw, byRefOnly);
    if (!item) return undefined;
    dispatch({ type: 'arrived', key: item.key });
    this.#session.outgoing.flush();
    return item;
  }

  direct(frame) {
    if (!isText(frame.from) || !isText(frame.to) || (!isText(frame.text) && frame.deleted !== true)) return;
    const own = isMe(frame.from);
    const item = store.outbox.find(({ state, ref }) => state === 'sent' && frame.ref !== undefined && ref === frame.ref);
    if (own && isMe(frame.to) && !item && !isId(frame.id)) return; // to oneself: one copy is enough
    if (item) dispatch({ type: 'arrived', key: item.key });
    const conv = (item && store.conversations.get(item.conv)) || conversation('direct', own ? frame.to : frame.from);
    // The server has its own spelling of a name that was typed here.
    const key = directKey(frame.to);
    if (own && item && conv.kind === 'direct' && (key === conv.key || !store.conversations.has(key))) rename(conv, key, frame.to);
    if (store.role) conv.isGuest = frame.guest === true; // one of the two is, and not this one
    if (isId(frame.id)) this.#takeDirect(conv, frame, item, own);
    else this.#takeUnkept(conv, frame, item, own);
    trim(conv, MESSAGES_KEPT);
    this.#session.outgoing.flush();
  }

  /** Of a conversation that is on this screen only. */
  #takeUnkept(conv, { from, text, time }, item, own) {
    const message = {
      type: 'message', key: item ? item.key : nextKey(), id: undefined, epoch: '', time: timeOf(time),
      name: from, text, me: false, own, mention: false,
    };
    insertMessage(conv, message);
    this.#session.reading.count(conv, message);
    this.#session.page.said(conv, message);
  }

  /** Of a conversation that the server keeps. What was said in it before is asked for when it is looked at. */
  #takeDirect(conv, { from, text, id, time, deleted }, item, own) {
    this.keep(conv);
    conv.at = Math.max(conv.at, timeOf(time));
    if (conv.stage === 'out' && conv.lastId === null && conv !== current()) {
      conv.position = id;
    } else if (!conv.ids.has(id)) {
      conv.ids.add(id);
      insertMessage(conv, messageOf(conv, { id, time, name: from, text, deleted }, own, item?.key));
      if (conv.stage === 'in') conv.lastId = Math.max(conv.lastId ?? 0, id);
    }
    if (!conv.reading && !conv.asked) this.#session.reading.askSoon();
    conv.asked = true;
    this.#session.reading.count(conv, { id, own, mention: false });
    this.#session.page.said(conv, { name: from, text, own, isDeleted: deleted === true });
    if (conv === current()) this.#session.conversations.open(conv);
  }

  /** This conversation has ids, of this life of the server. */
  keep(conv) {
    if (conv.kept && conv.epoch !== store.epoch) {
      addDivider(conv, 'restart');
      Object.assign(conv, { lastId: null, ids: new Set(), older: false, passage: null, stage: 'out', reading: null });
    }
    return Object.assign(conv, { kept: true, epoch: store.epoch });
  }
}
