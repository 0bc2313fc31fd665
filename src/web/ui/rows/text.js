// The text of a message as nodes: links become links, code becomes code, all else stays text.

import { tokens, codeTokens } from '../../core/tokens.js';
import { t } from '../../words/index.js';
import { el } from '../dom.js';

/** What a button copies. */
export const copies = new WeakMap();

function nodeOf({ text, address, style }) {
  if (style === 'sign') return [];
  const node = address ? el('a', { href: address, target: '_blank', rel: 'noopener noreferrer', textContent: text }) : text;
  if (style === 'code') return [el('code', {}, node)];
  return [style === 'bold' ? el('b', {}, node) : node];
}

const inPieces = (parts) => parts.flatMap(({ isPiece, tokens: found }) => {
  const nodes = found.flatMap(nodeOf);
  return isPiece ? [el('span', { className: 'piece' }, ...nodes)] : nodes;
});

function copyButton(code) {
  const button = el('button', { type: 'button', className: 'quiet copy-code', textContent: t.copyCode });
  button.dataset.action = 'copy';
  copies.set(button, code);
  return button;
}

/** Of `nodes`, the last one if it is such an element, or another one behind it: a list, or a quote of several lines. */
function lastOf(nodes, tag) {
  if (nodes.at(-1)?.localName !== tag) nodes.push(el(tag));
  return nodes.at(-1);
}

/** A part of a text as nodes; `blocks`: all of those that it has. */
export function nodesOf(text, blocks, from, to) {
  const nodes = [];
  for (const block of blocks) {
    const start = Math.max(from, block.from), end = Math.min(to, block.to);
    if (block.end <= from || block.start >= to || start > end) continue;
    if (block.kind === 'code') {
      const pre = el('pre', {}, el('code', {}, ...inPieces(codeTokens(text, start, end))));
      const copy = start === block.from ? [copyButton(text.slice(block.from, block.to))] : [];
      nodes.push(el('div', { className: 'code-block' }, ...copy, pre));
      continue;
    }
    const inline = inPieces(tokens(text, start, end));
    if (block.kind === 'text') nodes.push(...inline);
    else if (block.kind === 'quote') {
      const quote = lastOf(nodes, 'blockquote');
      if (quote.firstChild) quote.append('\n');
      quote.append(...inline);
    } else {
      const item = el('li', {}, ...inline);
      item.dataset.depth = block.depth;
      lastOf(nodes, 'ul').append(item);
    }
  }
  return nodes;
}
