// Addresses of rooms, conversations and messages.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { placeOf, queryOf } from '../../src/web/core/address.js';

test('what an address says is what it was made of', () => {
  for (const [kind, name, id, query] of /** @type {const} */ ([
    ['room', '#dev', 0, '?room=dev'],
    ['room', '#dev', 20, '?room=dev&message=20'],
    ['room', '#日本 & more', 1, '?room=%E6%97%A5%E6%9C%AC%20%26%20more&message=1'],
    ['direct', 'bob', 0, '?with=bob'],
    ['direct', 'Zoë', 7, '?with=Zo%C3%AB&message=7'],
  ])) {
    assert.equal(queryOf({ kind, name }, id), query);
    assert.deepEqual(placeOf(query), { kind, name: name.replace('#', ''), id });
  }
});

test('what is no address leads nowhere', () => {
  for (const query of ['', '?', '?name=alice', '?room=', '?room=%23', '?with=%20', '?message=3', '?room=%E0%A4%A']) {
    const place = placeOf(query);
    assert.ok(place === null || place.name.length > 0, query);
  }
  for (const message of ['', '-1', '1.5', 'x', '1e99', 'Infinity']) assert.equal(placeOf(`?room=dev&message=${message}`)?.id, 0, message);
});
