// Whom a message is for.

import { fold } from './names.js';
import { levelled } from './text.js';

const SIGNS = /(?<![a-z0-9])[@＠﹫]/gi;
const PLACES_MAX = 32; // and lines, as many as the server looks at
const CALLS_ALL = 20; // members, in a room of more than which only moderators call all

/** As the server finds it, for accounts, for which it counts: `@name` anywhere, the longest that fits, and `name:` at the start of a line. */
export function isForMe(name, conv, author, text) {
  const me = fold(name), isMember = (key) => key === me || conv.members.has(key);
  for (const line of text.split('\n', PLACES_MAX)) {
    const [, start] = /^([^\s:,：，、]{1,64})[:,：，、]/.exec(line) ?? [];
    if (start && fold(start.normalize('NFC')) === me) return true;
  }
  const maySay = conv.kind === 'room' && (conv.total <= CALLS_ALL || conv.roles.has(fold(author)));
  let places = PLACES_MAX;
  for (const { index, 0: sign } of text.matchAll(SIGNS)) {
    if (places-- === 0) break;
    const [rest] = /^\S{0,64}/.exec(text.slice(index + sign.length));
    for (let end = rest.length; end > 0; end--) {
      if (/[a-z0-9]{2}/i.test(rest.slice(end - 1, end + 1))) continue;
      const key = fold(levelled(rest.slice(0, end)).normalize('NFC'));
      if (key === me || (maySay && (key === 'all' || key === 'here'))) return true;
      if (isMember(key)) break;
    }
  }
  return false;
}

const LETTER = /[\p{L}\p{M}\p{N}_]/u;
/** Scripts that put no space between words, or join endings to names. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}\p{sc=Bopo}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}\p{sc=Tibt}]/u;
/** Whether two characters, one after the other, are of one word. */
const isInside = (first, second) => [first, second].every((char) => LETTER.test(char) && !UNSPACED.test(char));

/** The character that ends, or begins, at a place of a text; '' at its ends. */
const characterBefore = (text, at) => [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
const characterAt = (text, at) => (at < text.length ? String.fromCodePoint(text.codePointAt(at)) : '');

/** Whether a text has this name in it, for guests, for whom the server does not count. */
export function mentions(who, text) {
  const name = fold(who);
  if (name.length < 2) return false;
  const haystack = fold(levelled(text));
  for (let at = haystack.indexOf(name); at >= 0; at = haystack.indexOf(name, at + 1)) {
    const end = at + name.length;
    if (!isInside(characterBefore(haystack, at), characterAt(name, 0)) && !isInside(characterBefore(name, name.length), characterAt(haystack, end))) return true;
  }
  return false;
}
