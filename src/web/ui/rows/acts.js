// What can be done with the text of a message: to see all of it, and to copy the code in it.

import { divide } from '../../core/text.js';
import { t } from '../../words/index.js';
import { el } from '../dom.js';
import { folded } from './message.js';
import { copies, nodesOf } from './text.js';

const UNFOLD_UNITS = 8000; // shown at a time, so that the page answers in between
const CODE_COPIED_MS = 2000;

/** Shows the rest of a message, a part at a time; `grown` hears of each. */
function unfold(node, grown) {
  const { text, blocks, end } = folded.get(node), next = divide(text, end + UNFOLD_UNITS);
  node.querySelector('.unfold')?.remove();
  node.querySelector('.text').append(el('div', { className: 'piece' }, ...nodesOf(text, blocks, end, next)));
  folded.set(node, { text, blocks, end: next });
  if (next < text.length) setTimeout(() => node.isConnected && unfold(node, grown), 16);
  grown();
}

/** Copies the code that a button belongs to. */
async function copyCode(button) {
  try {
    await navigator.clipboard.writeText(copies.get(button));
  } catch {
    getSelection()?.selectAllChildren(button.nextSibling);
    document.execCommand('copy'); // where the page did not come by https, there is no clipboard
  }
  button.textContent = t.copied;
  setTimeout(() => { button.textContent = t.copyCode; }, CODE_COPIED_MS);
}

export const textActs = { unfold, copyCode };
