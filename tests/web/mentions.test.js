// Whom a message is for.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isForMe, mentions } from '../../src/web/core/mentions.js';
import { fold } from '../../src/web/core/names.js';

test('a name is found as a word, in the letters of all scripts', () => {
  for (const [name, text, expected] of [
    ['alice', 'hello alice', true],
    ['alice', 'Alice: hello', true],
    ['alice', 'malice', false],
    ['alice', 'alices', false],
    ['alice', 'malice and alice', true],
    ['alice', '(alice)', true],
    ['alice', 'alice_2', false],
    ['jos', 'josé', false],
    ['jos', 'jose\u0301', false],
    ['José', 'JOSÉ!', true],
    ['анна', 'Анна, привет', true],
    ['анна', 'Иоанна', false],
    ['анна', 'Анната', false],
    ['נועם', 'נועם שלום', true],
    ['נועם', 'ונועם', false],
    ['太郎', '山田太郎さん', true],
    ['タロー', 'タローさん', true],
    ['민수', '민수는 어디', true],
    ['ก้อง', 'สวัสดีก้องครับ', true],
    ['alice', 'これはaliceです', true],
    ['Straße', 'STRASSE', true],
    ['𝐚lice', 'x alice', true],
    ['😀b', 'a😀b', true],
    ['b😀', 'b😀c', true],
    ['a', 'a', false], // one letter is in too many words
  ]) assert.equal(mentions(name, text), expected, `${name} in ${text}`);
});

test('time does not grow by the square of a text full of the name', () => {
  assert.equal(mentions('aa', 'a'.repeat(60_000)), false);
  assert.equal(mentions('e\u0301x', 'e\u0301'.repeat(30_000)), false);
});

test('an account is called by its name with a sign, as the server finds it', () => {
  const conv = { kind: 'room', total: 3, roles: new Map(), members: new Map(['al', 'alice', 'bob'].map((name) => [fold(name), name])) };
  for (const [text, expected] of [
    ['@alice hello', true], ['hello ＠Alice', true], ['alice: hello', true], ['alice, hello', true], ['hello alice', false],
    ['@al', false], ['@alicex', false], ['a@alice', false], ['@all', true], ['@here', true], ['これ@aliceさん', true],
  ]) assert.equal(isForMe('alice', conv, 'bob', text), expected, text);
  assert.equal(isForMe('alice', { ...conv, total: 30 }, 'bob', '@all'), false);
  assert.equal(isForMe('alice', { ...conv, total: 30, roles: new Map([['bob', 'owner']]) }, 'bob', '@all'), true);
});
