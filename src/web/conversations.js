// Direct conversations between accounts, which the server keeps: the list of them, and what was said while nobody was here.
// Those with guests are on this screen only; app.js has them.

import { isText } from './dom.js';

const LIST_PAGES_MAX = 4;
const LIST_PAGE = 50;
const HISTORY_PAGE = 50;
const isId = (value) => Number.isSafeInteger(value) && value >= 0;

export class Conversations {
  #host;

  /**
   * `host`: changed(); request(frame, done, fail); conversation(name), made where there is none; kept(), all of them; current();
   * take(conv, message); listed(), when the list is here; ready(conv), when
   * nothing that was missed is still to come.
   */
  constructor(host) {
    this.#host = host;
  }

  /** Asks for the newest conversations of this account. */
  list() {
    const page = (after, left) => this.#host.request({ type: 'conversations', limit: LIST_PAGE, ...(after === undefined ? {} : { after }) }, (frame) => {
      for (const row of Array.isArray(frame.conversations) ? frame.conversations : []) this.#know(row);
      this.#host.changed();
      if (frame.next !== undefined && left > 1) page(frame.next, left - 1);
      else this.#listed();
    });
    page(undefined, LIST_PAGES_MAX);
  }

  #listed() {
    for (const conv of this.#host.kept()) {
      if (conv.stage === 'out' && conv.lastId !== null) this.#catchUp(conv);
      else if (conv === this.#host.current()) this.open(conv);
    }
    this.#host.listed();
  }

  #know(row) {
    if (!row || !isText(row.with) || !isId(row.last)) return;
    const conv = this.#host.conversation(row.with);
    conv.at = Math.max(conv.at, Number.isFinite(row.time) ? row.time : 0);
    conv.position = row.last;
    conv.isGone = row.gone === true;
    conv.isAway = row.offline === true;
  }

  /** One of them is looked at for the first time. */
  open(conv) {
    if (!conv.kept || conv.stage !== 'out' || conv.lastId !== null) return;
    conv.stage = 'joining';
    const sent = this.#host.request({ type: 'history', to: conv.name, limit: HISTORY_PAGE }, (frame) => {
      const messages = Array.isArray(frame.messages) ? frame.messages : [];
      for (const message of messages) this.#host.take(conv, message);
      conv.older = frame.more === true && messages.length > 0;
      this.#finish(conv);
    }, () => this.#finish(conv));
    if (!sent) conv.stage = 'out';
  }

  /** What was said since the line broke, oldest first. */
  #catchUp(conv) {
    conv.stage = 'joining';
    const page = (after) => this.#host.request({ type: 'history', to: conv.name, after, limit: HISTORY_PAGE }, (frame) => {
      const messages = Array.isArray(frame.messages) ? frame.messages : [];
      for (const message of messages) this.#host.take(conv, message);
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
    this.#host.ready(conv);
    this.#host.changed();
  }
}
