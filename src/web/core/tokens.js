// A text as what it is made of: links, what stands out, and what is just text. Time is linear in its length, whatever it says: each character
// is looked at a fixed number of times. tests/web/tokens.test.js has a plain twin, and counts.

import { spansOf } from './marks.js';
import { divide } from './text.js';

const LINK_UNITS_MAX = 4096; // what is longer was not meant to be clicked
const LINKS_MAX = 100; // in what is shown at once
const PIECE_UNITS = 250;

const isHostEnd = (code) => (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122);
const isHost = (code) => isHostEnd(code) || code === 45 || code === 46;
const isDigit = (code) => code >= 48 && code <= 57;
/** What no link holds: white space, quotes, and the punctuation of languages that put no space after a link. */
const isAfterLink = (code) => (code < 128 ? ASCII_AFTER_LINK.has(code) : WIDE_AFTER_LINK.test(String.fromCharCode(code)));
const ASCII_AFTER_LINK = new Set([...' \t\n\v\f\r<>"\'`'].map((char) => char.charCodeAt(0)));
const WIDE_AFTER_LINK = /[\s、。，．！？；：「」『』（）【】《》…]/;

/** Where the first code unit of "http" or "https" before the colon at `colon` is, or -1. */
function schemeBefore(text, colon) {
  const before = text.slice(Math.max(0, colon - 5), colon).toLowerCase();
  return before === 'https' ? colon - 5 : before.endsWith('http') ? colon - 4 : -1;
}

/** The end of the link that begins with a scheme and the colon at `colon`; -1 if that is none. */
function endOfLink(text, colon) {
  if (text.charCodeAt(colon + 1) !== 47 || text.charCodeAt(colon + 2) !== 47) return -1;
  let at = colon + 3, end = -1;
  if (!isHostEnd(text.charCodeAt(at))) return -1;
  for (; isHost(text.charCodeAt(at)); at++) if (isHostEnd(text.charCodeAt(at))) end = at + 1;
  if (text.charCodeAt(end) === 58 && isDigit(text.charCodeAt(end + 1))) for (end++; isDigit(text.charCodeAt(end));) end++;
  if (![47, 63, 35].includes(text.charCodeAt(end))) return end;
  while (end < text.length && !isAfterLink(text.charCodeAt(end))) end++;
  return end;
}

/** A link without the punctuation of the sentence around it. A bracket that was opened before the link closes after it. */
function withoutTail(link) {
  let open = 0, end = link.length;
  for (const char of link) open += Number('([{'.includes(char)) - Number(')]}'.includes(char));
  while (end > 0 && '.,!?;:*~'.includes(link[end - 1])) end--;
  for (; open < 0 && end > 0 && ')]}'.includes(link[end - 1]); open++) end--;
  return link.slice(0, end);
}

/** The links that begin in a part of a text, in order. */
function linksOf(text, from, to) {
  const links = [];
  for (let at = from, free = from; at < to + 5 && links.length < LINKS_MAX; at++) {
    if (at >= text.length) break;
    if (text.charCodeAt(at) !== 58) continue;
    const start = schemeBefore(text, at);
    if (start < free || start >= to) continue;
    const end = endOfLink(text, at);
    if (end < 0) continue;
    free = end;
    at = end - 1;
    if (end - start > LINK_UNITS_MAX) continue;
    const address = withoutTail(text.slice(start, end));
    if (URL.canParse(address)) links.push({ start, end: start + address.length, address });
  }
  return links;
}

/** Between these a line may be broken without a gap. */
const BREAKS = /[ \t\n\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\u3000-\u303f\uff00-\uffef]/u;
const mayBreak = (code) => (code < 0x1100 ? code === 32 || code === 9 || code === 10 : BREAKS.test(String.fromCodePoint(code)));

/**
 * A text as [start, end, is a piece]. Browsers take time by the square of its length to break a run of letters without a gap
 * into lines (a second for 4,000 Arabic or Thai ones, or as many marks on one letter), so long runs are laid out in pieces.
 */
function partsOf(text, from, to) {
  const parts = [];
  let end = from;
  for (let at = from; at < to;) {
    const start = at;
    let letters = 0, code;
    for (; at < to && !mayBreak(code = text.codePointAt(at)); at += code > 0xffff ? 2 : 1) letters++;
    at = Math.min(at, to);
    if (letters > PIECE_UNITS) {
      if (start > end) parts.push([end, start, false]);
      for (end = start; end < at;) {
        const next = Math.min(at, divide(text, end + PIECE_UNITS));
        parts.push([end, next, true]);
        end = next;
      }
    }
    while (at < to && mayBreak(code = text.codePointAt(at))) at += code > 0xffff ? 2 : 1;
  }
  if (end < to) parts.push([end, to, false]);
  return parts;
}

/**
 * A part of a text, in order, as [{ isPiece, tokens: [{ text, address, style }] }]: a piece is laid out for itself; a token with
 * an address is a link, or what a piece has of it; `style` is that of core/marks.js.
 */
export function tokens(text, from = 0, to = text.length) { return inParts(text, from, to, spansOf(text, from, to, linksOf(text, from, to))); }

/** The same of what is code: nothing in it is a link, or anything else. */
export const codeTokens = (text, from, to) => inParts(text, from, to, []);

function inParts(text, from, to, spans) {
  let next = 0, plain = '';
  return partsOf(text, from, to).map(([start, stop, isPiece]) => {
    const found = [];
    const add = (end, style, address = '') => {
      if (end > start) found.push({ text: text.slice(start, end), address, style });
      start = Math.max(start, end);
    };
    for (; next < spans.length && spans[next].start < stop; next++) {
      const span = spans[next];
      add(span.start, plain);
      add(Math.min(span.end, stop), span.style, span.address);
      if (span.end > stop) break; // it goes on in the next piece
      plain = span.then;
    }
    add(stop, plain);
    return { isPiece, tokens: found };
  });
}
