// Tabs of one person, on a browser of the test's own: they have one line, whoever of them goes away.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Connection } from '../../src/web/net/connection.js';
import { Tabs } from '../../src/web/net/tabs.js';
import { ready } from '../../src/web/words/index.js';

// ---- the browser

let sockets, channels, holder, queue;

class Socket {
  static OPEN = 1;
  readyState = 0;
  sent = [];

  constructor(url) {
    this.url = url;
    sockets.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }

  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }

  /** A server lets it in. */
  open() {
    this.readyState = 1;
    this.say({ type: 'welcome', resume: `token ${sockets.length}` });
  }

  /** A server, or what is on the way to it, ends it. */
  end(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

/** What is posted arrives later; at a frozen tab, when it is thawed. */
class Channel {
  tab = at;
  waiting = [];

  constructor() { channels.push(this); }

  postMessage(news) {
    for (const other of channels) if (other !== this && other.tab.isThere) other.waiting.push(structuredClone(news));
  }
}

/** Gives the lock to whoever is next. */
function serveLock() {
  while (!holder && queue.length) {
    const next = queue.shift(), held = next.act();
    if (held) {
      holder = next;
      held.then(() => { if (holder === next) holder = null; });
    }
  }
}

const locks = {
  request: (_name, { steal = false, signal = null }, act) => new Promise((resolve, reject) => {
    const claim = { tab: at, act, reject };
    if (steal) {
      holder?.tab.later(holder.reject);
      holder = null;
      queue.unshift(claim);
    } else queue.push(claim);
    signal?.addEventListener('abort', () => {
      if (queue.includes(claim)) reject(new Error('aborted'));
      queue = queue.filter((other) => other !== claim);
    });
  }),
};

// ---- tabs

let at; // the tab whose script runs

class Tab {
  isThere = true;
  isFrozen = false;
  isSeen = false;
  frames = [];
  told = [];
  token = '';
  person = {}; // what has changed since the welcome
  #late = [];

  constructor() {
    at = this;
    this.tabs = new Tabs({
      url: () => `ws://server/?resume=${this.token}`,
      present: (welcome) => JSON.stringify({ ...JSON.parse(welcome), ...this.person }),
      nudge: () => this.connection.nudge(),
      onRead: (what) => this.frames.push({ read: what }),
      isLookedAt: () => this.isSeen,
    });
    this.connection = new Connection({
      dial: () => this.#run(() => this.tabs.dial()),
      onState: (state) => { this.state = state; },
      onFrame: (frame) => {
        this.frames.push(frame);
        if (frame.type === 'welcome') Object.assign(this, { token: frame.resume, state: 'online' });
        this.isWaiting = false;
      },
      onTooBig: () => {}, onSuperseded: () => assert.fail('they are one person'), onNoEntry: () => {},
      isWaiting: () => this.isWaiting,
      probe: () => { this.isWaiting = this.connection.send({ type: 'rooms' }); },
    });
    this.connection.open();
    pass();
  }

  #run(act) {
    at = this;
    return act();
  }

  later(act) { this.#late.push(act); }

  turn() {
    if (!this.isThere || this.isFrozen) return;
    at = this;
    for (const act of this.#late.splice(0)) act();
    for (const channel of channels.filter(({ tab }) => tab === this)) for (const news of channel.waiting.splice(0)) channel.onmessage({ data: news });
  }

  /** Without a word. */
  crash() {
    this.isThere = false;
    queue = queue.filter(({ tab }) => tab !== this);
    if (holder?.tab === this) holder = null;
    tabs = tabs.filter((tab) => tab !== this);
  }
}

let tabs;

/** Promises are kept and messages arrive, all of them. */
async function pass(milliseconds = 0) {
  for (let left = milliseconds; left >= 0; left -= 100) {
    for (let turn = 0; turn < 5; turn++) {
      await Promise.resolve();
      serveLock();
      for (const tab of tabs) tab.turn();
    }
    if (left > 0) mock.timers.tick(Math.min(100, left));
  }
}

async function open(count) {
  for (let number = 0; number < count; number++) {
    tabs.push(new Tab());
    await pass(10);
    for (const socket of sockets) if (socket.readyState === 0) socket.open();
    await pass(10);
  }
  return tabs;
}

const living = () => sockets.filter(({ readyState }) => readyState < 2);

const fakes = ['WebSocket', 'BroadcastChannel', 'navigator', 'location'], real = Object.fromEntries(fakes.map((name) => [name, globalThis[name]]));
const performanceNow = performance.now;

beforeEach(async () => {
  await ready;
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  performance.now = () => Date.now();
  [sockets, channels, holder, queue, tabs] = [[], [], null, [], []];
  Object.assign(globalThis, { WebSocket: Socket, BroadcastChannel: Channel, navigator: { locks }, location: new URL('http://server/') });
});

afterEach(() => {
  mock.timers.reset();
  performance.now = performanceNow;
  Object.assign(globalThis, real);
});

test('tabs have one line: all hear what comes, and each is heard', async () => {
  const [first, second, third] = await open(3);
  assert.equal(sockets.length, 1);
  assert.deepEqual(tabs.map(({ state, token }) => [state, token]), tabs.map(() => ['online', 'token 1']));
  second.connection.send({ type: 'say', text: 'from the second' });
  await pass(10);
  sockets[0].say({ type: 'said', text: 'from the second' });
  await pass(10);
  assert.deepEqual(sockets[0].sent.filter(({ type }) => type === 'say'), [{ type: 'say', text: 'from the second' }]);
  for (const { frames } of [first, second, third]) assert.deepEqual(frames.map(({ type }) => type), ['welcome', 'said']);
});

test('a tab that comes later is told who this person is by then', async () => {
  const [first] = await open(1);
  first.person = { name: 'ann', role: 'member' };
  const [later] = (await open(1)).slice(-1);
  assert.equal(sockets.length, 1);
  assert.deepEqual(later.frames, [{ type: 'welcome', resume: 'token 1', name: 'ann', role: 'member' }]);
});

test('a line that ends is one line again', async () => {
  await open(3);
  sockets[0].end();
  await pass(2000);
  living()[0].open();
  await pass(2000);
  assert.equal(sockets.length, 2);
  assert.deepEqual(tabs.map(({ state, token }) => [state, token]), tabs.map(() => ['online', 'token 2']));
});

test('when the first one goes, another comes back by the token', async () => {
  const [first] = await open(3);
  first.crash();
  await pass(200);
  assert.deepEqual(sockets.map(({ url }) => url), ['ws://server/?resume=', 'ws://server/?resume=token 1']);
  sockets[1].open();
  await pass(2000);
  assert.deepEqual(tabs.map(({ state, token }) => [state, token]), [['online', 'token 2'], ['online', 'token 2']]);
  assert.equal(sockets.length, 2);
});

test('a page that is put away says no goodbye for the others', async () => {
  const [first, second] = await open(2);
  first.tabs.leave();
  first.connection.pause(true);
  assert.equal(sockets[0].readyState, 1);
  await pass(200);
  sockets[1].open();
  sockets[0].end(4000);
  await pass(200);
  assert.deepEqual([second.state, second.token], ['online', 'token 2']);
  first.connection.resume();
  await pass(2000);
  assert.deepEqual([first.state, first.token, living().length], ['online', 'token 2', 1], 'it follows now');
});

test('one that is alone says it', async () => {
  const [only] = await open(1);
  only.tabs.leave();
  only.connection.pause(true);
  assert.equal(sockets[0].readyState, 3);
});

test('a first tab that is frozen loses the line, and takes it from nobody when it is thawed', async () => {
  const [first, second] = await open(2);
  first.isFrozen = true;
  second.connection.nudge();
  await pass(6000);
  const [, taken] = sockets;
  taken.open();
  await pass(100);
  assert.deepEqual([second.state, second.token], ['online', 'token 2']);
  sockets[0].end(4000); // the server ends the guest's connection of before
  first.isFrozen = false;
  for (let time = 0; time < 60; time++) {
    await pass(1000);
    for (const socket of living()) if (socket.sent.length) socket.say({ type: 'rooms' });
  }
  assert.equal(sockets.length, 2, 'nobody kicks anybody out');
  assert.deepEqual(tabs.map(({ state, token }) => [state, token]), [['online', 'token 2'], ['online', 'token 2']]);
});

test('who doubts the line has it looked at', async () => {
  const [, second] = await open(2);
  second.connection.nudge();
  await pass(6000); // nothing answers
  assert.equal(sockets[0].readyState, 3);
  living()[0].open();
  await pass(3000);
  assert.deepEqual(tabs.map(({ state, token }) => [state, token]), [['online', 'token 2'], ['online', 'token 2']]);
});

test('one tab tells, and none while somebody looks at another', async () => {
  const [first, second] = await open(2), told = [];
  const tell = async () => {
    told.length = 0;
    for (const tab of tabs) tab.tabs.ifAlone(() => told.push(tab));
    await pass(200);
    return [...told];
  };
  assert.deepEqual(await tell(), [first]);
  second.isSeen = true;
  assert.deepEqual(await tell(), []);
  second.crash();
  assert.deepEqual(await tell(), [first]);
  second.tabs.tellRead({ key: '#dev' });
  await pass(10);
  assert.deepEqual(first.frames.at(-1), { read: { key: '#dev' } });
});

test('where there are no locks each tab is by itself', async () => {
  for (const none of [undefined, { request: async () => { throw new Error('not here'); } }]) {
    sockets = [];
    tabs = [];
    globalThis.navigator = /** @type {any} */ ({ locks: none });
    await open(2);
    await pass(2000);
    for (const socket of sockets) if (socket.readyState === 0) socket.open();
    await pass(100);
    assert.equal(living().length, 2);
    assert.deepEqual(tabs.map(({ state }) => state), ['online', 'online']);
  }
});
