// Sending exactly once, by the reducer alone: against a server and lines that lose, repeat and restart at every point.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { IN_FLIGHT_MAX, itemOf, next, reduce, TRIES_MAX } from '../../src/web/core/outbox.js';
import { randomBy } from './random.js';

const RUNS = 4000;
const ROOMS = ['#a', '#b'];

/** A server that keeps what was said, by key once, and answers in order; what is on its way to it outlives the line. */
class Server {
  log = []; // { conv, text, name, key, ref }, with ids by their place in the room
  epoch = 1;
  late = []; // frames of lines that broke, which it may still read, until the name is given to another line

  take(frame, name) {
    const before = this.log.find(({ key }) => key === frame.key);
    if (before) return { ...before, ref: frame.ref };
    const message = { conv: frame.conv, text: frame.text, name, key: frame.key, me: frame.kind === 'me' };
    this.log.push(message);
    return { ...message, ref: frame.ref };
  }

  /** The same data, another life: what was on its way to the old one is gone. */
  restart() {
    this.epoch++;
    this.late = [];
  }
}

/** A page: what net/ does with the reducer, without a network. */
class Page {
  items = [];
  seen = new Map(ROOMS.map((conv) => [conv, 0])); // how much of a room was seen
  open = new Set();
  isOnline = false;
  epoch = 0;
  lastRef = 0;
  up = []; // frames on this line that the server has not read
  down = []; // answers on it that the page has not read
  shown = []; // the server's copies
  cancelled = [];

  constructor(server) { this.server = server; }

  dispatch(event) {
    const before = this.items.map((item) => JSON.stringify(item)).join();
    const items = this.items;
    this.items = reduce(items, event);
    assert.equal(items.map((item) => JSON.stringify(item)).join(), before, 'what was there is left as it was');
  }

  say(conv, text, key) {
    this.dispatch({ type: 'said', item: { key, sendKey: key, kind: 'say', conv, text, time: 0 } });
    this.flush();
  }

  flush() {
    if (!this.isOnline) return;
    for (let item = next(this.items, (conv) => this.open.has(conv)); item; item = next(this.items, (conv) => this.open.has(conv))) {
      if (item.tries >= TRIES_MAX) {
        this.dispatch({ type: 'refused', key: item.key, error: 'often' });
        continue;
      }
      const ref = `r${++this.lastRef}`;
      this.up.push({ conv: item.conv, text: item.text, key: item.sendKey, kind: item.kind, ref });
      this.dispatch({ type: 'sent', key: item.key, ref, as: 'alice' });
    }
    for (const room of ROOMS) assert.ok(this.items.filter(({ state, conv }) => state === 'sent' && conv === room).length <= IN_FLIGHT_MAX);
  }

  cut() {
    if (!this.isOnline) return;
    this.server.late.push(...this.up);
    Object.assign(this, { isOnline: false, up: [], down: [] });
    this.open.clear();
    this.dispatch({ type: 'cut' });
  }

  /** A new line. The server reads what is late of the old one before it gives its name away. */
  connect() {
    if (this.isOnline) return;
    for (const frame of this.server.late.splice(0)) this.server.take(frame, 'alice');
    this.isOnline = true;
    if (this.epoch !== 0 && this.epoch !== this.server.epoch) this.dispatch({ type: 'restarted' });
    this.epoch = this.server.epoch;
    for (const conv of ROOMS) {
      const all = this.server.log.filter((message) => message.conv === conv);
      for (const message of all.slice(this.seen.get(conv))) this.hear(message);
      this.open.add(conv);
      this.dispatch({ type: 'settled', conv, isProved: (item) => item.as === 'alice' });
    }
    this.flush();
  }

  hear(message) {
    const item = itemOf(this.items, message.conv, message, false);
    if (item) this.dispatch({ type: 'arrived', key: item.key });
    const at = this.server.log.filter(({ conv }) => conv === message.conv).findIndex(({ key }) => key === message.key) + 1;
    // Each message is taken once: a repeated answer is of a message that has been seen.
    if (at <= this.seen.get(message.conv)) return;
    this.seen.set(message.conv, at);
    this.shown.push(message);
  }

  /** What waits is cancelled: it is never said. */
  cancel(random) {
    const waiting = this.items.filter(({ state, tries }) => state === 'queued' && tries === 0);
    if (waiting.length === 0 || random.chance(0.5)) return;
    const { key } = random.pick(waiting);
    this.cancelled.push(key);
    this.dispatch({ type: 'discarded', key });
  }

  /** The server reads a frame. */
  read() {
    if (this.up.length) this.down.push(this.server.take(this.up.shift(), 'alice'));
  }

  /** The page reads an answer. */
  answer() {
    if (!this.down.length) return;
    this.hear(this.down.shift());
    this.flush();
  }
}

/** @param {number} seed */
function run(seed) {
  const random = randomBy(seed), server = new Server(), page = new Page(server), said = [];
  const texts = ['yes', 'no', 'yes  ', 'ok']; // equal ones, and such as look equal to a server that tidies
  for (let step = 0; step < 60; step++) {
    switch (random.below(10)) {
      case 0: case 1: {
        said.push(`k${said.length}`);
        page.say(random.pick(ROOMS), random.pick(texts), said.at(-1));
        break;
      }
      case 2: case 3: page.read(); break;
      case 4: case 5: page.answer(); break;
      case 6: if (random.chance(0.4)) page.cut(); break;
      case 7: page.connect(); break;
      case 8: page.cancel(random); break;
      default: if (random.chance(0.2)) {
        page.cut();
        server.restart();
      }
    }
  }
  page.connect();
  while (page.up.length || page.down.length) {
    page.read();
    page.answer();
  }
  return { server, page, said };
}

const byNumber = (a, b) => Number(a.slice(1)) - Number(b.slice(1));

test('what is said is said once, or its author is asked, wherever lines break and servers restart', () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const { server, page, said } = run(seed);
    const failed = page.items.filter(({ state }) => state === 'failed').map(({ key }) => key);
    const kept = server.log.map(({ key }) => key);
    assert.deepEqual(page.items.filter(({ state }) => state !== 'failed'), [], `seed ${seed}: nothing waits in the end`);
    assert.equal(new Set(kept).size, kept.length, `seed ${seed}: nothing twice`);
    assert.deepEqual(said.filter((key) => !kept.includes(key) && !failed.includes(key)), page.cancelled.sort(byNumber), `seed ${seed}: nothing is lost but what was cancelled`);
    assert.deepEqual(page.shown.map(({ key }) => key).sort(), [...kept].sort(), `seed ${seed}: all of it is seen, once`);
  }
});

test('in each room it is said in the order in which it was typed, where no server restarts', () => {
  for (let seed = 1; seed <= RUNS / 4; seed++) {
    const random = randomBy(seed), server = new Server(), page = new Page(server);
    for (let number = 0; number < 30; number++) {
      page.say('#a', `line ${number}`, `k${number}`);
      for (let left = random.below(4); left > 0; left--) random.pick([() => page.read(), () => page.answer(), () => page.connect(), () => random.chance(0.2) && page.cut()])();
    }
    page.connect();
    while (page.up.length || page.down.length) {
      page.read();
      page.answer();
    }
    const order = server.log.map(({ key }) => Number(key.slice(1)));
    if (page.items.length === 0) assert.deepEqual(order, [...order].sort((a, b) => a - b), `seed ${seed}`);
  }
});

const item = (fields) => reduce([], { type: 'said', item: { key: 'k', sendKey: 's', kind: 'say', conv: '#a', text: 'x', time: 0, ...fields } });
const all = (items, ...events) => events.reduce(reduce, items);

test('what cannot be known is left to its author', () => {
  const sent = all(item({}), { type: 'sent', key: 'k', ref: 'r1', as: 'alice' });
  const isProved = ({ as }) => as === 'alice';
  for (const doubt of [{ type: 'gap', conv: '#a' }, { type: 'gap', conv: '#b' }]) {
    const [left] = all(sent, { type: 'cut' }, doubt, { type: 'settled', conv: '#a', isProved });
    assert.equal(left.state, doubt.conv === '#a' ? 'unsure' : 'queued');
  }
  const [nameless] = all(sent, { type: 'nameless' }, { type: 'cut' }, { type: 'settled', conv: '#a', isProved });
  assert.equal(nameless.state, 'unsure');
  const [other] = all(sent, { type: 'cut' }, { type: 'settled', conv: '#a', isProved: () => false });
  assert.equal(other.state, 'unsure');
  const [again] = all([other], { type: 'again', key: 'k', time: 7 });
  assert.deepEqual([again.state, again.tries, again.time], ['queued', 0, 7]);
  assert.deepEqual(all([again], { type: 'discarded', key: 'k' }), []);
});

test('a copy is told by its reference, or after a broken line by who said what', () => {
  const sent = all(item({ text: 'a  b' }), { type: 'sent', key: 'k', ref: 'r1', as: 'Straße' });
  const copy = { name: 'STRASSE', text: 'a b', me: false };
  assert.equal(itemOf(sent, '#a', { ...copy, ref: 'r1' }, false)?.key, 'k');
  assert.equal(itemOf(sent, '#a', { ...copy, ref: 'r2' }, false), undefined);
  assert.equal(itemOf(sent, '#a', copy, false), undefined, 'its own answer is still to come');
  const unsure = all(sent, { type: 'cut' });
  assert.equal(itemOf(unsure, '#a', copy, false)?.key, 'k');
  assert.equal(itemOf(unsure, '#a', copy, true), undefined, 'that one is old');
  for (const other of [{ name: 'bob' }, { text: 'ab' }, { me: true }]) assert.equal(itemOf(unsure, '#a', { ...copy, ...other }, false), undefined);
  assert.equal(itemOf(unsure, '#b', copy, false), undefined);
});

test('a conversation that is renamed or left takes its messages along', () => {
  const two = [...item({}), ...item({ key: 'l', conv: '#b' })];
  assert.deepEqual(all(two, { type: 'moved', conv: '#a', to: '#c' }).map(({ conv }) => conv), ['#c', '#b']);
  assert.deepEqual(all(two, { type: 'left', conv: '#a' }).map(({ key }) => key), ['l']);
});
