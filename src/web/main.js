// The page of chat-server. No framework, no build step. Here its parts are put together:
//
//   words/     every string that people see, one table a language
//   core/      what the page knows, and what follows from what: neither a document nor a network
//   net/       one WebSocket at a time, and the dialect chat.v1.json
//   ui/        draws what is known and turns gestures into actions; knows nothing of the dialect
//   commands/  what is typed with a slash, by the server's own table

import { placeOf } from './core/address.js';
import { keyOf } from './core/conversation.js';
import { Later } from './core/later.js';
import { bareName, bareRoom, fold } from './core/names.js';
import { changed, conversation, DEFAULTS, memories, notify, rooms, store } from './core/store.js';
import { isId, isText } from './core/text.js';
import { FIRST_ROOM } from './net/identity.js';
import { recall, remember, whenRemembered } from './net/memory.js';
import { Session } from './net/session.js';
import { App, say } from './ui/app.js';
import { takeCode } from './ui/code.js';
import { loadMoreWords, ready, t } from './words/index.js';

/** What was chosen here, or in another tab. */
function learnChoices({ telling, settings, favourites }) {
  for (const choice of Object.keys(store.telling)) store.telling[choice] = telling?.[choice] === true;
  for (const [choice, value] of Object.entries(settings ?? {})) if (typeof value === typeof DEFAULTS[choice]) store.settings[choice] = value;
  for (const [name, keys] of Object.entries(favourites ?? {})) if (Array.isArray(keys)) store.favourites[name] = keys.filter(isText);
}

/** Who we were and where, from memory; the page's address (?name=alice&room=dev) has the last word. */
function begin(session) {
  const memory = recall(), address = new URLSearchParams(location.search);
  const before = isText(memory.name) ? memory.name : '';
  store.wish = bareName(address.get('name') || before);
  // Who asks for another name is somebody else than the other tabs.
  const isSame = isText(memory.line) && fold(store.wish) === fold(before);
  store.line = isSame ? memory.line : Math.random().toString(36).slice(2);
  store.account = isText(memory.account) ? memory.account : '';
  store.recent = Array.isArray(memory.recent) ? memory.recent.filter(isText) : [];
  learnChoices(memory);
  const known = Array.isArray(memory.rooms) ? memory.rooms.filter((room) => room && isText(room.name) && bareRoom(room.name)) : [];
  for (const { name, readId, epoch } of known) {
    const conv = conversation('room', name);
    if (isId(readId) && isText(epoch)) Object.assign(conv, { readId, epoch });
  }
  store.isNew = !store.wish && !Array.isArray(memory.rooms);
  const place = placeOf(location.search);
  if (!Array.isArray(memory.rooms) && place?.kind !== 'room') session.rooms.show(conversation('room', FIRST_ROOM));
  else if (!place) session.rooms.show(store.conversations.get(memory.current) || rooms()[0] || null);
  if (!place) return;
  const isNew = !store.conversations.has(keyOf(place.kind, place.name)), conv = conversation(place.kind, place.name);
  Object.assign(conv, { wanted: isNew, sought: place.id || null });
  session.rooms.show(conv);
}

/** Fetches a style sheet. */
const style = (path) => new Promise((onload, onerror) => {
  document.head.append(Object.assign(document.createElement('link'), { rel: 'stylesheet', href: new URL(path, import.meta.url).href, onload, onerror }));
});

store.code = takeCode();
/** Fetches what a file has, as elements of this page. */
const elementsOf = (path) => new Promise((resolve, onerror) => {
  const request = Object.assign(new XMLHttpRequest(), { responseType: 'document', onerror });
  request.onload = () => (request.status === 200 ? resolve([...request.response.body.children]) : onerror());
  request.open('GET', new URL(path, import.meta.url));
  request.send();
});

let script = /** @type {any} */ (null), tries = 0;
const later = new Later(async () => {
  const again = tries++ ? `?${tries}` : ''; // a browser may remember that an import has failed
  const importScript = async () => { script ??= await import('./later.js' + again); };
  const [elements] = await Promise.all([elementsOf('./later.html'), importScript(), loadMoreWords(again), style('./css/later.css')]);
  for (const element of elements) say(element);
  document.body.append(...elements);
  return new script.Parts(app);
}, () => notify(t.notLoaded, true));
const unasked = later.unasked;
memories.on((memory) => store.ended || remember(memory)); // who has logged out elsewhere is forgotten there
const session = new Session({
  isReading: (conv) => app.log.isReading(conv),
  isReadingBack: (conv) => app.log.isReadingBack(conv),
  isLookedAt: () => document.hasFocus() && !document.hidden,
  said: (conv, message) => unasked.telling.said(conv, message),
  mark: (conv, id) => app.log.mark(conv, id),
  forget: () => app.forget(),
  welcomed: () => unasked.entrance.welcomed(),
  identified: () => unasked.accounts.identified(),
  ended: () => unasked.accounts.login(),
  loginRequired: (conv) => unasked.accounts.loginRequired(conv),
  asked: (frame) => unasked.roomDialogs.asked(frame),
  invited: (frame) => unasked.roomDialogs.invited(frame),
  refused: (frame) => unasked.roomDialogs.refused(frame),
  parts: unasked,
});
begin(session);
session.open(); // the words are still on their way
await ready;
const app = new App(later);
app.session = session;
app.start();
whenRemembered((memory) => {
  learnChoices(memory);
  app.settings.apply();
  changed();
});
session.start();
later.load().catch(() => { /* it is tried again */ });
