// The order of rooms and of members, and which rows of a long log are drawn.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { membersOf } from '../../src/web/core/members.js';
import { isFavourite, RoomOrder, setFavourite } from '../../src/web/core/order.js';
import { windowOf } from '../../src/web/core/rows.js';
import { conversation, memories, store } from '../../src/web/core/store.js';
import { ready } from '../../src/web/words/index.js';
import { randomBy } from './random.js';

await ready;

beforeEach(() => Object.assign(store, { name: 'alice', account: '', role: '', conversations: new Map(), favourites: {}, current: null }));

const roomAt = (name, at, unread = 0) => Object.assign(conversation('room', name), { at, unread });

test('oneself, who is here, who is not; by name, and numbers by their size', () => {
  const conv = conversation('room', 'dev');
  for (const name of ['user10', 'zoe', 'User2', 'Émile', 'alice', 'bob']) conv.members.set(name.toLowerCase(), name);
  conv.away.add('bob');
  conv.away.add('alice');
  const names = (typed) => membersOf(conv, typed).map(({ name }) => name);
  assert.deepEqual(names(''), ['alice', 'Émile', 'User2', 'user10', 'zoe', 'bob']);
  assert.deepEqual(names(' USER'), ['User2', 'user10']);
  assert.deepEqual(names('nobody'), []);
  assert.deepEqual(membersOf(conv, 'alice').map(({ isMe, isAway, isGuest }) => [isMe, isAway, isGuest]), [[true, false, false]]);
});

test('favourites, then what is unread, then what was said in last', () => {
  const [a, b, c, d] = [roomAt('a', 1), roomAt('b', 2), roomAt('c', 3), roomAt('d', 4)];
  const order = new RoomOrder(), names = (isHeld = false) => order.sorted(isHeld).map(({ name }) => name.slice(1)).join('');
  assert.equal(names(), 'dcba');
  a.unread = 1;
  assert.equal(names(), 'adcb');
  // What is read, or said in, stays where it is until something else moves.
  a.unread = 0;
  b.at = 9;
  assert.equal(names(), 'adcb');
  c.unread = 2;
  assert.equal(names(true), 'adcb', 'nothing moves below a pointer');
  assert.equal(names(), 'cbda');
  setFavourite(d, true);
  assert.equal(names(), 'dcba');
  assert.ok(isFavourite(d));
  setFavourite(d, false);
  assert.equal(names(), 'cbda');
  roomAt('e', 0);
  assert.equal(names(true), 'cbdae', 'a room that is new is shown at once');
});

test('favourites are kept for each account', () => {
  let kept;
  memories.on((memory) => { kept = memory; });
  const room = roomAt('a', 1);
  setFavourite(room, true);
  Object.assign(store, { account: 'Alice', role: 'member' });
  assert.ok(!isFavourite(room));
  setFavourite(room, true);
  assert.deepEqual(kept.favourites, { '': ['#a'], alice: ['#a'] });
});

test('of a long log the rows around what is read are drawn', () => {
  const rows = Array.from({ length: 500 }, (_, number) => ({ key: `k${number}` })), size = 150;
  assert.deepEqual(windowOf(rows, { at: null, first: null, size }), { from: 350, to: 500 });
  assert.deepEqual(windowOf(rows.slice(0, 20), { at: null, first: null, size }), { from: 0, to: 20 });
  assert.deepEqual(windowOf([], { at: null, first: null, size }), { from: 0, to: 0 });
  // At the end some more are drawn before the oldest go.
  assert.deepEqual(windowOf(rows, { at: null, first: 'k310', size }), { from: 310, to: 500 });
  assert.deepEqual(windowOf(rows, { at: null, first: 'k290', size }), { from: 350, to: 500 });
  // What is read stays, and so do the rows, while enough of them are on both sides.
  assert.deepEqual(windowOf(rows, { at: 'k200', first: null, size }), { from: 155, to: 305 });
  assert.deepEqual(windowOf(rows, { at: 'k180', first: 'k155', size }), { from: 155, to: 305 });
  assert.deepEqual(windowOf(rows, { at: 'k160', first: 'k155', size }), { from: 115, to: 265 });
  assert.deepEqual(windowOf(rows, { at: 'k290', first: 'k155', size }), { from: 245, to: 395 });
  assert.deepEqual(windowOf(rows, { at: 'k3', first: 'k155', size }), { from: 0, to: 150 });
});

test('whatever is scrolled to is drawn, with rows on both sides of it', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomBy(seed), rows = Array.from({ length: random.below(700) }, (_, number) => ({ key: `k${number}` }));
    let first = null;
    for (let step = 0; step < 20; step++) {
      const at = random.below(rows.length + 20), size = 150 + random.below(100);
      const { from, to } = windowOf(rows, { at: `k${at}`, first, size });
      assert.ok(from >= 0 && to <= rows.length && to - from <= Math.max(size, (size * 4) / 3), `${seed}`);
      if (at < rows.length) {
        assert.ok(from <= at && at < to, `${seed}: ${at} in ${from}..${to}`);
        assert.ok(from === 0 || at - from >= size * 0.15 - 1, `${seed}: above ${at}`);
        assert.ok(to === rows.length || to - at >= size * 0.5 - 1, `${seed}: below ${at}`);
      }
      first = rows[from]?.key ?? null;
    }
  }
});
