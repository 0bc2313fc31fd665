// What is found by what is typed, and in which order.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { beginning, find, highlighted, step } from '../../src/web/core/finder.js';
import { conversation, noteRecent, rename, store } from '../../src/web/core/store.js';

const LISTED = ['#busy', '#dev', '#dev-ops', '#under'].map((room, i) => ({ room, members: 9 - i, topic: i === 3 ? 'what is below Devon' : '' }));

beforeEach(() => {
  store.conversations.clear();
  Object.assign(store, { name: 'alice', current: '#lobby', recent: [] });
  for (const [kind, name] of /** @type {const} */ ([['room', 'lobby'], ['room', 'dev'], ['room', 'zoo'], ['direct', 'devon']])) conversation(kind, name);
  const members = store.conversations.get('#dev').members;
  for (const name of ['alice', 'bob', 'Straße', 'devon']) members.set(name.toLowerCase(), name);
});

const names = (typed) => find(typed, LISTED).map(({ name }) => name);

test('with nothing typed: where one was before, the rest of what is one\'s own, the server\'s rooms, people', () => {
  for (const key of ['@devon', '#zoo', '#lobby']) noteRecent(store.conversations.get(key));
  assert.deepEqual(names(''), ['#zoo', 'devon', '#dev', '#lobby', '#busy', '#dev-ops', '#under', 'bob', 'Straße']);
});

test('a whole name comes before a beginning, that before a part, and a topic last; one\'s own before others', () => {
  assert.deepEqual(names('dev'), ['#dev', 'devon', '#dev-ops', '#under']);
  assert.deepEqual(names('ops'), ['#dev-ops']);
  assert.deepEqual(names('ust'), []);
  assert.deepEqual(names('STRASSE'), ['Straße'], 'as the server compares names');
  noteRecent(store.conversations.get('@devon'));
  assert.deepEqual(names('de').slice(0, 2), ['devon', '#dev'], 'recent first');
});

test('a sign chooses rooms or people', () => {
  assert.deepEqual(names('#de'), ['#dev', '#dev-ops', '#under']);
  assert.deepEqual(names('＃de'), ['#dev', '#dev-ops', '#under']);
  assert.deepEqual(names('@'), ['devon', 'bob', 'Straße']);
  assert.deepEqual(names('@b'), ['bob']);
});

test('what is new is last, and never taken without being chosen', () => {
  const of = (typed) => { const found = find(typed, LISTED), last = beginning(typed, found); return last ? [...found, last] : found; };
  assert.equal(beginning('dev', find('dev', LISTED)), null, 'it is there');
  assert.equal(beginning('  ', []), null);
  assert.equal(beginning('@alice', []), null, 'nobody talks to themselves');
  const list = of('de');
  assert.deepEqual([list.at(-1).name, list.at(-1).isNew], ['#de', true]);
  assert.equal(highlighted(list, null).name, '#dev');
  let moved = null;
  for (const _ of list) moved = step(list, moved, 1);
  assert.equal(highlighted(list, moved).isNew, true, 'the arrows lead there');
  assert.equal(highlighted(of('def'), moved)?.isNew, true, 'and it stays chosen');
  assert.equal(step(list, moved, -1), list.at(-2).key);
  assert.equal(highlighted(of('zebra'), null), null, 'Enter takes nothing');
  assert.deepEqual(of('@Zoe').map(({ kind, name, isNew }) => [kind, name, isNew]), [['direct', 'Zoe', true]]);
});

test('a conversation that has another name is as recent as before', () => {
  noteRecent(store.conversations.get('@devon'));
  rename(store.conversations.get('@devon'), '@devi', 'devi');
  assert.equal(names('')[0], 'devi');
});
