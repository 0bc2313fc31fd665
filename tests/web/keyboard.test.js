// What keys do: by the table, in the message box.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { commandsLike, completionsOf } from '../../src/web/core/complete.js';
import { actionOf, isWriting, KEYMAP } from '../../src/web/core/keymap.js';
import { Recall } from '../../src/web/core/recall.js';
import * as enLater from '../../src/web/words/later/en.js';
import * as jaLater from '../../src/web/words/later/ja.js';
import * as en from '../../src/web/words/en.js';
import * as ja from '../../src/web/words/ja.js';

const WEB = fileURLToPath(new URL('../../src/web', import.meta.url));
const key = (name, rest = {}) => ({ key: name, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, isComposing: false, keyCode: 0, ...rest });

test('every key of the table is explained, in every language', () => {
  const ids = KEYMAP.map(({ id }) => id).sort();
  for (const { page } of [enLater, jaLater]) assert.deepEqual(Object.keys(page.keys).sort(), ids);
  const places = KEYMAP.flatMap(({ where, on }) => on.map((name) => `${where} ${name}`));
  assert.equal(new Set(places).size, places.length, 'no key does two things in one place');
});

test('languages have the same words', () => {
  const shape = (words) => Object.entries(words).map(([name, value]) => [name, typeof value === 'object' && !Array.isArray(value) && !['commands', 'errors'].includes(name) ? shape(value) : typeof value]).sort();
  for (const [one, other] of [[en, ja], [enLater, jaLater]]) assert.deepEqual(shape(other), shape(one));
  for (const table of ['page', 'accounts', 'people']) {
    for (const name of Object.keys(en[table])) assert.ok(!Object.hasOwn(enLater[table], name), `${table}.${name} is there twice`);
  }
});

/** A module and all that it imports. */
function modulesOf(path, found = new Map()) {
  if (found.has(path) || path === 'commands/server.js') return found;
  const source = readFileSync(`${WEB}/${path}`, 'utf8');
  found.set(path, source);
  for (const [, other] of source.matchAll(/^import .* from '(.+)';$/gm)) modulesOf(join(dirname(path), other), found);
  return found;
}

test('the first part of the page says nothing whose words come later', () => {
  const first = modulesOf('main.js'), all = modulesOf('later.js');
  assert.ok(first.size > 40 && all.size > first.size / 2, `${first.size} ${all.size}`);
  const later = { page: { ...en.page, ...enLater.page }, accounts: { ...en.accounts, ...enLater.accounts }, people: { ...en.people, ...enLater.people }, settings: enLater.settings };
  for (const [variable, table] of [['t', 'page'], ['accountWords', 'accounts'], ['peopleWords', 'people'], ['settingsWords', 'settings']]) {
    for (const [path, source] of [...first, ...all]) {
      // What may not be there is asked for with a question mark.
      for (const [, name] of source.matchAll(new RegExp(`(?<![\\w.])${variable}\\.(\\w+)\\b(?!\\?\\.)`, 'g'))) {
        assert.ok(Object.hasOwn((first.has(path) ? en : later)[table] ?? {}, name), `${path}: ${variable}.${name}`);
      }
    }
  }
  for (const [path, words] of [['index.html', en.page], ['later.html', later.page]]) {
    for (const [, name] of readFileSync(`${WEB}/${path}`, 'utf8').matchAll(/data-t(?:-\w+)?="(\w+)"/g)) assert.ok(Object.hasOwn(words, name), `${path}: ${name}`);
  }
});

test('a key does what the table says, and nothing while an input method has it', () => {
  assert.equal(actionOf(key('Enter'), 'composer'), 'send');
  assert.equal(actionOf(key('Enter', { shiftKey: true }), 'composer'), 'newLine');
  assert.equal(actionOf(key('Enter', { isComposing: true }), 'composer'), '');
  assert.equal(actionOf(key('Enter', { keyCode: 229 }), 'composer'), '');
  assert.equal(actionOf(key('K', { ctrlKey: true }), 'page'), 'rooms');
  assert.equal(actionOf(key('k'), 'page'), '');
  assert.equal(actionOf(key('ArrowUp', { altKey: true }), 'page'), 'step');
  for (const [event, expected] of [[key('a'), true], [key('あ'), true], [key('👍'), true], [key(' '), false], [key('Enter'), false], [key('c', { ctrlKey: true }), false], [key('a', { isComposing: true }), false]]) {
    assert.equal(isWriting(event), expected, event.key);
  }
});

test('Tab completes names, rooms, commands and emoji', () => {
  const known = { names: ['bob', 'Straße', 'bobby', '太郎'], rooms: ['#dev', '#devops', '#日本'], commands: ['join', 'join2', 'me'] };
  const complete = (text, caret = text.length) => completionsOf(text, caret, known);
  for (const [text, from, list] of [
    ['bo', 0, ['bob: ', 'bobby: ']],
    ['hi BO', 3, ['bob ', 'bobby ']],
    ['hi @bo', 3, ['@bob ', '@bobby ']],
    ['STRASS', 0, ['Straße: ']],
    ['太', 0, ['太郎: ']],
    ['see #de', 4, ['#dev ', '#devops ']],
    ['＃日', 0, ['#日本 ']],
    ['／jo', 0, ['/join ', '/join2 ']],
    ['/jo', 0, ['/join ', '/join2 ']],
    ['so :smi', 3, ['😄 ', '😏 ']],
    [':smile:', 0, ['😄 ']],
  ]) assert.deepEqual(complete(text), { from, list }, text);
  for (const text of ['', 'bob ', 'x', 'hi /jo', ':s', '#x', ':)']) assert.equal(complete(text), null, text);
  assert.deepEqual(complete('bo and more', 2), { from: 0, list: ['bob: ', 'bobby: '] });
});

test('commands are found by the beginning of their names, then by what is in them', () => {
  const commands = ['room', 'rooms', 'rename', 'delete-room', 'me'].map((name) => ({ name }));
  const like = (typed) => commandsLike(typed, commands).map(({ name }) => name);
  assert.deepEqual(like(''), ['room', 'rooms', 'rename', 'delete-room', 'me']);
  assert.deepEqual(like('r'), ['room', 'rooms', 'rename', 'delete-room']);
  assert.deepEqual(like('ROOMS'), ['rooms']);
  assert.deepEqual(like('room'), ['room', 'rooms', 'delete-room']);
  assert.deepEqual(like('zebra'), []);
});

test('what was sent comes back, and what is being written does not go', () => {
  const recall = new Recall();
  assert.equal(recall.step(-1, ''), undefined);
  for (const line of ['one', 'two', 'one']) recall.add(line);
  assert.equal(recall.step(-1, 'a draft'), undefined);
  assert.equal(recall.step(-1, ''), 'one');
  assert.equal(recall.step(-1, 'one'), 'two');
  assert.equal(recall.step(-1, 'two'), undefined, 'there are no more');
  assert.equal(recall.step(-1, 'two, changed'), undefined);
  assert.equal(recall.step(1, 'two'), 'one');
  assert.equal(recall.step(1, 'one'), '');
  assert.equal(recall.step(1, ''), undefined);
  recall.forget();
  assert.equal(recall.step(-1, ''), undefined);
});
