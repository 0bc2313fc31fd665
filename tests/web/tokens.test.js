// What messages are taken apart into: the same as by a plain twin, and in time that is linear in their length.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { divide } from '../../src/web/core/text.js';
import { tokens } from '../../src/web/core/tokens.js';
import { randomBy } from './random.js';

const MESSAGES = 100_000;

// ---- the twin: regular expressions, which take time by the square of some texts

const LINK = /https?:\/\/[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d+)?(?:[/?#][^\s<>"'`、。，．！？；：「」『』（）【】《》…]*)?/gi;
const RUN = /[^ \t\n\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\u3000-\u303f\uff00-\uffef]{251,}/gu;

function addressOf(link) {
  let text = link.replace(/[.,!?;:*~]+$/, '');
  const count = (pattern) => link.match(pattern)?.length ?? 0;
  for (let open = count(/[([{]/g) - count(/[)\]}]/g); open < 0 && /[)\]}]$/.test(text); open++) text = text.slice(0, -1);
  return text;
}

const CODE = /(?<!`)(`{1,3})(?!`)[^\n]+?(?<!`)\1(?!`)/g;
const BOLD = /(?<![*A-Za-z0-9_])\*\*(?!\*)(?=\S)(?:(?!(?<!\*)\*\*(?!\*))[^\n])+?(?<=\S)(?<!\*)\*\*(?![*A-Za-z0-9_])/g;

/** Of each code unit, how it is shown; and its link, by the place where that begins. */
function looksOf(text, found) {
  const looks = Array.from({ length: text.length }, () => ({ style: '', address: '', link: -1 }));
  const set = (from, to, look) => { for (let at = from; at < to; at++) looks[at] = { ...looks[at], ...look }; };
  let masked = text;
  const mask = (from, to) => { masked = masked.slice(0, from) + masked.slice(from, to).replaceAll('*', '-') + masked.slice(to); };
  for (const { index, 0: code, 1: ticks } of text.matchAll(CODE)) {
    set(index, index + code.length, { style: 'sign' });
    set(index + ticks.length, index + code.length - ticks.length, { style: 'code' });
    mask(index, index + code.length);
  }
  for (const { start, address } of found) {
    if (looks[start].style) continue;
    set(start, start + address.length, { address, link: start });
    mask(start, start + address.length);
  }
  for (const { index, 0: bold } of masked.matchAll(BOLD)) {
    for (let at = index; at < index + bold.length; at++) if (!looks[at].style) looks[at].style = at < index + 2 || at >= index + bold.length - 2 ? 'sign' : 'bold';
  }
  return looks;
}

function twin(text) {
  const links = [...text.matchAll(LINK)].filter(({ 0: link }) => link.length <= 4096)
    .map(({ index, 0: link }) => ({ start: index, address: addressOf(link) })).filter(({ address }) => URL.canParse(address)).slice(0, 100);
  const looks = looksOf(text, links), spans = spansOf(text, looks);
  const parts = [];
  let end = 0;
  for (const { index, 0: run } of text.matchAll(RUN)) {
    if (index > end) parts.push([end, index, false]);
    for (end = index; end < index + run.length;) {
      const next = Math.min(index + run.length, divide(text, end + 250));
      parts.push([end, next, true]);
      end = next;
    }
  }
  if (end < text.length) parts.push([end, text.length, false]);
  return parts.map(([from, to, isPiece]) => {
    const inPart = spans.map((span) => ({ ...span, first: Math.max(from, span.start), last: Math.min(to, span.end) })).filter(({ first, last }) => first < last);
    return { isPiece, tokens: inPart.map(({ first, last, style, address }) => ({ text: text.slice(first, last), address, style })) };
  });
}

/** Runs of code units that look the same. */
function spansOf(text, looks) {
  const spans = [];
  for (let at = 0; at < text.length; at++) {
    const { style, address, link } = looks[at], last = spans.at(-1);
    // A sign is of two, one behind the other, where code is next to something bold.
    if (last && last.style === style && last.link === link && !(style === 'sign' && text[at] !== text[last.start])) last.end = at + 1;
    else spans.push({ start: at, end: at + 1, style, address, link });
  }
  return spans;
}

// ---- messages

const SCRAPS = [
  'http://', 'https://', 'HTTPS://', 'http:', ':', '/', '//', 'a', 'b.example', '.', '..', '-', '?', '#', '!', ',', ';', '*', '~', '(', ')', '[', ']', '{', '}',
  ':80', ':x', ' ', '  ', '\t', '\n', '\u00a0', '"', "'", '`', '<', '>', '。', '「', '」', '…', '漢字', 'かな', '한글', '\u3000', 'e\u0301', '\u0323', '👩\u200d🚀', '👍🏽', '\ud83d', '\ude80',
  '**', '**', '`', '``', '```', '** ', ' **', '***', '_', '\n', 'ب', 'กำ', 'ſ', 'K', 'ftp://x', 'shttp://y', 'https', 'httphttp://z', '#dev', '@bob', '`code`', 'word',
];

function message(random) {
  const parts = [];
  for (let left = 1 + random.below(14); left > 0; left--) parts.push(random.pick(SCRAPS).repeat(random.chance(0.02) ? 1 + random.below(600) : 1));
  return parts.join('');
}

test('what messages are made of is what a plain twin finds', () => {
  for (let seed = 1; seed <= MESSAGES; seed++) {
    const text = message(randomBy(seed));
    const found = tokens(text);
    assert.deepEqual(found, twin(text), `seed ${seed}: ${JSON.stringify(text)}`);
    assert.equal(found.flatMap((part) => part.tokens).map((token) => token.text).join(''), text, `seed ${seed}`);
  }
});

test('a text that is shown part by part is shown whole', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const random = randomBy(seed), text = message(random) + message(random), cut = divide(text, 1 + random.below(text.length));
    const parts = [tokens(text, 0, cut), tokens(text, cut)].flat().flatMap((part) => part.tokens);
    assert.equal(parts.map((token) => token.text).join(''), text, `seed ${seed}`);
  }
});

// ---- time

/** A text that counts how often it is looked at. */
class Counted {
  steps = 0;
  constructor(text) { this.text = text; this.length = text.length; }
  charCodeAt(at) { this.steps++; return this.text.charCodeAt(at); }
  codePointAt(at) { this.steps++; return this.text.codePointAt(at); }
  slice(from, to) {
    const part = this.text.slice(from, to);
    this.steps += part.length;
    return part;
  }
}

test('each character is looked at a fixed number of times, whatever the text', () => {
  const cases = [
    'a', ')', 'http://', 'http://a', 'http://a ', 'http://a)', 'http://a.', 'http://a/', ':', '::::http', 'e\u0301', '\u0323', 'ب', '漢', '漢a', ' ', '([{)]}', 'http://a/([{)]}', 'http://a:', 'http://a..', '👩\u200d🚀', '\ud83d',
    '`', '``a', '`a', '` ``', '``` `` ', '`\n', '````', '**', '**a', '**a**', '**a ', '** a', '*', '**`a`', '`a` ', '**http://a ',
  ];
  for (const scrap of cases) {
    for (const start of ['', 'http://a', 'http://a/', 'x']) {
      const counted = new Counted(start + scrap.repeat(65_000 / scrap.length));
      tokens(/** @type {any} */ (counted));
      assert.ok(counted.steps < 16 * counted.length, `${JSON.stringify(start + scrap)}: ${counted.steps} looks at ${counted.length}`);
    }
  }
});
