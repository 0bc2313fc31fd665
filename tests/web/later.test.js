// What is asked of the parts of the page that come later.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Later } from '../../src/web/core/later.js';

test('what was asked for before the parts are there is done in order, and then at once', async () => {
  const done = [];
  let arrive = (_parts) => {};
  const later = new Later(() => new Promise((resolve) => { arrive = resolve; }), () => done.push('failed'));
  const list = later.unasked.list;
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
  later.unasked.list.add('by itself');
  await assert.rejects(later.load(), /offline/);
  assert.deepEqual(told, ['failed']);
  isThere = true;
  later.parts.list.add('two');
  await later.load();
  assert.deepEqual(told, ['failed', 'by itself', 'two']);
});

test('what somebody has asked for gives way to what is asked for after it, and can be dropped', async () => {
  const done = [];
  const later = new Later(async () => ({ dialog: { open: (what) => done.push(what) } }), () => {});
  later.parts.dialog.open('settings');
  later.parts.dialog.open('help');
  await later.load();
  assert.deepEqual(done, ['help']);

  const other = new Later(async () => ({ dialog: { open: (what) => done.push(what) } }), () => {});
  other.parts.dialog.open('settings');
  other.drop();
  await other.load();
  assert.deepEqual(done, ['help']);
});

test('who has been offline for long waits a minute at most', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  let tries = 0;
  const later = new Later(async () => { throw new Error(`try ${++tries}`); }, () => {});
  const settle = () => new Promise((resolve) => { setImmediate(resolve); });
  await assert.rejects(later.load(), /try 1/);
  for (const seconds of [2, 4, 8, 16, 32, 60, 60, 60]) {
    const before = tries;
    context.mock.timers.tick(seconds * 1000 - 1);
    await settle();
    assert.equal(tries, before, `not before ${seconds} s`);
    context.mock.timers.tick(1);
    await settle();
    assert.equal(tries, before + 1, `after ${seconds} s`);
  }
});
