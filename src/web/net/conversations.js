// Direct conversations between accounts, which the server keeps: the list of them, and what was said while nobody was here.
// Those with guests are on this screen only.

import { changed, conversation, current, directs } from '../core/store.js';
import { isId, isText } from '../core/text.js';

const LIST_PAGES_MAX = 4;
const LIST_PAGE = 50;
const HISTORY_PAGE = 50;

export class Conversations {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  /** Asks for the newest conversations of this account. */
  list() {
    const page = (after, left) => this.#session.request({ type: 'conversations', limit: LIST_PAGE, ...(after === undefined ? {} : { after }) }, (frame) => {
      for (const row of Array.isArray(frame.conversations) ? frame.conversations : []) this.#know(row);
      changed();
      if (frame.next !== undefined && left > 1) page(frame.next, left - 1);
      else this.#listed();
    });
    page(undefined, LIST_PAGES_MAX);
  }

  #listed() {
    for (const conv of directs().filter((one) => one.kept)) {
      if (conv.stage === 'out' && conv.lastId !== null) this.#catchUp(conv);
      else if (conv === current()) this.open(conv);
    }
    this.#session.reading.ask();
  }

  #know(row) {
    if (!row || !isText(row.with) || !isId(row.last)) return;
    const conv = this.#session.incoming.keep(conversation('direct', row.with));
    conv.at = Math.max(conv.at, Number.isFinite(row.time) ? row.time : 0);
    conv.position = row.last;
    conv.isGone = row.gone === true;
    conv.isAway = row.offline === true;
  }

  /** One of them is looked at for the first time. */
  open(conv) {
    if (!conv.kept || conv.stage !== 'out' || conv.lastId !== null) return;
    conv.stage = 'joining';
    const sent = this.#session.request({ type: 'history', to: conv.name, limit: HISTORY_PAGE }, (frame) => {
      const messages = Array.isArray(frame.messages) ? frame.messages : [];
      for (const message of messages) this.#session.incoming.take(conv, message, 'older');
      conv.older = frame.more === true && messages.length > 0;
      this.#finish(conv);
    }, () => this.#finish(conv));
    if (!sent) conv.stage = 'out';
  }

  /** What was said since the line broke, oldest first. */
  #catchUp(conv) {
    conv.stage = 'joining';
    this.#session.history.askDeleted(conv);
    const page = (after) => this.#session.request({ type: 'history', to: conv.name, after, limit: HISTORY_PAGE }, (frame) => {
      const messages = Array.isArray(frame.messages) ? frame.messages : [];
      for (const message of messages) this.#session.incoming.take(conv, message, 'older');
      const last = messages.at(-1)?.id;
      if (frame.more === true && isId(last) && last > after) page(last);
      else this.#finish(conv);
    }, () => this.#finish(conv));
    page(conv.lastId);
  }

  #finish(conv) {
    conv.stage = 'in';
    const newest = conv.entries.findLast((entry) => entry.type === 'message' && entry.epoch === conv.epoch && entry.id !== undefined);
    conv.lastId = Math.max(conv.lastId ?? 0, newest?.id ?? 0);
    this.#session.rooms.caughtUp(conv);
    changed();
  }
}
