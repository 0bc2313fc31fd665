// What is unread, where what is new begins, and what stands at the top of a log.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { newConversation } from '../../src/web/core/conversation.js';
import { rowsOf } from '../../src/web/core/rows.js';
import { store } from '../../src/web/core/store.js';
import { count, learn, learnHere, missedOf, placeDivider, see } from '../../src/web/core/unread.js';
import { ready } from '../../src/web/words/index.js';
import { randomBy } from './random.js';

await ready;
beforeEach(() => Object.assign(store, { role: '', name: 'alice' }));

const message = (id, more = {}) => ({ type: 'message', key: `k${id}`, id, epoch: 'one', time: 1000 * id, name: 'bob', text: 'hello', me: false, own: false, mention: false, ...more });
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => message(from + i));
const room = (fields) => Object.assign(newConversation('room', 'dev'), { epoch: 'one', stage: 'in', known: true, jumps: true, ...fields });

test('a first visit has nothing unread, the next one what was said since, however much of it is replayed', () => {
  const first = room({ position: 40 });
  learnHere(first, true);
  assert.deepEqual([first.unread, first.newFrom, missedOf(first)], [0, null, null]);

  const next = room({ position: 160, readId: 10, entries: range(111, 160), older: true });
  learnHere(next, true);
  for (const one of next.entries) count(next, one, false);
  assert.deepEqual([next.unread, next.newFrom], [150, 11]);
  assert.deepEqual(missedOf(next), { count: 150, since: 0 }, 'the first of them is not here yet');
  assert.ok(rowsOf(next, [], 'alice').every(({ type }) => type !== 'new'), 'so no line stands above a later one');

  next.passage = { entries: range(6, 55), older: true, newer: true };
  assert.deepEqual(missedOf(next), { count: 150, since: 11_000 });
  const rows = rowsOf(next, [], 'alice'), line = rows.findIndex(({ type }) => type === 'new');
  assert.equal(rows[line + 1].id, 11);
});

test('who has lost the oldest of what is new begins with what there is', () => {
  const conv = room({ position: 160, readId: 10, entries: range(111, 160), older: false });
  learnHere(conv, true);
  const rows = rowsOf(conv, [], 'alice');
  assert.equal(rows[rows.findIndex(({ type }) => type === 'new') + 1].id, 111);
  assert.equal(missedOf(conv).since, 0);
});

test('it is read as far as it was seen, and what comes in meanwhile is new', () => {
  const conv = room({ position: 20, readId: 10, entries: range(1, 20) });
  learnHere(conv, true);
  assert.equal(see(conv, 15), true);
  assert.equal(see(conv, 12), false, 'reading back is no news');
  assert.deepEqual([conv.unread, conv.newFrom, conv.isBehind], [5, 11, true]);
  see(conv, 20);
  assert.deepEqual([conv.unread, missedOf(conv)], [0, null]);
  count(conv, message(21, { mention: true }), false);
  assert.deepEqual([conv.unread, conv.mentions, conv.newFrom], [1, 1, 21], 'the line goes to where it begins now');
  assert.equal(missedOf(conv), null, 'who is there needs no bar');
  count(conv, message(22, { own: true }), false);
  assert.deepEqual([conv.unread, conv.mentions, conv.newFrom], [0, 0, null], 'who answers has read it');
});

test('a guest counts what is for them also in a replay; an account is told by the server', () => {
  for (const [role, mentions] of [['', 1], ['member', 0]]) {
    store.role = role;
    const conv = room({ position: 5, readId: 2 });
    learnHere(conv, false);
    for (const one of [message(2, { mention: true }), message(4, { mention: true })]) count(conv, one, false);
    assert.equal(conv.mentions, mentions);
  }
});

test('what is marked as unread is not read by being looked at', () => {
  const conv = room({ position: 9, readId: 9 });
  learnHere(conv, true);
  Object.assign(conv.reading, { read: 4 });
  Object.assign(conv, { unread: 5, isHeld: true });
  assert.equal(see(conv, 9), false);
  assert.equal(conv.unread, 5);
});

test('a log begins where the first message is, and nowhere else', () => {
  const top = (fields) => rowsOf(room(fields), [], 'alice')[0];
  const is = ({ begins, isCut, isLoading }) => (isLoading ? 'loading' : begins ? 'begins' : isCut ? 'cut' : '');
  assert.equal(is(top({ position: 0 })), 'begins');
  assert.equal(is(top({ position: 3, entries: range(1, 3) })), 'begins');
  assert.equal(is(top({ position: 90, entries: range(41, 90), older: true })), '');
  assert.equal(is(top({ position: 90, entries: range(41, 90), older: false })), 'cut', 'what was before is gone, or for others');
  assert.equal(is(top({ position: 90, older: true })), '', 'nothing has come yet');
  assert.equal(is(top({ position: 90, entries: range(41, 90), older: true, loadingOlder: true })), 'loading');
  assert.equal(is(top({ epoch: 'two', position: 0, entries: range(1, 9) })), '', 'before a restart');
  assert.equal(is(top({ position: 90, entries: range(41, 90), passage: { entries: range(1, 5), older: false } })), 'begins');
  const direct = Object.assign(newConversation('direct', 'bob'), { entries: [message(undefined)] });
  assert.equal(is(rowsOf(direct, [], 'alice')[0]), 'begins');
});

test('whatever happens in whatever order, unread is what was said after what was read', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const { below } = randomBy(seed), conv = room({ position: below(50) });
    let newest = conv.position, read = conv.readId = below(newest + 1);
    learnHere(conv, true);
    for (let step = 0; step < 60; step++) {
      const what = below(6), isReading = conv.unread === 0 && below(2) === 0;
      if (what < 3) {
        const own = below(4) === 0;
        count(conv, message(++newest, { own }), isReading);
        if (own) read = newest;
      } else if (what === 3) {
        const id = below(newest + 3);
        see(conv, id);
        read = Math.max(read, Math.min(id, newest));
      } else if (what === 4) {
        // Another device has read, and says so late.
        const id = below(newest + 1);
        learn(conv, { id, unread: newest - id, mentions: 0 }, read, true);
        read = Math.max(read, id);
      } else placeDivider(conv, below(2) === 0);
      assert.deepEqual([conv.unread, conv.reading.newest, conv.reading.read], [newest - read, newest, read], `seed ${seed}`);
      assert.ok(conv.newFrom === null || conv.newFrom <= newest, `seed ${seed}`);
    }
  }
});
