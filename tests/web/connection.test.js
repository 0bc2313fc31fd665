// One connection after another, on a clock of the test's own: what is done about a line that is dead.

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { Connection } from '../../src/web/net/connection.js';

/** A socket whose other end answers, or not. */
class Socket {
  static OPEN = 1;
  static all = [];
  readyState = 0;
  sent = [];
  isClosed = false;

  constructor(url) {
    this.url = url;
    Socket.all.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.isClosed = true; }

  open() {
    this.readyState = Socket.OPEN;
    this.onopen();
    this.say({ type: 'welcome' });
  }

  say(frame) { this.onmessage({ data: JSON.stringify(frame) }); }
}

const performanceNow = performance.now;
let asleep = 0; // what the monotonic clock has missed

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  asleep = 0;
  performance.now = () => Date.now() - asleep;
  Object.assign(globalThis, { WebSocket: Socket });
  Socket.all = [];
});

/** Timers of one moment run before the clock goes on. */
function pass(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 100) mock.timers.tick(100);
}

afterEach(() => {
  mock.timers.reset();
  performance.now = performanceNow;
});

function connected() {
  const states = [];
  let waiting = 0;
  const connection = new Connection({
    dial: () => new Socket('ws://server/'),
    onState: (state) => { states.push(state); if (state === 'offline') waiting = 0; },
    onFrame: (frame) => { if (frame.type === 'rooms') waiting = 0; },
    onTooBig: () => {},
    onSuperseded: () => {},
    onNoEntry: () => {},
    isWaiting: () => waiting > 0,
    probe: () => { if (connection.send({ type: 'rooms' })) waiting++; },
  });
  connection.open();
  Socket.all[0].open();
  return { connection, states, isAlive: () => Socket.all.length === 1 && !Socket.all[0].isClosed };
}

test('a line that is dead on waking is found out within three seconds', () => {
  const { connection, states } = connected();
  pass(500); // something was heard just now, by a clock that stands still in a sleep
  connection.nudge();
  assert.deepEqual(Socket.all[0].sent, [{ type: 'rooms' }], 'it asks');
  pass(3000);
  assert.deepEqual([Socket.all.length, Socket.all[0].isClosed], [2, true]);
  assert.deepEqual(states, ['connecting', 'offline', 'connecting'], 'at once, and not after a pause');
});

test('a line that answers stays', () => {
  const { connection, isAlive } = connected();
  for (let time = 0; time < 5; time++) {
    connection.nudge();
    connection.nudge();
    pass(1500);
    Socket.all[0].say({ type: 'rooms' });
    pass(3000);
    assert.ok(isAlive());
  }
  assert.equal(Socket.all[0].sent.length, 5, 'two wakings at once are one question');
});

test('whatever comes is a sign of life', () => {
  const { connection, isAlive } = connected();
  connection.nudge();
  pass(2000);
  Socket.all[0].say({ type: 'said' });
  pass(1000);
  assert.ok(isAlive());
});

test('a machine that sleeps again before the answer is read asks once more', () => {
  const { connection, isAlive } = connected();
  connection.nudge();
  mock.timers.setTime(Date.now() + 3_600_000);
  mock.timers.tick(1);
  assert.ok(isAlive());
  assert.ok(Socket.all[0].sent.length >= 2);
  pass(1000);
  Socket.all[0].say({ type: 'rooms' });
  pass(10_000);
  assert.ok(isAlive());
});

test('a machine that wakes with the page in sight asks by itself', () => {
  const { states, isAlive } = connected();
  pass(10_000);
  mock.timers.setTime(Date.now() + 3_600_000);
  asleep += 3_600_000; // the monotonic clock has stood still
  Socket.all[0].sent.length = 0;
  pass(1000);
  assert.deepEqual(Socket.all[0].sent, [{ type: 'rooms' }]);
  assert.ok(isAlive());
  pass(3000);
  assert.ok(!isAlive(), 'nothing has answered');
  assert.deepEqual(states, ['connecting', 'offline', 'connecting']);
});

test('a line that dies while nobody does anything is found out as well', () => {
  const { isAlive } = connected();
  pass(40_000);
  assert.ok(isAlive());
  pass(30_000);
  assert.ok(!isAlive());
});

test('a page that is put away closes its connection, and opens another when it comes back', () => {
  const { connection, states } = connected();
  connection.pause(true);
  assert.ok(Socket.all[0].isClosed);
  pass(60_000);
  assert.equal(Socket.all.length, 1, 'nothing is tried meanwhile');
  connection.resume();
  assert.equal(Socket.all.length, 2);
  assert.equal(states.at(-1), 'connecting');
});
