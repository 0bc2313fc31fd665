// Names of people and rooms: how they are compared, and what stands for them where they do not fit.

/**
 * The key that names are compared by: two spellings that the server takes for one name have one key. Step for step what
 * src/chat/name/fold.rs does; tests hold the two to each other.
 */
export function fold(name) {
  if (/^[\0-\x7f]*$/.test(name)) return name.toLowerCase();
  let key = name.replace(/[\ufe0f\u200c\u200d]/g, '');
  for (let pass = 0; pass < 4; pass++) {
    // JavaScript alone gives a sigma at the end of a word a form of its own.
    const folded = key.toLowerCase().toUpperCase().toLowerCase().replaceAll('ς', 'σ').normalize('NFKC');
    if (folded === key) break;
    key = folded;
  }
  return key;
}

const NAME_UNITS_MAX = 1000; // far more than any name has; the rest of a pasted novel is not worth the work
/** As the server reads a typed name: without white space around it. Then without the mark of a room, and in NFC. */
const trimmed = (name) => name.slice(0, NAME_UNITS_MAX).replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');
export const bareName = (name) => trimmed(name).normalize('NFC');
export const bareRoom = (name) => trimmed(name).replace(/^[#＃﹟]/, '').normalize('NFC');
export const roomKey = (name) => `#${fold(bareRoom(name))}`;
export const directKey = (name) => `@${fold(bareName(name))}`;

const segmenter = Intl.Segmenter && new Intl.Segmenter();
const firstCharacter = (text) => (segmenter ? segmenter.segment(text.slice(0, 64)).containing(0)?.segment : [...text.slice(0, 64)][0]) ?? '?';

export function initials(name) {
  const words = name.slice(0, NAME_UNITS_MAX).split(/[\s._-]+/).filter(Boolean);
  const first = firstCharacter(words[0] || '?');
  const second = words[1] && /^[\p{L}\p{N}]/u.test(words[1]) && first.length === 1 ? firstCharacter(words[1]) : '';
  return (first + second).toUpperCase();
}

/** Twenty-four hues, so that two people rarely differ by a shade that nobody can tell. */
export function hueOf(name) {
  let hash = 2166136261;
  for (const unit of fold(name)) hash = Math.imul(hash ^ unit.codePointAt(0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d); // short names differ in few bits: spread them
  return ((hash >>> 12) % 24) * 15;
}
