// What is asked of the parts of the page that come later.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Later } from '../../src/web/core/later.js';

test('what was asked for before the parts are there is done in order, and then at once', async () => {
  const done = [];
  let arrive = (_parts) => {};
  const later = new Later(() => new Promise((resolve) => { arrive = resolve; }), () => done.push('failed'));
  const list = later.parts.list;
  const answers = [list.add('one'), list.add('two')];
  later.when(() => done.push('three'));
  assert.deepEqual([done, later.isHere], [[], false]);
  arrive({ list: { add: (what) => done.push(what) } });
  assert.deepEqual(await Promise.all(answers), [1, 2]);
  assert.deepEqual([done, later.isHere], [['one', 'two', 'three'], true]);
  assert.equal(list.add('four'), 4);
});

test('what could not be fetched is fetched again when it is needed', async () => {
  const told = [];
  let isThere = false;
  const later = new Later(async () => {
    if (!isThere) throw new Error('offline');
    return { list: { add: (what) => told.push(what) } };
  }, () => told.push('failed'));
  later.parts.list.add('one');
  await assert.rejects(later.load(), /offline/);
  assert.deepEqual(told, ['failed']);
  isThere = true;
  await later.parts.list.add('two');
  assert.deepEqual(told, ['failed', 'two']);
});
