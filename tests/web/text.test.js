// What is shown of texts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { divide, essence, shownOf } from '../../src/web/core/text.js';

test('a message of many lines or letters is shown shortened', () => {
  assert.equal(shownOf('a'.repeat(1000)), 1000);
  assert.equal(shownOf('a'.repeat(1001)), 700);
  assert.equal(shownOf(`${'a '.repeat(600)}`), 700);
  for (const end of ['\n', '\u2028', '\u2029', '\u0085', '\v', '\f']) {
    const text = Array.from({ length: 30 }, (_, line) => `line ${line}`).join(end);
    assert.equal(text.slice(0, shownOf(text)).split(end).length, 21, `${JSON.stringify(end)}: twenty, and the end of the last`);
    assert.equal(shownOf(text.split(end).slice(0, 20).join(end)), text.split(end).slice(0, 20).join(end).length);
  }
});

test('no character is torn apart', () => {
  const text = '👩\u200d🚀'.repeat(100);
  for (let at = 5; at < text.length; at++) {
    const place = divide(text, at);
    assert.ok(place > 0 && place <= at, String(at));
    assert.equal(place % '👩\u200d🚀'.length, 0, String(at));
  }
});

test('what a server tidies is the same for comparing', () => {
  assert.equal(essence(' a\t b\u0007 '), 'a b');
  assert.equal(essence('e\u0301'), essence('é'));
  assert.equal(essence(`e${'\u0301\u0323'.repeat(30_000)}`).length > 60, true);
});
