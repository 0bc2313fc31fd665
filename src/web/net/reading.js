// What has been read. Of accounts the server keeps it, for all their devices together: asking for it, and telling. Of a guest this
// page remembers it. What follows from it is in core/unread.js.

import { addressOf } from '../core/conversation.js';
import { changed, conversationOf, saveMemory, store } from '../core/store.js';
import { count, countHere, learn, learnElsewhere, learnHere, placeDivider, see, seeHere } from '../core/unread.js';

const TELL_MS = 400; // after the first row that came into sight, so that a scroll is one request
const ASK_MS = 700;

export class Reading {
  #session;
  #seen = new Map(); // conversation -> the id to tell
  #timer = 0;
  #asking = 0;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  /** Who this page was is no more. */
  forget() { this.#seen.clear(); }

  learn(conv, frame) { learn(conv, frame, this.#seen.get(conv) ?? 0, conv.key === store.current); }

  /** A room has been entered: `frame` tells what an account has read of it. */
  entered(conv, frame = null) {
    if (store.role) return this.learn(conv, { ...frame, last: frame.position });
    this.tell();
    learnHere(conv, conv.key === store.current);
  }

  onRead(frame) {
    const conv = conversationOf(frame);
    if (conv?.reading) this.learn(conv, frame);
  }

  /** What is read of all rooms, and of the direct conversations that the server counts. */
  ask() {
    clearTimeout(this.#asking);
    this.#asking = 0;
    this.#session.request({ type: 'unread' }, ({ rooms }) => {
      for (const row of Array.isArray(rooms) ? rooms : []) {
        const conv = row && conversationOf(row);
        if (conv) this.learn(conv, row);
      }
      changed();
    });
  }

  askSoon() { this.#asking ||= setTimeout(() => this.ask(), ASK_MS); }

  /** A message has come that may be new to somebody. */
  count(conv, message) {
    const isReading = this.#session.page.isReading(conv);
    if (!conv.reading || message.id === undefined) {
      countHere(conv, message, isReading);
      if (isReading) this.#session.tabs.tellRead({ key: conv.key });
      return;
    }
    const { mentions } = conv;
    count(conv, message, isReading);
    if (message.own) this.remember(conv); // it is read already
    if (isReading) this.see(conv, message.id);
    if (conv.mentions > mentions && store.role) this.askSoon(); // whom a message is for the server knows for sure
  }

  /** This id is in sight of somebody who is there. */
  see(conv, id) {
    if (!see(conv, id)) return;
    this.#seen.set(conv, conv.reading.read);
    this.#timer ||= setTimeout(() => this.tell(), TELL_MS);
    changed('log', 'sidebar', 'title');
  }

  /** What a guest has read. */
  remember(conv, isBack = false) {
    if (store.role || !conv.reading) return;
    conv.readId = conv.reading.read;
    saveMemory();
    this.#session.tabs.tellRead({ key: conv.key, epoch: conv.epoch, id: conv.readId, isBack });
  }

  /** All of a conversation that is on this screen only is in sight of somebody who is there. */
  seeHere(conv) { if (seeHere(conv)) this.#session.tabs.tellRead({ key: conv.key }); }

  /** In another tab, of what the server keeps no account of. */
  readElsewhere({ key, epoch, id, isBack }) {
    const conv = store.conversations.get(key);
    if (!conv) return;
    if (id === undefined) seeHere(conv);
    else if (conv.reading && conv.epoch === epoch && !store.role) learnElsewhere(conv, id, isBack, key === store.current);
    changed();
  }

  /** What was seen of it is not told any more. */
  unsee(conv) { this.#seen.delete(conv); }

  /** Tells the server what was seen, or remembers it. What cannot be told now is seen again when the line is back. */
  tell() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const [conv, id] of this.#seen) {
      this.#seen.delete(conv);
      if (store.role) this.#session.request({ type: 'read', ...addressOf(conv), id }, () => {}, () => {});
      else this.remember(conv);
    }
  }

  /** It is opened, or closed. */
  opened(conv) {
    conv.isHeld = false;
    if (conv.unread > 0) conv.passage = null; // what is new comes first
    if (conv.reading) placeDivider(conv, conv.key === store.current);
  }

  closed(conv) {
    Object.assign(conv, { newFrom: null, isBehind: false, jumps: false });
    if (conv.reading) placeDivider(conv, conv.key === store.current);
  }
}
