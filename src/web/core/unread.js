// What is unread in a conversation. Of an account the server keeps it, for all its devices: ids are dense, so it is counted from
// the last id that was read. A guest's page counts for itself.

import { peopleWords } from '../words/index.js';
import { isId } from './text.js';

const isLevel = (value) => Object.hasOwn(peopleWords.levels, value);

/** Of a `joined`, a `read`, or a row of `unread`. `seen`: the id that was seen here and is still to be told. */
export function learn(conv, { read, id = read, unread, mentions, level, last }, seen, isCurrent) {
  if (!isId(id) || !isId(unread)) return;
  // What was seen here is read, whatever another device was told before.
  const known = Math.max(id, seen), newest = Math.max(isId(last) ? last : 0, id + unread);
  conv.reading = { read: known, newest, level: isLevel(level) ? level : conv.reading?.level ?? 'all' };
  conv.unread = Math.max(0, newest - known);
  conv.mentions = conv.unread && isId(mentions) ? mentions : 0;
  placeDivider(conv, isCurrent);
}

/** A message has come live. Saying something has read all that was said before it, on whatever device. */
export function count(conv, message, isReading) {
  const { reading } = conv;
  if (message.id <= reading.newest) return;
  reading.newest = message.id;
  if (message.own) Object.assign(reading, { read: message.id });
  conv.unread = Math.max(0, reading.newest - reading.read);
  if (message.own) Object.assign(conv, { mentions: 0, newFrom: null, isHeld: false });
  else if (message.mention) conv.mentions++;
  if (!message.own && conv.newFrom === null && !isReading) conv.newFrom = message.id;
}

/** This id is in sight of somebody who is there. Returns whether that is news. */
export function see(conv, id) {
  const { reading } = conv;
  if (conv.isHeld || id <= reading.read) return false;
  reading.read = Math.min(id, reading.newest);
  conv.unread = reading.newest - reading.read;
  conv.mentions = conv.entries.filter((entry) => entry.mention && entry.epoch === conv.epoch && entry.id > reading.read).length;
  return true;
}

/** The line above what is new stays where it is while the conversation is looked at. */
export function placeDivider(conv, isCurrent) {
  const from = conv.unread > 0 ? conv.reading.read + 1 : null;
  if (!isCurrent) conv.newFrom = from;
  else conv.newFrom ??= from;
}

/** As `count`, where nobody keeps it but this page. */
export function countHere(conv, message, isReading) {
  if (message.own || isReading) return;
  if (!conv.unread++) conv.firstUnread = message;
  conv.mentioned ||= message.mention;
}

/** All of it has been seen, by somebody whose page counts for itself. Returns whether there is a position to be remembered. */
export function markRead(conv) {
  if (conv.reading) return false;
  conv.unread = 0;
  conv.mentioned = false;
  if (conv.lastId === null || conv.readId === conv.lastId) return false;
  conv.readId = conv.lastId;
  return true;
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
