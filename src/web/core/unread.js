// What is unread in a conversation. Ids are dense, so it is counted from the last id that was read. Of an account the server keeps
// that, for all its devices; of a guest this page does.

import { store } from './store.js';
import { isId } from './text.js';

const isLevel = (value) => ['all', 'mentions', 'none', 'hidden'].includes(value);

/** Of a `joined`, a `read`, or a row of `unread`. `seen`: the id that was seen here and is still to be told. */
export function learn(conv, { read = undefined, id = read, unread, mentions, level = undefined, last }, seen, isCurrent) {
  if (!isId(id) || !isId(unread)) return;
  // What was seen here is read, whatever another device was told before.
  const known = Math.max(id, seen), newest = Math.max(isId(last) ? last : 0, id + unread);
  conv.reading = { read: known, newest, level: isLevel(level) ? level : conv.reading?.level ?? 'all' };
  conv.unread = Math.max(0, newest - known);
  conv.mentions = conv.unread && isId(mentions) ? mentions : 0;
  placeDivider(conv, isCurrent);
}

/** A guest has entered a room. What was said before the first visit is no news. */
export function learnHere(conv, isCurrent) {
  const read = conv.readId = Math.min(conv.readId ?? conv.position, conv.position);
  learn(conv, { read, unread: conv.position - read, mentions: conv.mentions, last: conv.position }, 0, isCurrent);
}

/** A guest has read so far in another tab, or, going back, no further. */
export function learnElsewhere(conv, id, isBack, isCurrent) {
  const { newest, read: before } = conv.reading, read = isBack ? id : Math.max(id, before);
  learn(conv, { read, unread: Math.max(0, newest - read), mentions: mentionsAfter(conv, read), last: newest }, 0, isCurrent);
  conv.readId = read;
}

const mentionsAfter = (conv, id) => conv.entries.filter((entry) => entry.mention && entry.epoch === conv.epoch && entry.id > id).length;

/** A message has come, live or in a replay. Saying something has read all that was said before it, on whatever device. */
export function count(conv, message, isReading) {
  const { reading } = conv;
  if (message.id <= reading.newest) {
    // The server has told an account of it.
    if (store.role === '' && message.mention && message.id > reading.read) conv.mentions++;
    return;
  }
  const isFirst = conv.unread === 0;
  reading.newest = message.id;
  if (message.own) Object.assign(reading, { read: message.id });
  conv.unread = Math.max(0, reading.newest - reading.read);
  if (message.own) Object.assign(conv, { mentions: 0, newFrom: null, isHeld: false });
  else if (message.mention) conv.mentions++;
  if (!message.own && !isReading && (isFirst || conv.newFrom === null)) conv.newFrom = message.id;
}

/** This id is in sight of somebody who is there. Returns whether that is news. */
export function see(conv, id) {
  const { reading } = conv;
  if (conv.isHeld || id <= reading.read) return false;
  reading.read = Math.min(id, reading.newest);
  conv.unread = reading.newest - reading.read;
  if (conv.unread === 0) conv.isBehind = false;
  if (conv.mentions) conv.mentions = mentionsAfter(conv, reading.read);
  return true;
}

/** The line above what is new stays where it is while the conversation is looked at. */
export function placeDivider(conv, isCurrent) {
  const from = conv.unread > 0 ? conv.reading.read + 1 : null;
  if (!isCurrent) conv.newFrom = from;
  else conv.newFrom ??= from;
  conv.isBehind = from !== null && (conv.isBehind || conv.jumps);
}

/** As `count`, of a conversation without ids, which is on this screen only. */
export function countHere(conv, message, isReading) {
  if (message.own || isReading) return;
  if (!conv.unread++) conv.firstUnread = message;
}

/** All of such a conversation has been seen. Returns whether that is news. */
export function seeHere(conv) {
  if (conv.reading || conv.unread === 0) return false;
  conv.unread = 0;
  return true;
}

/** What is new in a conversation since it was opened: how much, and since when, 0 for not known yet; null for nothing. */
export function missedOf(conv) {
  if (!conv?.isBehind || conv.newFrom === null || conv.unread === 0) return null;
  const first = (conv.passage ?? conv).entries.find((entry) => entry.type === 'message' && entry.epoch === conv.epoch && entry.id >= conv.newFrom);
  return { count: conv.reading.newest - conv.newFrom + 1, since: first?.id === conv.newFrom ? first.time : 0 };
}

/** How the number beside a conversation looks: '' (as it is), 'loud', 'faint'; and whether there is one. */
export function badgeOf(conv) {
  if (!conv.reading) return { count: conv.unread, kind: conv.kind === 'direct' ? 'loud' : '' };
  const isQuiet = ['none', 'hidden'].includes(conv.reading.level);
  if (conv.unread === 0) return { count: 0, kind: '' };
  if (!isQuiet && (conv.mentions > 0 || conv.kind === 'direct')) return { count: conv.unread, kind: 'loud' };
  return { count: conv.unread, kind: conv.reading.level === 'all' ? '' : 'faint' };
}

export const isHidden = (conv) => conv.reading?.level === 'hidden';
export const isNews = (conv) => conv.unread > 0 && (badgeOf(conv).kind !== 'faint');
