// What is sent, and what is not sent again.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { conversation, store } from '../../src/web/core/store.js';
import { Outgoing } from '../../src/web/net/outgoing.js';
import { ready } from '../../src/web/words/index.js';

await ready;

/** A session that takes everything, and answers nothing. */
function session() {
  const frames = [];
  return { frames, request: (frame) => `r${frames.push(frame)}`, send: () => true, excess: () => -1 };
}

beforeEach(() => {
  Object.assign(store, { outbox: [], link: 'online', name: 'alice', conversations: new Map() });
});

test('a frame that was too long is the one that is not sent again', () => {
  const sent = session(), outgoing = new Outgoing(/** @type {any} */ (sent)), conv = conversation('room', 'dev');
  conv.stage = 'in';
  outgoing.say(conv, 'a'.repeat(1000));
  outgoing.say(conv, '"\\'.repeat(400)); // fewer letters, and more bytes as it is sent
  outgoing.say(conv, 'short');
  outgoing.tooBig();
  assert.deepEqual(store.outbox.map(({ state }) => state), ['sent', 'failed', 'sent']);
  outgoing.cut();
  outgoing.settle();
  assert.deepEqual(store.outbox.map(({ state }) => state), ['sent', 'failed', 'sent'], 'the others go out again');
  assert.equal(sent.frames.length, 5);
});

test('a few of each room are in flight, and each room waits for itself', () => {
  const sent = session(), outgoing = new Outgoing(/** @type {any} */ (sent)), here = conversation('room', 'dev'), there = conversation('room', 'ops');
  here.stage = 'in';
  for (let number = 0; number < 20; number++) outgoing.say(here, `line ${number}`);
  assert.deepEqual(sent.frames.map(({ text }) => text), ['line 0', 'line 1', 'line 2', 'line 3']);
  outgoing.say(there, 'hello');
  assert.equal(sent.frames.length, 4, 'that room has not been joined');
  there.stage = 'in';
  outgoing.flush();
  assert.deepEqual(sent.frames.slice(4).map(({ room }) => room), ['#ops'], 'no room waits for another');
  outgoing.discard(store.outbox.find(({ text }) => text === 'line 4').key);
  store.outbox = store.outbox.map((item) => (item.text === 'line 0' ? { ...item, state: 'failed' } : item));
  outgoing.flush();
  assert.deepEqual(sent.frames.slice(5).map(({ text }) => text), ['line 5'], 'what was cancelled is not sent');
});
