// The log of a conversation as rows: what stands in the store, with headings, days and dividers worked out.

import { fold } from './names.js';
import { store } from './store.js';

const GROUP_MS = 5 * 60_000; // messages of one person this close together share one heading

class Rows {
  rows = [];
  #day = '';
  #previous = null; // the message above, unless something else stands between

  day(entry) {
    const date = new Date(entry.time).toDateString();
    if (date === this.#day) return;
    this.#day = date;
    this.rows.push({ type: 'day', key: `day ${entry.key}`, time: entry.time });
    this.#previous = null;
  }

  message(entry, extra = {}) {
    this.day(entry);
    this.rows.push({ ...entry, ...extra, first: !this.#goesOn(entry) });
    this.#previous = entry;
  }

  #goesOn(entry) {
    const above = this.#previous;
    if (!above || entry.me || above.me || entry.time - above.time > GROUP_MS) return false;
    return above.name === entry.name || fold(above.name) === fold(entry.name);
  }

  /** Something that is no message. */
  other(row, entry = null) {
    if (entry?.time) this.day(entry);
    this.rows.push(row);
    this.#previous = null;
  }

  /** Of somebody who is ignored: however many there are, one row. */
  stub(entry) {
    this.day(entry);
    const last = this.rows.at(-1);
    if (last.type === 'stub') Object.assign(last, { count: last.count + 1, last: entry.id });
    else this.other({ type: 'stub', key: `stub ${entry.key}`, count: 1, last: entry.id });
  }
}

const isFirstNew = (conv, entry) => entry.type === 'message' && entry.id >= conv.newFrom && entry.epoch === conv.epoch && !entry.own;

/** Whether the first of what is new is among what is here. */
function isReached(conv) {
  const { entries, older } = conv.passage ?? conv, first = entries.find((entry) => entry.type === 'message' && entry.epoch === conv.epoch);
  return first !== undefined && (first.id <= conv.newFrom || !older);
}

/** What stands at the top: that it begins there, or that more is on its way. */
function topOf(conv) {
  const isLoading = conv.loadingOlder || (conv.kept && conv.stage === 'joining');
  const { entries, older } = conv.passage ?? conv, first = entries.find((entry) => entry.type === 'message');
  const isWhole = first ? first.id === 1 && first.epoch === conv.epoch : conv.position === 0;
  const begins = !isLoading && ((conv.kind === 'direct' && !conv.kept) || isWhole);
  const isCut = !isLoading && !begins && !older && first?.epoch === conv.epoch;
  const isSilent = conv.kind === 'room' && !conv.entries.some((entry) => entry.type === 'message');
  return { type: 'top', key: 'top', isLoading, begins, isCut, isSilent };
}

const DRAWN_ABOVE = 0.3; // of the rows that are drawn, above the one that is read
const KEPT_ABOVE = 0.15, KEPT_BELOW = 0.5; // as long as so many are there, the same rows stay
const GROWN = 4 / 3; // as many are drawn at the end before the oldest go: what goes moves, and draws anew, all that is in sight

/**
 * Which of the rows are drawn: the index of the first, and one past the last. `at`: key of the row that is read, null for the
 * end; `first`: of the one that has been the first, null where others have to be drawn.
 */
export function windowOf(rows, { at, first, size }) {
  const last = Math.max(0, rows.length - size), index = at === null ? -1 : rows.findIndex(({ key }) => key === at);
  const before = first === null ? -1 : rows.findIndex(({ key }) => key === first);
  if (index < 0) return { from: before >= 0 && rows.length - before <= size * GROWN ? Math.min(before, last) : last, to: rows.length };
  const isInside = before >= 0 && before <= last && index - before >= (before && size * KEPT_ABOVE) && (before === last || before + size - index >= size * KEPT_BELOW);
  const from = isInside ? before : Math.max(0, Math.min(last, Math.round(index - size * DRAWN_ABOVE)));
  return { from, to: Math.min(rows.length, from + size) };
}

/** `outbox`: what was said here and waits; `name`: one's own. */
export function rowsOf(conv, outbox, name) {
  const made = new Rows();
  let isNew = conv.newFrom !== null && isReached(conv);
  made.other(topOf(conv));
  for (const entry of conv.passage?.entries ?? conv.entries) {
    if (entry === conv.firstUnread || (isNew && isFirstNew(conv, entry))) {
      made.other({ type: 'new', key: 'new' }, entry);
      isNew = false;
    }
    if (entry.type === 'comings' && !store.settings.comings) continue;
    if (entry.isIgnored) made.stub(entry);
    else if (entry.type === 'message') made.message(entry);
    else made.other({ ...entry }, entry);
  }
  for (const item of outbox) {
    if (item.conv !== conv.key || conv.passage) continue;
    made.message({ ...item, type: 'message', name: item.as || name, me: item.kind === 'me', own: true }, { pending: item.state });
  }
  return made.rows;
}
