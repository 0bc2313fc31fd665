// What changes about a room, about what people may do in it, and about who is away.

import { peopleWords, t } from '../words/index.js';
import { addEvent } from './entries.js';
import { byOf, EVENT_UNITS_MAX, reasonOf, stale } from './events.js';
import { fold, roomKey } from './names.js';
import { isMe, notify, rename, roomOf, rooms, saveMemory, store } from './store.js';
import { isolate, isText, shorten } from './text.js';

const SETTINGS = ['entry', 'listed', 'newcomers_see', 'posting', 'invites', 'archived', 'kept'];

/** What has changed in a room's rules, in sentences for the log. */
function changesOf(before, now, by) {
  if (isText(now.from)) return [peopleWords.renamed(by, now.from, now.room)];
  const different = SETTINGS.filter((key) => now[key] !== undefined && (before ?? {})[key] !== now[key]);
  // Where it is not known what was before, who may enter is what matters.
  const told = before ? different : different.filter((key) => key === 'entry');
  const sentences = told.map((key) => peopleWords.changes[key][now[key]]).filter(isText).map((what) => peopleWords.made(by, what));
  return sentences.length ? sentences : [peopleWords.changed(by)];
}

/** A room has another name, or other rules: what is other is told in its log. */
function room(frame) {
  const conv = isText(frame.from) ? store.conversations.get(roomKey(frame.from)) : roomOf(frame);
  if (!conv || !isText(frame.room)) return;
  const by = byOf(frame), before = conv.settings;
  if (isText(frame.from)) {
    rename(conv, roomKey(frame.room), frame.room);
    saveMemory();
  }
  conv.settings = frame;
  conv.entry = isText(frame.entry) && frame.entry !== 'all' ? frame.entry : '';
  // The same event goes to all: only an answer has one's own role.
  if (isText(frame.role)) conv.role = frame.role;
  if (!by) return;
  for (const text of changesOf(before, frame, by)) addEvent(conv, text, frame.time);
  conv.membersAsked = false;
  stale.emit(conv);
}

function role(frame) {
  const conv = roomOf(frame);
  if (!conv || !isText(frame.name) || !isText(frame.role)) return;
  const given = frame.role === 'member' ? '' : frame.role;
  if (isMe(frame.name)) conv.role = given;
  if (given) conv.roles.set(fold(frame.name), given);
  else conv.roles.delete(fold(frame.name));
  const by = byOf(frame) || t.someone;
  addEvent(conv, peopleWords.roleGiven(by, isolate(frame.name), peopleWords.roleNames[frame.role] ?? frame.role), frame.time);
}

function muted(frame, sentence) {
  const conv = roomOf(frame);
  if (conv && isText(frame.name) && isText(frame.by)) addEvent(conv, sentence(byOf(frame), isolate(frame.name), reasonOf(frame)), frame.time);
}

/** Somebody is away, or here again: told to a room, where it is a mark, or to oneself. */
function away(frame) {
  if (!isText(frame.name)) return;
  const isAway = frame.away === true, why = isText(frame.text) ? shorten(frame.text, EVENT_UNITS_MAX) : '';
  const mark = (conv) => conv.resting[isAway ? 'add' : 'delete'](fold(frame.name));
  if (isText(frame.room)) {
    const conv = roomOf(frame);
    if (conv) mark(conv);
    return;
  }
  if (frame.you === true) {
    store.isAway = isAway;
    rooms().forEach(mark);
  }
  notify(frame.you === true ? peopleWords.youAway(isAway, why) : peopleWords.isAway(isolate(frame.name), why));
}

/** By the type of the frame. */
export const roomChanges = {
  away,
  room,
  role,
  muted: (frame) => muted(frame, peopleWords.muted),
  unmuted: (frame) => muted(frame, peopleWords.unmuted),
};
