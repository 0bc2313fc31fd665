// What the log of a conversation shows, in order: messages, events, dividers.

import { isForMe, mentions } from './mentions.js';
import { store } from './store.js';
import { isId, isText } from './text.js';
import { timeOf } from './time.js';

export const MESSAGES_KEPT = 500; // in one conversation, and so in the DOM
export const MESSAGES_KEPT_READING_BACK = 3000; // while someone reads far up, the top must not vanish under their eyes
const EVENTS_KEPT = 6; // in one line of the log

let lastKey = 0;
export const nextKey = () => `k${++lastKey}`;

/** One of somebody who is ignored comes without a name and a text, one that was deleted without a text. */
export const isMessage = (raw) => Boolean(raw) && isId(raw.id) && (raw.ignored === true || (isText(raw.name) && (raw.deleted === true || isText(raw.text))));

export function messageOf(conv, raw, own, key = nextKey()) {
  const message = { type: 'message', key, id: raw.id, epoch: conv.epoch, time: timeOf(raw.time), name: '', text: '', me: false, own, mention: false };
  if (raw.ignored === true) return { ...message, isIgnored: true };
  if (raw.deleted === true) return { ...message, name: raw.name, isDeleted: true };
  const mention = !own && (store.role ? isForMe(store.name, conv, raw.name, raw.text) : mentions(store.name, raw.text));
  return { ...message, name: raw.name, text: raw.text, me: raw.me === true, mention };
}

/** Into its place by id. Events and dividers keep theirs: they have times, but no ids. */
export function insertMessage(conv, message) {
  let place = conv.entries.length;
  for (let i = place - 1; i >= 0 && message.id !== undefined; i--) {
    const entry = conv.entries[i];
    if (entry.type !== 'message') continue;
    if (entry.epoch !== message.epoch || entry.id < message.id) break;
    place = i;
  }
  conv.entries.splice(place, 0, message);
}

/** This message turns out to be one's own. */
export function claim(conv, id) {
  const entry = conv.entries.find((one) => one.type === 'message' && one.id === id && one.epoch === conv.epoch);
  if (entry) Object.assign(entry, { own: true, mention: false });
}

/** Of this message there is only a tombstone. */
export function bury(conv, id) {
  for (const entry of [...conv.entries, ...(conv.passage?.entries ?? [])]) {
    if (entry.type === 'message' && entry.id === id && entry.epoch === conv.epoch && !entry.isIgnored) {
      Object.assign(entry, { text: '', me: false, mention: false, isDeleted: true });
    }
  }
}

/** Several in a row are one line. */
export function addEvent(conv, text, time) {
  const last = conv.entries.at(-1);
  if (last?.type !== 'event') conv.entries.push({ type: 'event', key: nextKey(), time: timeOf(time), texts: [text] });
  else last.texts = [...last.texts, text].slice(-EVENTS_KEPT);
}

const PEOPLE_NAMED = 50; // in such a line; the others are counted

/**
 * Who came or went by name: one line for all of them, until something else is said. `way`: 'came' or 'left'. Of somebody who
 * does both there is the outcome: 'visited' who came first, 'back' who left first.
 */
export function addComing(conv, key, name, way, time) {
  const { people, counts } = comings(conv, time), before = people.get(key)?.way;
  const both = { came: { left: 'visited' }, left: { came: 'back' }, visited: { came: 'came' }, back: { left: 'left' } }[before]?.[way];
  if (!before && people.size >= PEOPLE_NAMED) counts[way]++;
  else people.set(key, { name, way: both ?? way });
}

/** As many came, went or took another name, who were not named. */
export function countComings(conv, came, left, renamed, time) {
  const { counts } = comings(conv, time);
  Object.assign(counts, { came: counts.came + came, left: counts.left + left, renamed: counts.renamed + renamed });
}

function comings(conv, time) {
  const last = conv.entries.at(-1);
  if (last?.type === 'comings') return last;
  const entry = { type: 'comings', key: nextKey(), time: timeOf(time), people: new Map(), counts: { came: 0, left: 0, renamed: 0 } };
  conv.entries.push(entry);
  return entry;
}

export function addDivider(conv, type) {
  if (conv.entries.length && conv.entries.at(-1).type !== type) conv.entries.push({ type, key: nextKey() });
}

/** Forgets the oldest entries; those of the server's present life can be loaded again. */
export function trim(conv, keep) {
  if (conv.entries.length <= keep) return;
  for (const entry of conv.entries.splice(0, conv.entries.length - keep)) {
    if (entry.type === 'message' && entry.epoch === conv.epoch && conv.ids.delete(entry.id)) conv.older = true;
  }
}
