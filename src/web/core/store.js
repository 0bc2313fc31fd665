// Everything the page knows. Whatever changes it calls `changed`; the view hears of that and draws.

import { Signal } from './signal.js';
import { directKey, fold, roomKey } from './names.js';
import { isText } from './text.js';
import { keyOf, newConversation } from './conversation.js';
import { reduce } from './outbox.js';

/** How this browser shows the page; '' is as the browser or the system has it. See ui/dialogs/settings.js. */
export const DEFAULTS = { theme: '', density: '', hours: '', enter: 'send', comings: true };

export const store = {
  link: 'connecting', // 'connecting' | 'online' | 'offline'
  retryAt: 0, // monotonic
  banned: /** @type {any} */ (null), // the error that says that this page may not come here
  refusal: '', // why there is no connection, where the server says so: a key of `refusals` among the words
  wasOnline: false,
  isNew: false, // nobody has been here with this browser, and was not asked for a name yet
  name: '', // as the server has it
  line: '', // the connection that tabs share, if they are of one person
  wish: '', // as its owner chose it; empty for a guest without a name of its own, and for an account
  account: '', // the name of the account that all this belongs to; empty for a guest
  role: '', // what it may do on this server; empty while this page is nobody's
  ended: '', // the account that this page was until its session ended, until somebody logs in or goes on as a guest
  registration: '', // how one comes to an account on this connection: 'invited' | 'open', or '' where no passwords are taken
  code: /** @type {{ kind: string, code: string, room: string } | null} */ (null), // what a link has brought, until it is used
  epoch: '',
  limits: /** @type {any} */ ({}),
  /** @type {Map<string, import('./conversation.js').Conversation>} */
  conversations: new Map(), // by key, in the order of the sidebar
  current: /** @type {string | null} */ (null), // key
  /** @type {import('./outbox.js').Item[]} */
  outbox: [], // what was said here and is not known to have arrived
  notice: /** @type {any} */ (null), // { text, error, actions: [[label, act]] }
  ignored: new Set(), // folded names
  isAway: false, // by one's own word
  telling: { shows: false, sounds: false, isOffered: false }, // how this browser tells of what is said; see ui/telling.js
  settings: { ...DEFAULTS },
  favourites: /** @type {Record<string, string[]>} */ ({}), // keys of rooms, by the folded name of the account; '' for a guest's
  recent: /** @type {string[]} */ ([]), // keys of conversations, those that were looked at last first
};

/** @typedef {'link' | 'sidebar' | 'bar' | 'log' | 'members' | 'composer' | 'notice' | 'title'} Part of the page */

/** Something is to be drawn: these parts, or whatever is different where none is named. */
export const changes = new Signal();
/** @param {Part[]} parts */
export const changed = (...parts) => changes.emit(parts);

/** Something is to be remembered until the next visit. */
export const memories = new Signal();
export const saveMemory = () => memories.emit({
  name: store.wish,
  line: store.line,
  account: store.account,
  rooms: rooms().map(({ name, readId, epoch }) => ({ name, readId, epoch })),
  current: store.current,
  recent: store.recent.filter((key) => store.account !== '' || !key.startsWith('@')), // a guest cannot log out
  telling: store.telling,
  settings: store.settings,
  favourites: store.favourites,
});

/** A room or a direct conversation; made where there is none yet. */
export function conversation(kind, name) {
  const key = keyOf(kind, name);
  const conv = store.conversations.get(key) ?? newConversation(kind, name);
  store.conversations.set(key, conv);
  return conv;
}

/** The conversation that a frame is about, by its `room` or the name it is `with`. */
export const conversationOf = (frame) => store.conversations.get(isText(frame.room) ? roomKey(frame.room) : isText(frame.with) ? directKey(frame.with) : '');
/** The room that a frame is about, if we are in it: frames about a room just left can still arrive. */
export const roomOf = (frame) => (isText(frame.room) ? store.conversations.get(roomKey(frame.room)) : undefined);

const RECENT_KEPT = 50;
/** It is looked at. */
export const noteRecent = ({ key }) => { store.recent = [key, ...store.recent.filter((other) => other !== key)].slice(0, RECENT_KEPT); };

export const current = () => store.conversations.get(store.current ?? '') ?? null;
export const rooms = () => [...store.conversations.values()].filter((conv) => conv.kind === 'room');
/** Those that are kept, newest first, then those of this screen in the order in which they began. */
export const directs = () => [...store.conversations.values()].filter((conv) => conv.kind === 'direct').sort((a, b) => b.at - a.at);

export const isMe = (name) => fold(name) === fold(store.name);
/** Whether what is said to this person is kept: between accounts it is. */
export const isKept = (conv) => conv.kept || (store.role !== '' && !conv.isGuest && rooms().some((room) => room.accounts.has(fold(conv.name))));

/** What happens to what was said here; see outbox.js. */
export function dispatch(event) {
  store.outbox = reduce(store.outbox, event);
  changed('log');
}

/** `text`: or an error of the server. `actions`: what can be done about it, [label, act]; with any it stays until it is dismissed. */
export function notify(text, error = false, actions = []) {
  store.notice = { text, error, actions };
  changed('notice');
}

/** A conversation under another name keeps its place in the sidebar. */
export function rename(conv, key, name) {
  conv.name = name;
  if (key === conv.key) return;
  const wasCurrent = store.current === conv.key, old = conv.key;
  dispatch({ type: 'moved', conv: conv.key, to: key });
  store.conversations.delete(key);
  store.conversations = new Map([...store.conversations].map(([before, other]) => (other === conv ? [key, conv] : [before, other])));
  conv.key = key;
  if (wasCurrent) store.current = key;
  store.recent = store.recent.map((one) => (one === old ? key : one));
}
