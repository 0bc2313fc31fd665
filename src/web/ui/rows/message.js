// A message in the log.

import { LANGUAGE } from '../../words/language.js';
import { blocksOf } from '../../core/blocks.js';
import { countCharacters, shownOf } from '../../core/text.js';
import { clockWords, fullWords } from '../../core/time.js';
import { errorWords, peopleWords, t } from '../../words/index.js';
import { drawAvatar, drawHue, el } from '../dom.js';
import { nodesOf } from './text.js';

/** Of a row: { text, blocks, end: of what is shown of it }. */
export const folded = new WeakMap();
/** Of a row: { name, time, text }, as they were drawn last. */
const contents = new WeakMap();

export function makeMessage() {
  return el('li', {},
    el('span', { className: 'avatar', ariaHidden: 'true' }),
    el('div', { className: 'head' }, el('bdi', { className: 'author' }), ' ', el('time', {})),
    el('div', { className: 'text', dir: 'auto' }));
}

/** Who said what, and when. One's own message is drawn before the server has it, and again as the server has it. */
function drawContent(node, { name, time, text }) {
  const before = contents.get(node);
  contents.set(node, { name, time, text });
  if (before?.name !== name) {
    drawAvatar(node.firstChild, name);
    const author = node.querySelector('.author');
    author.textContent = name;
    drawHue(author, name);
  }
  if (before?.time !== time) {
    const date = new Date(time);
    Object.assign(node.querySelector('time'), { dateTime: date.toISOString(), textContent: clockWords(date), title: fullWords(date) });
  }
  if (before?.text !== text) fill(node, text);
}

function fill(node, text) {
  const end = shownOf(text), blocks = blocksOf(text);
  node.querySelector('.unfold')?.remove();
  node.querySelector('.text').replaceChildren(...nodesOf(text, blocks, 0, end));
  if (end === text.length) return;
  const all = t.showAll(countCharacters(text).toLocaleString(LANGUAGE));
  const button = el('button', { type: 'button', className: 'quiet unfold', textContent: all });
  button.dataset.action = 'unfold';
  node.append(button);
  folded.set(node, { text, blocks, end });
}

export function updateMessage(node, row, { isMarked, hasMenu, isOnline }) {
  const pending = row.pending ?? '';
  drawContent(node, row.isDeleted ? { ...row, text: peopleWords.messageDeleted } : row);
  const marks = [row.isDeleted && 'deleted', row.first && 'first', row.own && 'own', row.me && 'action', row.mention && 'mention', isMarked && 'found', pending && 'pending', pending];
  const className = ['message', ...marks].filter(Boolean).join(' ');
  if (node.className === className && !pending) return; // nothing of the rest can be other than it was
  node.className = className;
  if (row.id !== undefined) node.dataset.id = row.id;
  if (hasMenu !== Boolean(node.querySelector('.more'))) addMore(node, row, hasMenu);
  if (pending) node.dataset.pending = row.key;
  else delete node.dataset.pending;
  drawFate(node, row, !isOnline && pending && pending !== 'failed' ? 'offline' : pending);
}

function addMore(node, row, hasMenu) {
  if (!hasMenu) return node.querySelector('.more').remove();
  const button = el('button', { type: 'button', className: 'more', tabIndex: -1, textContent: '⋯', title: peopleWords.more });
  button.setAttribute('aria-label', peopleWords.moreOfMessage(row.name));
  button.dataset.action = 'more';
  node.querySelector('.head').after(button);
}

/** Below a message that has not arrived: what has become of it, and what can be done. */
function drawFate(node, row, state) {
  const fate = { failed: row.error && t.failed(errorWords(row.error)), unsure: t.unsure, offline: t.queued, queued: t.waiting, sent: t.sending }[state];
  const actions = row.pending === 'queued' ? ['cancel'] : state === 'failed' || state === 'unsure' ? ['again', 'discard'] : [];
  let line = node.querySelector('.fate');
  if (!fate) return line?.remove();
  if (line?.dataset.of === fate + actions) return;
  line?.remove();
  line = el('div', { className: 'fate' }, fate);
  line.dataset.of = fate + actions;
  for (const action of actions) {
    const button = el('button', { type: 'button', className: 'quiet', textContent: t[action] });
    button.dataset.action = action === 'cancel' ? 'discard' : action;
    line.append(' ', button);
  }
  node.append(line);
}
