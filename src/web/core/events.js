// What others do in a room, as the server tells it: frame by frame into the store, and into the log where people are to see it.

import { peopleWords, t } from '../words/index.js';
import { addComing, addEvent, bury, countComings } from './entries.js';
import { directKey, fold } from './names.js';
import { Signal } from './signal.js';
import { changed, isMe, rename, roomOf, rooms, saveMemory, store } from './store.js';
import { isId, isolate, isText, shorten } from './text.js';
import { monotonic } from './time.js';

export const EVENT_UNITS_MAX = 200; // of a topic or last words, in a line of the log
const TYPING_SHOWN_MS = 5000;

/** The list of members of a room is not right any more. */
export const stale = new Signal();

export const reasonOf = (frame) => (isText(frame.reason) ? shorten(frame.reason, EVENT_UNITS_MAX) : '');
export const byOf = (frame) => (isText(frame.by) ? isolate(frame.by) : '');

/** Who has come, or has another name, may be an account: nobody says so. */
function checkMembers(conv) {
  if (store.registration || store.role || conv.accounts.size > 0) stale.emit(conv);
}

function othersJoined(frame) {
  const conv = roomOf(frame);
  if (frame.you === true || !conv || !isText(frame.name)) return;
  if (conv.membersAsked) conv.members.set(fold(frame.name), frame.name);
  conv.total++;
  checkMembers(conv);
  addComing(conv, fold(frame.name), isolate(frame.name), 'came', frame.time);
}

function othersLeft(frame) {
  const conv = roomOf(frame);
  if (frame.you === true || !conv || !isText(frame.name)) return;
  const why = reasonOf(frame), by = byOf(frame), name = isolate(frame.name);
  for (const them of [conv.members, conv.accounts, conv.away, conv.resting, conv.typing]) them.delete(fold(frame.name));
  conv.total = Math.max(0, conv.total - 1);
  if (by) addEvent(conv, peopleWords.removedOther(by, name, why), frame.time);
  else addComing(conv, fold(frame.name), why ? t.withReason(name, why) : name, 'left', frame.time);
}

/** Some came and went and were not announced one by one. The list is asked for again if it is shown, and when it is next. */
function presence(frame) {
  const conv = roomOf(frame);
  if (!conv) return;
  if (isId(frame.members)) conv.total = frame.members;
  const counts = [frame.joined, frame.left, frame.renamed].map((count) => (isId(count) ? count : 0));
  countComings(conv, ...counts, frame.time);
  conv.membersAsked = false;
  stale.emit(conv);
}

function renamed(frame) {
  if (frame.you === true || !isText(frame.from) || !isText(frame.to)) return;
  const conv = roomOf(frame);
  if (conv) {
    swapMember(conv, frame.from, frame.to);
    checkMembers(conv);
    addEvent(conv, t.renamed(isolate(frame.from), isolate(frame.to)), frame.time);
  }
  if (store.ignored.delete(fold(frame.from))) store.ignored.add(fold(frame.to));
  const direct = store.conversations.get(directKey(frame.from)), key = directKey(frame.to);
  if (direct && (direct.key === key || !store.conversations.has(key))) rename(direct, key, frame.to);
}

/** One's own name is another one. */
export function renamedMe({ from, to, time }) {
  store.name = to;
  if (store.role) store.account = to;
  saveMemory();
  for (const conv of rooms()) {
    if (conv.stage === 'out' || conv.stage === 'joining') continue;
    swapMember(conv, from, to);
    addEvent(conv, t.renamed(isolate(from), isolate(to)), time);
  }
}

function swapMember(conv, from, to) {
  for (const them of [conv.members, conv.asking]) if (them.delete(fold(from))) them.set(fold(to), to);
  const role = conv.roles.get(fold(from));
  if (role && conv.roles.delete(fold(from))) conv.roles.set(fold(to), role);
  for (const them of [conv.accounts, conv.away, conv.resting]) if (them.delete(fold(from))) them.add(fold(to));
  conv.typing.delete(fold(from));
}

function topic(frame) {
  const conv = roomOf(frame);
  if (!conv || !isText(frame.topic)) return;
  const isNews = frame.topic !== conv.topic;
  conv.topic = frame.topic;
  if (!isNews) return;
  const name = isText(frame.name) ? isolate(frame.name) : t.someone;
  addEvent(conv, frame.topic ? t.topicSet(name, shorten(frame.topic, EVENT_UNITS_MAX)) : t.topicCleared(name), frame.time);
}

function typing(frame) {
  const conv = roomOf(frame);
  if (!conv || !isText(frame.name) || isMe(frame.name)) return;
  conv.typing.set(fold(frame.name), { name: frame.name, until: monotonic() + TYPING_SHOWN_MS });
  setTimeout(() => changed('composer'), TYPING_SHOWN_MS + 50);
}

/** What nobody can read any more. */
export function deleted(frame) {
  const conv = isText(frame.with) ? store.conversations.get(directKey(frame.with)) : roomOf(frame);
  if (conv && isId(frame.id)) bury(conv, frame.id);
}

/**
 * Which parts of the page a frame can change that nobody asked for; none where that could be any.
 *
 * @returns {import('./store.js').Part[]}
 */
export function touchedBy(frame) {
  const conv = roomOf(frame), isCurrent = conv?.key === store.current;
  if (frame.ref !== undefined || !conv || frame.you === true) return [];
  switch (frame.type) {
    case 'typing': return ['composer'];
    case 'said':
      if (!isCurrent) return ['sidebar', 'title'];
      return ['log', 'sidebar', 'title', 'composer', ...(conv.away.size > 0 ? /** @type {const} */ (['members']) : [])];
    case 'away': return isCurrent ? ['members'] : ['sidebar'];
    case 'joined': case 'left': case 'presence': case 'topic':
      return isCurrent ? ['log', 'sidebar', 'title', 'bar', 'members', 'composer'] : ['sidebar', 'title'];
    default: return [];
  }
}

/** By the type of the frame; of the others there is core/changes.js. */
export const events = {
  joined: othersJoined,
  left: othersLeft,
  presence,
  renamed,
  topic,
  typing,
  deleted,
};
