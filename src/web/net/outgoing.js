// Sends what is said: see core/outbox.js for what becomes of it.

import { addressOf } from '../core/conversation.js';
import { nextKey } from '../core/entries.js';
import { next, TRIES_MAX } from '../core/outbox.js';
import { changed, dispatch, isMe, store } from '../core/store.js';
import { bytesOf } from '../core/text.js';
import { monotonic } from '../core/time.js';
import { t } from '../words/index.js';

const TYPING_EVERY_MS = 3000;

/** What the server knows a message by: sent again with the same one, it is said once. All are of one length. */
const newSendKey = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(15))));
const SEND_KEY_SAMPLE = newSendKey();

/** The frame that says a text in a room, or to a person. */
const frameOf = (kind, conv, text, key = SEND_KEY_SAMPLE) => ({ type: kind, ...addressOf(conv), text, key });

export class Outgoing {
  #session;
  #typedAt = -Infinity; // monotonic

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  say(conv, text, kind = conv.kind === 'room' ? 'say' : 'msg') {
    dispatch({ type: 'said', item: { key: nextKey(), sendKey: newSendKey(), kind, conv: conv.key, text, time: Date.now() } });
    conv.firstUnread = null;
    conv.passage = null; // what was said is to be seen
    this.#typedAt = -Infinity; // what was said ended the "is typing" of others: the next keystroke is news again
    this.flush();
    changed();
  }

  sendAgain(key) {
    dispatch({ type: 'again', key, time: Date.now() });
    this.flush();
    changed();
  }

  discard(key) {
    dispatch({ type: 'discarded', key });
    changed();
  }

  typing(conv) {
    const now = monotonic();
    if (conv.kind !== 'room' || conv.stage !== 'in' || now - this.#typedAt < TYPING_EVERY_MS) return;
    if (this.#session.send({ type: 'typing', room: conv.name })) this.#typedAt = now;
  }

  /** By how many bytes a text is too long to be said there. */
  excess(conv, text) {
    const kind = conv?.kind === 'direct' ? 'msg' : 'say';
    return this.#session.excess(frameOf(kind, conv ?? { kind: 'room', name: '' }, text));
  }

  cut() {
    this.#typedAt = -Infinity;
    dispatch({ type: 'cut' });
  }

  /** A frame was longer than the server takes. All others in flight are shorter than that: it must not break the line again. */
  tooBig() {
    const inFlight = store.outbox.filter(({ state }) => state === 'sent').map((item) => ({ key: item.key, bytes: this.#bytesOf(item) }));
    const [longest] = inFlight.sort((a, b) => b.bytes - a.bytes);
    if (longest) dispatch({ type: 'refused', key: longest.key, error: t.tooBig });
  }

  /** As it is sent: some characters take six bytes there. */
  #bytesOf({ kind, conv, text }) {
    return bytesOf(JSON.stringify(frameOf(kind, store.conversations.get(conv), text)));
  }

  /**
   * What the replay did not bring was not taken, provided that the connection it went out on is gone. An account may have
   * several connections, so this one proves nothing; what is sent twice is still said once, by its key.
   */
  settle() {
    const isOurs = (item) => isMe(item.as) || store.role !== '';
    for (const conv of store.conversations.values()) {
      if (conv.stage === 'in') dispatch({ type: 'settled', conv: conv.key, isProved: (item) => isOurs(item) && (item.kind !== 'msg' || conv.kept) });
    }
    this.flush();
  }

  flush() {
    if (store.link !== 'online' || store.ended) return;
    const isOpen = (key) => {
      const conv = store.conversations.get(key);
      return conv !== undefined && (conv.kind === 'direct' || conv.stage === 'in');
    };
    for (let item = next(store.outbox, isOpen); item; item = next(store.outbox, isOpen)) {
      if (item.tries >= TRIES_MAX) dispatch({ type: 'refused', key: item.key, error: t.unsure });
      else if (!this.#transmit(item)) return;
    }
  }

  #transmit({ key, kind, conv, text, sendKey }) {
    const frame = frameOf(kind, store.conversations.get(conv), text, sendKey);
    const ref = this.#session.request(frame, () => {}, (error) => {
      dispatch({ type: 'refused', key, error });
      this.flush();
    });
    if (ref) dispatch({ type: 'sent', key, ref, as: store.name });
    return Boolean(ref);
  }
}
