// A message as blocks, by its lines: code between two fences, quotes, lists, and what is just text. It is a little of Markdown,
// so little that it reads as well where nobody draws it. Time is linear in the length of the text: each line is looked at twice.

export const FENCE = '```';
const STEP = 2; // columns that indent an item by one more
const DEPTH_MAX = 4;

/**
 * `start` to `end`: all of it, with its marks; no block has what another has, and none of the text is left out. `from` to `to`:
 * what is shown of it. A quote of several lines is several blocks, and so is a list.
 *
 * @typedef {{ kind: 'text' | 'code' | 'quote' | 'item', start: number, end: number, from: number, to: number, depth: number }} Block
 */

function endOfLine(text, at) {
  const end = text.indexOf('\n', at);
  return end < 0 ? text.length : end;
}

/** Where the line after this one begins. */
const lineAfter = (text, at) => Math.min(endOfLine(text, at) + 1, text.length);

/** Where the line begins that closes what was opened above; -1 if none does. */
function closingFence(text, at) {
  for (; at < text.length; at = lineAfter(text, at)) {
    if (text.startsWith(FENCE, at) && text.slice(at, endOfLine(text, at)).trimEnd() === FENCE) return at;
  }
  return -1;
}

/** What a single line is, other than text. @returns {Block | null} */
function blockOfLine(text, start, to) {
  const head = text.slice(start, Math.min(to, start + 40)), end = Math.min(to + 1, text.length);
  const [quote] = /^>(?: |$)/.exec(head) ?? [];
  if (quote !== undefined) return { kind: 'quote', start, end, from: start + quote.length, to, depth: 0 };
  const [item, indent] = /^([ \t]*)- (?=\S)/.exec(head) ?? [];
  if (item === undefined) return null;
  const depth = Math.min(DEPTH_MAX, Math.floor(indent.replaceAll('\t', '    ').length / STEP));
  return { kind: 'item', start, end, from: start + item.length, to, depth };
}

/** @returns {Block[]} in order */
export function blocksOf(text) {
  const blocks = /** @type {Block[]} */ ([]);
  let start = 0; // of what is just text
  let mayClose = true;
  const addText = (end) => {
    // The line break before another block is the block's own.
    const to = end < text.length ? end - 1 : end;
    if (end > start) blocks.push({ kind: 'text', start, end, from: start, to, depth: 0 });
  };
  for (let at = 0; at < text.length;) {
    const end = endOfLine(text, at);
    let block = blockOfLine(text, at, end);
    if (mayClose && text.startsWith(FENCE, at) && !text.slice(at + FENCE.length, end).includes('`')) {
      const from = lineAfter(text, at), close = closingFence(text, from);
      mayClose = close >= 0;
      if (mayClose) block = { kind: 'code', start: at, end: lineAfter(text, close), from, to: Math.max(from, close - 1), depth: 0 };
    }
    if (block) {
      addText(at);
      blocks.push(block);
      start = block.end;
    }
    at = block ? block.end : Math.min(end + 1, text.length);
  }
  addText(text.length);
  return blocks;
}
