// Finding a conversation by what is typed: one's own, recent first, then the rooms of the server, then people.

import { bareName, bareRoom, directKey, fold, roomKey } from './names.js';
import { directs, isMe, rooms, store } from './store.js';
import { isText } from './text.js';

/** How well something fits, best first. */
const [WHOLE_NAME, START_OF_NAME, START_OF_WORD, PART_OF_NAME, PART_OF_TOPIC, NOTHING] = [0, 1, 2, 3, 4, 5];

/**
 * @typedef {object} Found
 * @property {string} key of its conversation
 * @property {'room' | 'direct'} kind
 * @property {string} name
 * @property {boolean} own it is a conversation of this page
 * @property {string} topic
 * @property {string} entry who may enter a room
 * @property {number} [members]
 * @property {string} [where] the room that a person is in
 * @property {number} [unread]
 * @property {number} [rank]
 * @property {boolean} [isNew] there is none of this name
 */

/** @returns {Found} */
const ofConversation = ({ key, kind, name, topic, entry, total, unread }) => ({ key, kind, name, own: true, topic, entry, members: total || undefined, unread });

/** Those that were looked at last come first; the one that is shown is the last to be gone to. */
function own() {
  const age = (conv) => {
    const at = store.recent.indexOf(conv.key);
    return conv.key === store.current ? Infinity : at < 0 ? Number.MAX_SAFE_INTEGER : at;
  };
  return [...rooms(), ...directs()].map((conv) => ({ conv, age: age(conv) })).sort((a, b) => (a.age < b.age ? -1 : Number(a.age > b.age))).map(({ conv }) => ofConversation(conv));
}

/** Who is in the rooms of this page. @returns {Found[]} */
function people() {
  return rooms().flatMap((conv) => [...conv.members.values()].filter((name) => !isMe(name)).map((name) => (
    { key: directKey(name), kind: /** @type {const} */ ('direct'), name, own: false, topic: '', entry: '', where: conv.name })));
}

function rankOf({ key, topic }, typed) {
  const name = key.slice(1);
  if (name === typed) return WHOLE_NAME;
  if (name.startsWith(typed)) return START_OF_NAME;
  if (name.split(/[\s._-]+/).some((word) => word.startsWith(typed))) return START_OF_WORD;
  return name.includes(typed) ? PART_OF_NAME : fold(topic).includes(typed) ? PART_OF_TOPIC : NOTHING;
}

/**
 * What fits, best first. With a # before it rooms alone, with an at sign people.
 *
 * @param {string} typed
 * @param {any[]} listed rooms, as the server lists them
 * @returns {Found[]}
 */
export function find(typed, listed) {
  const [, sign, rest] = /^\s*([#＃﹟@＠﹫]?)([^]*)$/.exec(typed), kind = { '': '', '@': 'direct', '＠': 'direct', '﹫': 'direct' }[sign] ?? 'room';
  const ofServer = listed.map(({ room, members, topic, entry }) => (
    { key: roomKey(room), kind: /** @type {const} */ ('room'), name: room, own: false, topic: isText(topic) ? topic : '', entry: isText(entry) ? entry : '', members }));
  const all = new Map(); // a name is there once, as the first that has it
  for (const one of [...own(), ...ofServer, ...people()]) if (!all.has(one.key) && (!kind || one.kind === kind)) all.set(one.key, one);
  const key = fold(bareName(rest));
  if (!key) return [...all.values()];
  const ranked = [...all.values()].map((one) => ({ ...one, rank: rankOf(one, key) })).filter(({ rank }) => rank !== NOTHING);
  return ranked.sort((a, b) => a.rank - b.rank || Number(b.own) - Number(a.own) || (a.own ? 0 : a.key.length - b.key.length));
}

/** The name of the person who is meant by an at sign; null without one. */
export const personOf = (typed) => (/^\s*[@＠﹫]/.test(typed) ? bareName(bareName(typed).slice(1)) : null);

/** What could be begun under this name, if nothing has it. @returns {Found | null} */
export function beginning(typed, found) {
  const person = personOf(typed), isPerson = person !== null, name = person ?? bareRoom(typed);
  const key = isPerson ? directKey(name) : roomKey(name), kind = isPerson ? 'direct' : 'room';
  if (!name || found.some((one) => one.key === key) || (isPerson && isMe(name))) return null;
  return { key: `new ${kind}`, kind, name: isPerson ? name : `#${name}`, own: false, topic: '', entry: '', isNew: true };
}

/** What Enter takes: what the arrows were moved to, or the best that there is; never by itself what would be new. */
export function highlighted(list, moved) {
  return list.find(({ key }) => key === moved) ?? list.find(({ isNew }) => !isNew) ?? null;
}

/** What is highlighted after an arrow; at the ends it stays. */
export function step(list, moved, by) {
  const at = list.indexOf(highlighted(list, moved));
  return list[Math.max(0, Math.min(list.length - 1, at + by))]?.key ?? null;
}
