// What others do, as it comes: what is known after it, what the log says of it, and what is drawn again.

import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { roomChanges } from '../../src/web/core/changes.js';
import { events, touchedBy } from '../../src/web/core/events.js';
import { fold } from '../../src/web/core/names.js';
import { changes, conversation, dispatch, store } from '../../src/web/core/store.js';
import { loadMoreWords, ready } from '../../src/web/words/index.js';

await ready;
await loadMoreWords();

let dev, ops;

beforeEach(() => {
  Object.assign(store, { name: 'alice', role: '', outbox: [], notice: null, conversations: new Map(), ignored: new Set(), current: '#dev' });
  [dev, ops] = ['dev', 'ops'].map((name) => conversation('room', name));
  Object.assign(dev, { membersAsked: true, total: 2, members: new Map([['alice', 'alice'], ['bob', 'Bob']]) });
});

const said = (conv) => conv.entries.flatMap((entry) => entry.texts ?? []);
const tell = (frame) => ({ ...events, ...roomChanges })[frame.type]({ time: 0, ...frame });

test('who comes, goes and is called otherwise', () => {
  tell({ type: 'joined', room: '#dev', name: 'carol' });
  assert.deepEqual([[...dev.members.values()], dev.total], [['alice', 'Bob', 'carol'], 3]);
  store.ignored.add('bob');
  const direct = conversation('direct', 'bob');
  tell({ type: 'renamed', room: '#dev', from: 'Bob', to: 'Straße' });
  assert.ok(dev.members.has(fold('STRASSE')) && store.ignored.has(fold('STRASSE')));
  assert.deepEqual([direct.key, direct.name, store.conversations.get(direct.key)], ['@strasse', 'Straße', direct]);
  tell({ type: 'left', room: '#dev', name: 'STRASSE', reason: 'bye' });
  tell({ type: 'left', room: '#dev', name: 'carol', by: 'alice', reason: 'spam' });
  assert.deepEqual([[...dev.members.values()], dev.total], [['alice'], 1]);
  assert.deepEqual(said(dev), ['Bob is now Straße', 'alice removed carol: spam']);
  assert.deepEqual(dev.entries.map(({ type }) => type), ['comings', 'event', 'comings', 'event']);
  assert.deepEqual([...dev.entries[2].people.values()], [{ name: 'STRASSE (bye)', way: 'left' }]);
});

test('who is away is marked in rooms, and told where it is for oneself', () => {
  tell({ type: 'away', room: '#dev', name: 'Bob', away: true });
  assert.deepEqual([[...dev.resting], store.notice?.text], [['bob'], undefined]);
  tell({ type: 'renamed', room: '#dev', from: 'Bob', to: 'rob' });
  tell({ type: 'away', room: '#gone', name: 'rob', away: true });
  assert.deepEqual([...dev.resting], ['rob']);
  tell({ type: 'away', name: 'rob', away: true, text: 'lunch' });
  assert.match(store.notice.text, /rob.* is away: lunch/);
  tell({ type: 'away', room: '#dev', name: 'rob', away: false });
  tell({ type: 'away', name: 'alice', away: true, you: true });
  assert.deepEqual([[...dev.resting], [...ops.resting], store.isAway], [['alice'], ['alice'], true]);
  tell({ type: 'away', name: 'alice', away: false, you: true });
  assert.deepEqual([[...dev.resting], store.isAway, store.notice.text], [[], false, 'You are here again.']);
  assert.deepEqual(touchedBy({ type: 'away', room: '#dev', name: 'rob', away: true }), ['members']);
});

test('who comes and goes is one line, with what has become of each', () => {
  for (const name of ['carol', 'dave', 'erin']) tell({ type: 'joined', room: '#dev', name });
  for (const name of ['Dave', 'Bob']) tell({ type: 'left', room: '#dev', name });
  for (const name of ['bob', 'frank']) tell({ type: 'joined', room: '#dev', name });
  tell({ type: 'joined', room: '#dev', name: 'dave' });
  tell({ type: 'presence', room: '#dev', joined: 3, left: 1, renamed: 1, members: 9 });
  const [line] = dev.entries;
  assert.equal(dev.entries.length, 1);
  assert.deepEqual([...line.people].map(([key, { way }]) => `${key} ${way}`), ['carol came', 'dave came', 'erin came', 'bob back', 'frank came']);
  assert.deepEqual(line.counts, { came: 3, left: 1, renamed: 1 });
  for (let number = 0; number < 200; number++) tell({ type: 'joined', room: '#dev', name: `guest-${number}` });
  assert.deepEqual([line.people.size, line.counts.came], [50, 158], 'named as many as anybody reads, the others are counted');
});

test('what belongs to somebody goes along with the name', () => {
  dev.roles.set('bob', 'moderator');
  dev.accounts.add('bob');
  dev.away.add('bob');
  tell({ type: 'renamed', room: '#dev', from: 'Bob', to: 'rob' });
  assert.deepEqual([dev.roles.get('rob'), dev.accounts.has('rob'), dev.away.has('rob'), dev.accounts.has('bob')], ['moderator', true, true, false]);
});

test('a topic is told when it is another one', () => {
  tell({ type: 'topic', room: '#dev', name: 'Bob', topic: 'ships' });
  tell({ type: 'topic', room: '#dev', topic: 'ships' });
  tell({ type: 'topic', room: '#dev', topic: '' });
  assert.deepEqual(said(dev), ['Bob set the topic: ships', 'Someone cleared the topic']);
});

test('a room has other rules, another name, other roles', () => {
  tell({ type: 'room', room: '#dev', entry: 'all', listed: true, role: 'owner' });
  tell({ type: 'room', room: '#dev', entry: 'invited', listed: true, by: 'Bob' });
  assert.deepEqual([dev.entry, dev.role], ['invited', 'owner']);
  tell({ type: 'room', from: '#dev', room: '#private', entry: 'invited', by: 'Bob' });
  assert.deepEqual([dev.key, dev.name, store.current], ['#private', '#private', '#private']);
  tell({ type: 'role', room: '#private', name: 'ALICE', role: 'moderator', by: 'Bob' });
  assert.equal(dev.role, 'moderator');
  tell({ type: 'muted', room: '#private', name: 'carol', by: 'Bob', reason: 'loud' });
  assert.deepEqual(said(dev), ['Bob made the room private', 'Bob renamed #dev to #private', 'Bob made alice a moderator'.replace('alice', 'ALICE'), 'Bob muted carol: loud']);
});

test('frames that are not as they should be change nothing', () => {
  const before = JSON.stringify([dev, ops]);
  for (const type of Object.keys(events)) {
    for (const frame of [{}, { room: 7 }, { room: '#nowhere', name: 'bob' }, { room: '#dev', name: 7, from: 1, to: {}, topic: null, role: [] }]) {
      if (!(type === 'presence' || type === 'room') || frame.room !== '#dev') tell({ type, ...frame });
    }
  }
  assert.equal(JSON.stringify([dev, ops]), before);
});

test('what is drawn again is what a frame can have changed', () => {
  assert.deepEqual(touchedBy({ type: 'typing', room: '#dev' }), ['composer']);
  assert.deepEqual(touchedBy({ type: 'said', room: '#ops' }), ['sidebar', 'title']);
  assert.ok(!touchedBy({ type: 'said', room: '#dev' }).includes('members'));
  dev.away.add('bob');
  assert.ok(touchedBy({ type: 'said', room: '#dev' }).includes('members'));
  for (const any of [{ type: 'said', room: '#dev', ref: 'r1' }, { type: 'renamed', room: '#dev' }, { type: 'joined', room: '#dev', you: true }, { type: 'direct' }]) {
    assert.deepEqual(touchedBy(any), [], 'whatever is different');
  }
  const drawn = [];
  changes.on((parts) => drawn.push(...parts));
  dispatch({ type: 'cut' });
  assert.deepEqual(drawn, ['log'], 'what waits to be sent is in the log');
});
