// What changes about a room and about what people may do in it, as sentences for its log.

import { peopleWords, t } from '../words/index.js';
import { addEvent } from './entries.js';
import { byOf, reasonOf, stale } from './events.js';
import { fold, roomKey } from './names.js';
import { isMe, rename, roomOf, saveMemory, store } from './store.js';
import { isolate, isText } from './text.js';

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

/** By the type of the frame. */
export const roomChanges = {
  room,
  role,
  muted: (frame) => muted(frame, peopleWords.muted),
  unmuted: (frame) => muted(frame, peopleWords.unmuted),
};
