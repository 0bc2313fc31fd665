// What was said before: pages of it above the log, and passages around a message that was searched for.
//
// A *passage* is what the log shows instead of the newest messages. It grows at both ends as it is scrolled, until it meets them.

import { addressOf } from '../core/conversation.js';
import { bury, insertMessage, isMessage, messageOf } from '../core/entries.js';
import { changed, isMe, notify } from '../core/store.js';
import { isId } from '../core/text.js';
import { errorWords, t } from '../words/index.js';

const PAGE = 50; // messages
const CONTEXT = 5; // of them, above the first new one

export class History {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  loadOlder(conv) {
    if (conv.passage) return this.#extend(conv, 'older');
    if (!conv.older || conv.loadingOlder || conv.stage !== 'in') return;
    const first = conv.entries.find((entry) => entry.type === 'message');
    if (first && first.epoch !== conv.epoch) return; // what is on top is from before a restart: there is nothing older
    const request = { type: 'history', ...addressOf(conv), limit: PAGE, ...(first && { before: first.id }) };
    const settle = () => { conv.loadingOlder = false; changed(); };
    conv.loadingOlder = Boolean(this.#session.request(request, (frame) => {
      if (!Array.isArray(frame.messages)) return settle();
      const before = conv.entries.length;
      for (const message of frame.messages) this.#session.incoming.take(conv, message, 'older');
      conv.older = frame.more === true && conv.entries.length > before; // nothing new: asking again would bring the same
      settle();
    }, () => { conv.older = false; settle(); }));
    changed();
  }

  /** As soon as it can be asked for. */
  seek(conv) {
    const id = conv.sought, { page } = this.#session;
    if (id === null || conv.stage !== 'in') return;
    conv.sought = null;
    conv.passage = null;
    if (conv.ids.has(id)) return page.mark(conv, id);
    const passage = { entries: [], older: true, newer: true, loading: false, isNew: false };
    const fail = (error) => notify(errorWords(error), true);
    this.#ask(conv, { before: id + 1 }, (messages, more) => {
      passage.entries = messages;
      passage.older = more;
      if (messages.at(-1)?.id !== id) return notify(t.foundGone, true);
      conv.passage = passage;
      page.mark(conv, id);
      this.#extend(conv, 'newer');
    }, fail);
  }

  /** Goes to the first of what is new, which may be far above what is here. */
  catchUp(conv) {
    const id = conv.newFrom, after = Math.max(0, id - 1 - CONTEXT);
    if (id === null || conv.isCatchingUp || conv.stage !== 'in') return;
    const settle = () => Object.assign(conv, { isCatchingUp: false });
    conv.isCatchingUp = this.#ask(conv, { after }, (messages, more) => {
      settle();
      if (conv.newFrom !== id || conv.passage || messages.length === 0) return;
      conv.passage = { entries: messages, older: after > 0 && messages[0].id === after + 1, newer: more, loading: false, isNew: true };
      conv.jumps = true;
      this.#joinPassage(conv);
    }, settle);
    if (!conv.isCatchingUp) settle();
  }

  /** A page of a room's history, as messages. Returns whether it could be asked for. */
  #ask(conv, from, done, fail) {
    return Boolean(this.#session.request({ type: 'history', ...addressOf(conv), limit: PAGE, ...from }, (frame) => {
      const list = Array.isArray(frame.messages) ? frame.messages : [];
      done(list.filter(isMessage).map((raw) => messageOf(conv, raw, raw.ignored !== true && isMe(raw.name))), frame.more === true);
      changed();
    }, fail));
  }

  /** What is shown may have been deleted while there was no line: the newest of it is asked for first. */
  askDeleted(conv) {
    const shown = [...conv.entries, ...(conv.passage?.entries ?? [])].filter(({ type, epoch, id }) => type === 'message' && epoch === conv.epoch && id !== undefined);
    if (shown.length === 0) return;
    const ids = shown.map(({ id }) => id), after = Math.min(...ids) - 1;
    const ask = (before) => this.#session.request({ type: 'deletions', ...addressOf(conv), after, before }, (frame) => {
      for (const id of Array.isArray(frame.ids) ? frame.ids : []) bury(conv, id);
      changed();
      // One answer is about so many messages only.
      if (isId(frame.after) && frame.after > after && frame.after + 1 < before) ask(frame.after + 1);
    });
    ask(Math.max(...ids) + 1);
  }

  loadNewer(conv) { this.#extend(conv, 'newer'); }

  /** The passage grows; where it meets the newest messages it becomes a part of them. */
  #extend(conv, way) {
    const { passage } = conv;
    if (!passage || passage.loading || !passage[way] || conv.stage !== 'in') return;
    const from = way === 'older' ? { before: passage.entries[0].id } : { after: passage.entries.at(-1).id };
    const settle = () => { passage.loading = false; changed(); };
    passage.loading = this.#ask(conv, from, (messages, more) => {
      passage.entries = way === 'older' ? [...messages, ...passage.entries] : [...passage.entries, ...messages];
      passage[way] = more && messages.length > 0;
      settle();
      if (conv.passage === passage) this.#joinPassage(conv);
    }, () => { passage[way] = false; settle(); });
    changed();
  }

  #joinPassage(conv) {
    const { passage } = conv, first = conv.entries.find((entry) => entry.type === 'message' && entry.epoch === conv.epoch);
    const last = passage.entries.at(-1).id;
    if (first ? last + 1 < first.id : passage.newer) return;
    for (const message of passage.entries) {
      if (conv.ids.has(message.id)) continue;
      conv.ids.add(message.id);
      insertMessage(conv, message);
    }
    conv.older = passage.older;
    conv.passage = null;
    changed();
  }

  search(text, before, done, fail) {
    this.#session.requestNow({ type: 'search', text, ...(before === undefined ? {} : { before }) }, done, fail);
  }
}
