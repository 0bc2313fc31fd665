// What is done with texts and numbers of frames, whatever they say.

export const isText = (value) => typeof value === 'string';
export const isId = (value) => Number.isSafeInteger(value) && value >= 0;

export const bytesOf = (text) => new TextEncoder().encode(text).length;

/** Sorting a pile of marks into normal form takes time by the square of its height. No name has a pile of more than 64. */
export const levelled = (text) => text.replace(/(\p{M}{64})\p{M}+/gu, '$1');

/** What survives a server that strips control characters and tidies spaces; for comparing only. */
export const essence = (text) => levelled(text).normalize('NFC').replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ').trim();

/** Where near `at` a text is best divided: after a line or a blank, or else so that no character is torn apart. */
export function divide(text, at) {
  if (at >= text.length) return text.length;
  const from = Math.max(0, at - 80), before = text.slice(from, at), line = before.lastIndexOf('\n'), blank = line < 0 ? before.lastIndexOf(' ') : line;
  if (blank >= 0) return from + blank + 1;
  const tears = (place) => /^[\udc00-\udfff\u200d\p{M}\p{Emoji_Modifier}]/u.test(text.slice(place, place + 2)) || text.slice(place - 1, place) === '\u200d';
  for (let place = at; place > from; place--) if (!tears(place)) return place;
  return /[\udc00-\udfff]/.test(text.slice(at, at + 1)) ? at - 1 : at;
}

/** What is said by a draft: no blank lines around it, and of a single line no blanks either. */
export function saidOf(draft) {
  const text = draft.replace(/\r\n?/g, '\n').replace(/^(?:[^\S\n]*\n)+/, '').trimEnd();
  return text.includes('\n') ? text : text.trim();
}

export const linesOf = (text) => text.split('\n').length;

const WHOLE_UNITS_MAX = 1000; // a longer message is shown shortened
const SHORT_UNITS = 700; // to about so much
const WHOLE_LINES_MAX = 20; // and one of more lines

/** How much of a message is shown at first. */
export function shownOf(text) {
  let end = text.length > WHOLE_UNITS_MAX ? divide(text, SHORT_UNITS) : text.length, lines = 0;
  for (const { index } of text.slice(0, end).matchAll(/[\n\v\f\u0085\u2028\u2029]/g)) if (++lines === WHOLE_LINES_MAX) end = index + 1;
  return end;
}

export const shorten = (text, units) => (text.length > units ? `${text.slice(0, divide(text, units))}…` : text);

export function countCharacters(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** A right-to-left name inside a sentence must not drag the sentence with it. */
export const isolate = (name) => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(name) ? `\u2068${name}\u2069` : name);
