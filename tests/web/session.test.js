// The whole of net/ and core/ against a server of the test's own, over lines that break in the middle of whatever is going on.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { conversation, store } from '../../src/web/core/store.js';
import { History } from '../../src/web/net/history.js';
import { Session } from '../../src/web/net/session.js';
import { ready } from '../../src/web/words/index.js';
import { randomBy } from './random.js';

const RUNS = 150;

// ---- the other side

/** One room's worth of chat.v1.json. Frames that were sent before a line broke may be read after that, in order. */
class Server {
  epoch = 'one';
  log = []; // { id, name, text, key, time }, or without a text, and deleted
  lines = new Set();
  holder = null; // the line that has the name

  /** What a line has sent and the server has not read. */
  read(line) {
    const frame = line.up.shift();
    if (frame) this.answer(line, frame);
  }

  /** A line whose end the server has noticed gives the name back; what it had sent is read before that. */
  notice(line) {
    while (line.up.length) this.read(line);
    this.lines.delete(line);
    if (this.holder === line) this.holder = null;
  }

  welcome(line) {
    this.lines.add(line);
    this.holder ??= line;
    line.name = this.holder === line ? 'alice' : `guest${this.lines.size}`;
    line.tell({ type: 'welcome', name: line.name, epoch: this.epoch, limits: { message_bytes: 65536 } });
  }

  answer(line, frame) {
    const { type, ref } = frame, newest = this.log.length;
    if (type === 'nick') return this.rename(line, frame);
    if (type === 'rooms') return line.tell({ type: 'rooms', ref, rooms: [] });
    if (type === 'who') return line.tell({ type: 'who', ref, room: '#dev', members: [line.name], total: 1 });
    if (type === 'join') {
      const isKnown = frame.since !== undefined && frame.epoch === this.epoch, from = isKnown ? frame.since : Math.max(0, newest - frame.replay || 0);
      line.isIn = true;
      line.tell({ type: 'joined', ref, you: true, room: '#dev', name: line.name, members: 1, position: newest });
      return line.tell({ type: 'history', room: '#dev', replay: true, messages: this.log.slice(from).map(({ key: _, was: __, ...message }) => message) });
    }
    if (type === 'deletions') {
      // Two at a time, the newest first.
      const after = Math.max(frame.after, Math.min(frame.before, newest + 1) - 3), ids = this.log.filter(({ id, deleted }) => deleted && id > after && id < frame.before);
      return line.tell({ type: 'deletions', ref, room: '#dev', after, before: frame.before, ids: ids.map(({ id }) => id) });
    }
    if (type === 'say') return this.say(line, frame);
    assert.fail(`what is ${type}?`);
  }

  rename(line, { name, ref }) {
    if (this.holder && this.holder !== line) return line.tell({ type: 'error', ref, code: 'name_taken', message: 'taken' });
    const from = line.name;
    this.holder = line;
    line.name = name;
    line.tell({ type: 'renamed', ref, you: true, from, to: name });
  }

  delete(id) {
    const message = this.log[id - 1];
    if (!message || message.deleted) return;
    Object.assign(message, { deleted: true, was: message.text, text: undefined });
    for (const line of this.lines) if (line.isIn) line.tell({ type: 'deleted', room: '#dev', id, by: 'bob', time: 0 });
  }

  say(line, { text, key, ref }) {
    const before = this.log.find((message) => message.key === key);
    const message = before ?? { id: this.log.length + 1, name: line.name, text, key, time: Date.now() };
    if (!before) this.log.push(message);
    const { key: _, was: __, ...said } = message;
    for (const other of before ? [line] : this.lines) if (other.isIn) other.tell({ type: 'said', room: '#dev', ...said, ...(other === line && { ref }) });
  }
}

let server, lines;

/** The page's end of a line. */
class Socket {
  static OPEN = 1;
  readyState = 0;
  up = [];
  down = [];
  isIn = false;
  isBroken = false;
  name = '';

  constructor() { lines.push(this); }

  send(text) { this.up.push(JSON.parse(text)); }
  close() { this.isBroken = true; }

  open() {
    this.readyState = Socket.OPEN;
    this.onopen();
    server.welcome(this);
  }

  tell(frame) { if (!this.isBroken) this.down.push(frame); }

  /** The page reads a frame. */
  read() {
    const frame = this.down.shift();
    if (frame) this.onmessage({ data: JSON.stringify(frame) });
  }

  breaks() {
    if (this.isBroken) return;
    Object.assign(this, { isBroken: true, down: [], readyState: 3 });
    this.onclose({ code: 1006 });
  }
}

// ---- the page

const fakes = ['WebSocket', 'window', 'document', 'location', 'navigator', 'sessionStorage', 'fetch'], real = Object.fromEntries(fakes.map((name) => [name, globalThis[name]]));
const performanceNow = performance.now;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  performance.now = () => Date.now();
  const silent = { addEventListener: () => {}, hidden: false };
  Object.assign(globalThis, {
    WebSocket: Socket, window: silent, document: silent, location: new URL('http://server/'), navigator: {}, sessionStorage: { getItem: () => null, setItem: () => {}, removeItem: () => {} },
    fetch: async () => { throw new Error('no network'); },
  });
});

afterEach(() => {
  mock.timers.reset();
  performance.now = performanceNow;
  Object.assign(globalThis, real);
});

function begin(start = (session) => session.start()) {
  Object.assign(store, {
    link: 'connecting', name: '', wish: 'alice', account: '', role: '', ended: '', epoch: '', wasOnline: false, limits: {}, outbox: [], notice: null, conversations: new Map(), current: null,
  });
  [server, lines] = [new Server(), []];
  const nothing = () => {}, parts = { history: {}, account: {}, admission: { ask: nothing }, conversations: {}, roomChanges: {} };
  parts.history = new Proxy({}, { get: (_, method) => (...given) => history[method](...given) });
  const session = new Session({
    isReading: () => true, isReadingBack: () => false, isLookedAt: () => false, said: nothing, mark: nothing, forget: nothing, welcomed: nothing, identified: nothing,
    ended: nothing, loginRequired: nothing, asked: nothing, invited: nothing, refused: nothing, parts: /** @type {any} */ (parts),
  });
  const history = new History(session);
  session.rooms.show(conversation('room', 'dev'));
  start(session);
  return session;
}

const living = () => lines.filter((line) => !line.isBroken && line.readyState === Socket.OPEN);

/** All that is still on its way arrives; lines that are gone are noticed, and the page comes back. */
function settle(turns = 400) {
  for (let turn = 0; turn < turns; turn++) {
    mock.timers.tick(500);
    for (const line of lines) {
      if (line.isBroken) server.notice(line);
      else if (line.readyState === 0) line.open();
      server.read(line);
      line.read();
    }
  }
}

test('a line that is opened ahead brings nothing before the page is there, and then all of it', async () => {
  await ready;
  const session = begin((made) => made.open());
  settle(10);
  assert.equal(lines.length, 1);
  assert.deepEqual([store.link, store.name], ['connecting', '']);
  session.start();
  settle();
  assert.deepEqual([store.link, store.name, lines.length, conversation('room', 'dev').stage], ['online', 'alice', 1, 'in']);
});

test('what is said arrives once and in order, whatever breaks in between', async () => {
  await ready;
  for (let seed = 1; seed <= RUNS; seed++) {
    const random = randomBy(seed), session = begin(), said = [];
    for (let step = 0; step < 80; step++) {
      const line = lines.at(-1), old = lines.filter((other) => other.isBroken && server.lines.has(other));
      random.pick([
        () => {
          said.push(`line ${said.length}`);
          session.outgoing.say(conversation('room', 'dev'), said.at(-1));
        },
        () => line.readyState === 0 && !line.isBroken && line.open(),
        () => server.lines.has(line) && server.read(line),
        () => line.read(),
        () => line.read(),
        () => mock.timers.tick(random.below(3000)),
        () => random.chance(0.3) && line.breaks(),
        () => old.length && random.chance(0.5) && server.read(old[0]),
        () => old.length && random.chance(0.5) && server.notice(old[0]),
        () => random.chance(0.5) && server.delete(1 + random.below(server.log.length + 1)),
      ])();
    }
    settle();
    // What was sent under a name that did not come back cannot be known: its author is asked.
    const asked = store.outbox.filter(({ state, as }) => state === 'failed' || (state === 'unsure' && as !== 'alice'));
    assert.deepEqual(store.outbox, asked, `seed ${seed}: nothing else waits`);
    for (const { key } of asked) session.outgoing.sendAgain(key);
    settle();
    assert.deepEqual(store.outbox, [], `seed ${seed}: all of it has arrived`);
    assert.equal(new Set(server.log.map(({ key }) => key)).size, server.log.length, `seed ${seed}: nothing twice`);
    assert.deepEqual(server.log.map(({ text, was }) => was ?? text).sort(), [...said].sort(), `seed ${seed}: nothing lost`);
    const [conv] = store.conversations.values(), messages = conv.entries.filter(({ type }) => type === 'message');
    assert.deepEqual(messages.map(({ id }) => id), server.log.map(({ id }) => id), `seed ${seed}: all of it is shown, each once, in order`);
    assert.deepEqual(messages.map(({ text }) => text), server.log.map(({ text }) => text ?? ''), `seed ${seed}: nothing that is deleted is shown`);
    assert.ok(messages.every(({ own }) => own), `seed ${seed}: it is one's own`);
    assert.equal(living().length, 1, `seed ${seed}: on one line`);
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  }
});

/** What happens to the line, or to the server, at one moment. */
const ACCIDENTS = {
  'the line breaks': (line) => line.breaks(),
  'the line breaks, and what was sent is lost': (line) => {
    line.up = [];
    line.breaks();
  },
  'the line breaks, and what was sent has been read': (line) => {
    while (line.up.length) server.read(line);
    line.breaks();
  },
  'what was told is told twice': (line) => { if (line.down.length) line.down.unshift(structuredClone(line.down[0])); },
  'the server starts over': (line) => {
    line.breaks();
    server = Object.assign(new Server(), { epoch: `after ${server.epoch}`, before: [...(server.before ?? []), ...server.log] });
  },
};

test('what is said arrives once and in order, at whatever point of it something happens, and happens again', async () => {
  await ready;
  const POINTS = 24, texts = ['one', 'two', 'three', 'four', 'five', 'six'];
  for (const [what, happen] of Object.entries(ACCIDENTS)) for (let point = 0; point < POINTS; point++) for (let again = point; again < POINTS; again += 3) {
    const session = begin(), where = `${what} at ${point} and ${again}`;
    for (let step = 0; step < POINTS; step++) {
      const line = lines.at(-1);
      if (step === point || step === again) happen(line);
      if (step % 4 === 0) session.outgoing.say(conversation('room', 'dev'), texts[step / 4]);
      if (line.readyState === 0 && !line.isBroken) line.open();
      if (step % 2 && server.lines.has(line)) server.read(line);
      line.read();
      mock.timers.tick(400);
    }
    settle(150);
    for (const { key } of store.outbox) session.outgoing.sendAgain(key);
    settle(60);
    assert.deepEqual(store.outbox, [], `${where}: all of it has arrived`);
    const kept = server.log.map(({ text }) => text), all = [...(server.before ?? []).map(({ text }) => text), ...kept];
    assert.equal(new Set(kept).size, kept.length, `${where}: nothing twice`);
    assert.deepEqual([...new Set(all)].sort(), [...texts].sort(), `${where}: nothing lost`);
    if (what === 'what was told is told twice') assert.deepEqual(kept, texts, where);
    const [conv] = store.conversations.values(), ids = conv.entries.filter(({ epoch }) => epoch === server.epoch).map(({ id }) => id);
    assert.deepEqual(ids, server.log.map(({ id }) => id), `${where}: it is shown, each once, in order`);
    mock.timers.reset();
    mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  }
});

test('a replay that comes late, and after what is new, is shown all the same', async () => {
  await ready;
  const session = begin();
  settle();
  lines.at(-1).breaks();
  for (const text of ['missed', 'too']) server.say(Object.assign(new Socket(), { name: 'bob' }), { text, key: text, ref: '' });
  lines.splice(1);
  mock.timers.tick(1000);
  const line = lines.at(-1);
  server.notice(lines[0]);
  line.open();
  line.read();
  while (line.up.length) server.read(line);
  const replay = line.down.findIndex(({ type }) => type === 'history'), [late] = line.down.splice(replay, 1);
  mock.timers.tick(20_000);
  server.say(Object.assign(new Socket(), { name: 'bob' }), { text: 'new', key: 'new', ref: '' });
  lines.splice(2);
  while (line.down.length) line.read();
  mock.timers.tick(20_000);
  line.tell(late);
  line.read();
  session.outgoing.say(conversation('room', 'dev'), 'and an answer');
  settle();
  const [conv] = store.conversations.values();
  assert.deepEqual(conv.entries.map(({ type, text }) => text ?? type), ['missed', 'too', 'new', 'and an answer']);
});

test('a server that starts over is told what the old one had not answered', async () => {
  await ready;
  const session = begin();
  settle();
  session.outgoing.say(conversation('room', 'dev'), 'answered');
  settle();
  session.outgoing.say(conversation('room', 'dev'), 'not read');
  lines.at(-1).breaks();
  server = Object.assign(new Server(), { epoch: 'two' });
  settle();
  assert.deepEqual(server.log.map(({ text }) => text), ['not read']);
  const [conv] = store.conversations.values();
  assert.deepEqual(conv.entries.map(({ type, text }) => text ?? type), ['answered', 'restart', 'not read']);
});
