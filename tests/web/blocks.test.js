// What lines of a message are: code, quotes, lists; the same as by a plain twin, and in time that is linear in their length.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { blocksOf } from '../../src/web/core/blocks.js';
import { saidOf } from '../../src/web/core/text.js';
import { randomBy } from './random.js';

const shown = (text) => blocksOf(text).map(({ kind, from, to, depth }) => [kind, text.slice(from, to), ...(depth ? [depth] : [])]);

test('a message is text, code, quotes and lists', () => {
  for (const [text, expected] of [
    ['hello', [['text', 'hello']]],
    ['', []],
    ['one\n\ntwo', [['text', 'one\n\ntwo']]],
    ['see:\n```js\nlet a = 1;\n\n> b\n```\nright?', [['text', 'see:'], ['code', 'let a = 1;\n\n> b'], ['text', 'right?']]],
    ['```\n```', [['code', '']]],
    ['```\nno end\n> quote', [['text', '```\nno end'], ['quote', 'quote']]],
    ['```one``` line', [['text', '```one``` line']]],
    ['> a\n>\n> b\nc', [['quote', 'a'], ['quote', ''], ['quote', 'b'], ['text', 'c']]],
    ['>_< and >> are faces', [['text', '>_< and >> are faces']]],
    ['to do:\n- a\n  - b\n\t- c\n-- d\n- ', [['text', 'to do:'], ['item', 'a'], ['item', 'b', 1], ['item', 'c', 2], ['text', '-- d\n- ']]],
  ]) assert.deepEqual(shown(text), expected, JSON.stringify(text));
});

/** Line by line, without any cleverness: each fence looks for the one that closes it. */
function twin(text) {
  const lines = text.split(/(?<=\n)/), blocks = [];
  const bare = (line) => line.replace(/\n$/, '');
  for (let at = 0; at < lines.length; at++) {
    const line = bare(lines[at]), close = lines.findIndex((other, place) => place > at && other.startsWith('```') && bare(other).trimEnd() === '```');
    const [, quote] = /^>(?: |$)(.*)/s.exec(line) ?? [], [, indent, item] = /^([ \t]*)- (?=\S)(.*)/s.exec(line) ?? [];
    if (/^```[^`]*$/.test(line) && close > 0) {
      blocks.push(['code', bare(lines.slice(at + 1, close).join(''))]);
      at = close;
    } else if (quote !== undefined) blocks.push(['quote', quote]);
    else if (item !== undefined && indent.length < 38) {
      const depth = Math.min(4, Math.floor(indent.replaceAll('\t', '    ').length / 2));
      blocks.push(['item', item, ...(depth ? [depth] : [])]);
    } else if (blocks.at(-1)?.[0] === 'text') blocks.at(-1)[1] += lines[at];
    else blocks.push(['text', lines[at]]);
  }
  // The line break before another block is that block's own.
  return blocks.map(([kind, shown, ...rest], place) => [kind, kind === 'text' && place < blocks.length - 1 ? bare(shown) : shown, ...rest]);
}

const SCRAPS = ['```', '```', '``` ', '```js', '`', '\n', '\n', '\n', '> ', '>', '- ', '-', ' ', '\t', 'a', 'word', '\u2028', '漢', '👩\u200d🚀', ' '.repeat(37)];

test('blocks are what a plain twin finds, and none of the text is left out', () => {
  for (let seed = 1; seed <= 20_000; seed++) {
    const random = randomBy(seed);
    const text = Array.from({ length: 1 + random.below(20) }, () => random.pick(SCRAPS)).join('');
    const blocks = blocksOf(text), seen = JSON.stringify(text);
    assert.deepEqual(shown(text), twin(text), `seed ${seed}: ${seen}`);
    assert.equal(blocks.map(({ start, end }) => text.slice(start, end)).join(''), text, `seed ${seed}: ${seen}`);
    for (const { start, from, to, end } of blocks) assert.ok(start <= from && from <= to && to <= end, `seed ${seed}: ${seen}`);
  }
});

/** A text that counts how much of it is looked at. */
class Counted {
  steps = 0;
  constructor(text) { this.text = text; this.length = text.length; }
  indexOf(part, from) {
    const found = this.text.indexOf(part, from);
    this.steps += (found < 0 ? this.length : found) - from + 1;
    return found;
  }
  startsWith(part, at) {
    this.steps += part.length;
    return this.text.startsWith(part, at);
  }
  slice(from, to) {
    this.steps += Math.max(0, to - from);
    return this.text.slice(from, to);
  }
}

test('each line is looked at a fixed number of times, whatever the text', () => {
  for (const scrap of ['\n', '```\n', '```\nx\n', '```x\n', '> \n', '- a\n', 'x', '```', '- ', '>']) {
    const counted = new Counted(scrap.repeat(65_000 / scrap.length));
    blocksOf(/** @type {any} */ (counted));
    assert.ok(counted.steps < 20 * counted.length, `${JSON.stringify(scrap)}: ${counted.steps} looks at ${counted.length}`);
  }
});

test('blank lines around a draft are not said, and indentation is', () => {
  for (const [draft, said] of [
    [' hi ', 'hi'], ['\n \n  if x:\n\ty\n\n \n', '  if x:\n\ty'], ['a\r\nb\rc', 'a\nb\nc'], [' \n\t\n', ''], ['', ''], ['\n  a\n', 'a'],
  ]) assert.equal(saidOf(draft), said, JSON.stringify(draft));
  assert.equal(saidOf(`${'\n'.repeat(60_000)}x`), 'x');
});
