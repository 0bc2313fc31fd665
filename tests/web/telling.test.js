// Of what somebody who looks elsewhere is told.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { conversation, store } from '../../src/web/core/store.js';
import { isTold, waiting } from '../../src/web/core/telling.js';

beforeEach(() => {
  store.conversations.clear();
  store.role = '';
});

test('of mentions and direct messages, and of everything where that was chosen', () => {
  const room = conversation('room', 'dev'), direct = conversation('direct', 'bob');
  const told = (conv, level, message = {}) => {
    conv.reading = { read: 0, newest: 0, level };
    return isTold(conv, message);
  };
  assert.deepEqual(['all', 'mentions', 'none', 'hidden'].map((level) => told(room, level, { mention: true })), [true, true, false, false]);
  assert.deepEqual(['all', 'mentions', 'none'].map((level) => told(direct, level)), [true, true, false]);
  assert.equal(told(room, 'all'), false, 'a guest has chosen nothing');
  store.role = 'member';
  assert.deepEqual(['all', 'mentions'].map((level) => told(room, level)), [true, false]);
  for (const not of [{ own: true }, { isIgnored: true }, { isDeleted: true }]) assert.equal(told(direct, 'all', { mention: true, ...not }), false);
});

test('what is waiting is what is unread, and of that what is for this person', () => {
  Object.assign(conversation('room', 'dev'), { unread: 7, mentions: 2, reading: { read: 1, newest: 8, level: 'all' } });
  Object.assign(conversation('room', 'noise'), { unread: 99, reading: { read: 1, newest: 100, level: 'none' } });
  Object.assign(conversation('direct', 'bob'), { unread: 3 });
  assert.deepEqual(waiting(), { unread: 10, forMe: 5 });
});
