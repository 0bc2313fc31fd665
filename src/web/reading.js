// What has been read, where the server keeps that: of accounts, and for all their devices together. Ids are dense, so what is
// unread is counted from the last id that was read. A guest's page counts for itself, in app.js.

import { words } from './people-words.js';

const TELL_MS = 400; // after the first row that came into sight, so that a scroll is one request
const ASK_MS = 700;
const isId = (value) => Number.isSafeInteger(value) && value >= 0;
const isLevel = (value) => Object.hasOwn(words.levels, value);

export class Reading {
  #host;
  #seen = new Map(); // conversation -> the id to tell
  #timer = 0;
  #asking = 0;

  /** `host`: store; changed(); request(frame, done, fail); notify(text, isError); errorWords(error); addressOf(conv), the fields
   * that name it; find(frame), the conversation that a frame is about. */
  constructor(host) {
    this.#host = host;
  }

  /** Who this page was is no more. */
  forget() { this.#seen.clear(); }

  /** Of a `joined`, a `read`, or a row of `unread`. */
  learn(conv, { read, id = read, unread, mentions, level, last }) {
    if (!isId(id) || !isId(unread)) return;
    // What was seen here and is still to be told is read, whatever another device was told before.
    const known = Math.max(id, this.#seen.get(conv) ?? 0), newest = Math.max(isId(last) ? last : 0, id + unread);
    conv.reading = { read: known, newest, level: isLevel(level) ? level : conv.reading?.level ?? 'all' };
    conv.unread = Math.max(0, newest - known);
    conv.mentions = conv.unread && isId(mentions) ? mentions : 0;
    this.#divide(conv);
  }

  onRead(frame) {
    const conv = this.#host.find(frame);
    if (conv?.reading) this.learn(conv, frame);
  }

  /** What is read of all rooms, and of the direct conversations that the server counts. */
  ask() {
    clearTimeout(this.#asking);
    this.#asking = 0;
    this.#host.request({ type: 'unread' }, ({ rooms }) => {
      for (const row of Array.isArray(rooms) ? rooms : []) {
        const conv = row && this.#host.find(row);
        if (conv) this.learn(conv, row);
      }
      this.#host.changed();
    });
  }

  askSoon() { this.#asking ||= setTimeout(() => this.ask(), ASK_MS); }

  /** A message has come live. Saying something has read all that was said before it, on whatever device. */
  count(conv, message, isReading) {
    const { reading } = conv;
    if (message.id <= reading.newest) return;
    reading.newest = message.id;
    if (message.own) Object.assign(reading, { read: message.id });
    conv.unread = Math.max(0, reading.newest - reading.read);
    if (message.own) Object.assign(conv, { mentions: 0, newFrom: null, isHeld: false });
    else if (message.mention) {
      conv.mentions++;
      this.askSoon(); // whom a message is for the server knows for sure
    }
    if (!message.own && conv.newFrom === null && !isReading) conv.newFrom = message.id;
  }

  /** This id is in sight of somebody who is there. */
  see(conv, id) {
    const { reading } = conv;
    if (conv.isHeld || id <= reading.read) return;
    reading.read = Math.min(id, reading.newest);
    conv.unread = reading.newest - reading.read;
    conv.mentions = conv.entries.filter((entry) => entry.mention && entry.epoch === conv.epoch && entry.id > reading.read).length;
    this.#seen.set(conv, reading.read);
    this.#timer ||= setTimeout(() => this.tell(), TELL_MS);
    this.#host.changed();
  }

  /** Tells the server what was seen. What cannot be told now is seen again when the line is back. */
  tell() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    for (const [conv, id] of this.#seen) {
      this.#seen.delete(conv);
      this.#host.request({ type: 'read', ...this.#host.addressOf(conv), id }, () => {}, () => {});
    }
  }

  /** From this message on it counts as unread, until the conversation is opened the next time. */
  markUnread(conv, id) {
    const { request, notify, errorWords, addressOf } = this.#host;
    this.#seen.delete(conv);
    conv.isHeld = true;
    request({ type: 'read', ...addressOf(conv), id: id - 1, back: true }, () => {
      const { reading } = conv;
      reading.read = id - 1;
      Object.assign(conv, { unread: reading.newest - reading.read, newFrom: id });
    }, (error) => notify(errorWords(error), true));
  }

  setLevel(conv, level) {
    const { request, notify, errorWords } = this.#host;
    request({ type: 'level', room: conv.name, level }, () => {
      if (conv.reading) conv.reading.level = level;
      notify(words.levelDone(conv.name, words.levels[level]));
    }, (error) => notify(errorWords(error), true));
  }

  /** It is opened, or closed: the line above what is new stays where it is while it is looked at. */
  opened(conv) {
    conv.isHeld = false;
    if (conv.reading) this.#divide(conv);
  }

  closed(conv) {
    conv.newFrom = null;
    if (conv.reading) this.#divide(conv);
  }

  #divide(conv) {
    const from = conv.unread > 0 ? conv.reading.read + 1 : null;
    if (conv.key !== this.#host.store.current) conv.newFrom = from;
    else conv.newFrom ??= from;
  }

  /** In a sentence, for who asks. */
  summary(conversations) {
    const list = conversations.filter((conv) => conv.unread > 0);
    if (list.length === 0) return words.allRead;
    return words.unreadIn(list.map(({ name, unread, mentions }) => `${name} ${unread}${mentions ? ` (${words.forYou(mentions)})` : ''}`).join(', '));
  }
}

/** How the number beside a conversation looks: '' (as it is), 'loud', 'faint'; and whether there is one. */
export function badgeOf(conv) {
  if (!conv.reading) return { count: conv.unread, kind: conv.kind === 'direct' || conv.mentioned ? 'loud' : '' };
  const isQuiet = ['none', 'hidden'].includes(conv.reading.level);
  if (conv.unread === 0) return { count: 0, kind: '' };
  if (!isQuiet && (conv.mentions > 0 || conv.kind === 'direct')) return { count: conv.unread, kind: 'loud' };
  return { count: conv.unread, kind: conv.reading.level === 'all' ? '' : 'faint' };
}

export const isHidden = (conv) => conv.reading?.level === 'hidden';
export const isNews = (conv) => conv.unread > 0 && (badgeOf(conv).kind !== 'faint');
