// The page of chat-server. No framework, no build step. Here its parts are put together:
//
//   words/     every string that people see, one table a language
//   core/      what the page knows, and what follows from what: neither a document nor a network
//   net/       one WebSocket at a time, and the dialect chat.v1.json
//   ui/        draws what is known and turns gestures into actions; knows nothing of the dialect
//   commands/  what is typed with a slash, by the server's own table

import { actionsOf } from './commands/actions.js';
import { Commands, NAMES } from './commands/table.js';
import { bareName, bareRoom, roomKey } from './core/names.js';
import { conversation, memories, rooms, DEFAULTS, store } from './core/store.js';
import { isId, isText } from './core/text.js';
import { FIRST_ROOM } from './net/identity.js';
import { recall, remember } from './net/memory.js';
import { Session } from './net/session.js';
import { App } from './ui/app.js';
import { loadDialogWords, ready } from './words/index.js';

/** Who we were and where, from memory; the page's address (?name=alice&room=dev) has the last word. */
function begin(session) {
  const memory = recall(), address = new URLSearchParams(location.search);
  store.wish = bareName(address.get('name') || (isText(memory.name) ? memory.name : ''));
  store.account = isText(memory.account) ? memory.account : '';
  store.recent = Array.isArray(memory.recent) ? memory.recent.filter(isText) : [];
  for (const choice of Object.keys(store.telling)) store.telling[choice] = memory.telling?.[choice] === true;
  for (const [choice, value] of Object.entries(memory.settings ?? {})) if (typeof value === typeof DEFAULTS[choice]) store.settings[choice] = value;
  for (const [name, keys] of Object.entries(memory.favourites ?? {})) if (Array.isArray(keys)) store.favourites[name] = keys.filter(isText);
  const known = Array.isArray(memory.rooms) ? memory.rooms.filter((room) => room && isText(room.name) && bareRoom(room.name)) : [];
  for (const { name, readId, epoch } of known) {
    const conv = conversation('room', name);
    if (isId(readId) && isText(epoch)) Object.assign(conv, { readId, epoch });
  }
  store.isNew = !store.wish && !Array.isArray(memory.rooms);
  const wanted = address.get('room');
  if (wanted && bareRoom(wanted)) {
    const isNew = !store.conversations.has(roomKey(wanted)), conv = conversation('room', wanted);
    conv.wanted = isNew;
    session.rooms.show(conv);
  } else if (!Array.isArray(memory.rooms)) session.rooms.show(conversation('room', FIRST_ROOM));
  else session.rooms.show(store.conversations.get(memory.current) || rooms()[0] || null);
}

/** Fetches a style sheet. */
const style = (path) => new Promise((onload, onerror) => {
  document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: new URL(path, import.meta.url).href, onload, onerror }));
});

store.commands = new Set(NAMES);
memories.on(remember);
const session = new Session({
  isReading: (conv) => app.log.isReading(conv),
  isReadingBack: (conv) => app.log.isReadingBack(conv),
  said: (conv, message) => app.telling.said(conv, message),
  mark: (conv, id) => app.log.mark(conv, id),
  forget: () => app.forget(),
  welcomed: () => app.entrance.welcomed(),
  identified: () => app.accounts.identified(),
  ended: () => app.accounts.login(),
  loginRequired: () => app.accounts.loginRequired(),
  asked: (conv, name) => app.roomDialogs.asked(conv, name),
  invited: (frame) => app.roomDialogs.invited(frame),
  refused: (frame) => app.roomDialogs.refused(frame),
});
begin(session);
session.open(); // the words are still on their way
await ready;
const app = new App(async () => {
  const [script] = await Promise.all([import('./ui/dialogs/index.js'), loadDialogWords(), style('./css/dialogs.css')]);
  return script;
});
app.session = session;
app.commands = new Commands(
  actionsOf(app),
  (conv, text) => session.outgoing.say(conv, text),
  (conv, text) => session.outgoing.excess(conv, text),
);
app.start();
session.start();
app.dialogs().catch(() => { /* tried again when one is needed */ });
