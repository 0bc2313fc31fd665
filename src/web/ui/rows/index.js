// The rows of the log: for each kind, how it is made and what of it can change.

import { isKept, store } from '../../core/store.js';
import { dayWords } from '../../core/time.js';
import { peopleWords, t } from '../../words/index.js';
import { el, setText } from '../dom.js';
import { makeMessage, updateMessage } from './message.js';

/** A row that is one sentence. */
const sentence = (words) => ({
  make: (row) => el('li', { className: row.type }, el('span')),
  update: (node, row, { conv }) => setText(node.firstChild, words(row, conv)),
});

function topWords({ isLoading, begins, isCut, isSilent }, conv) {
  if (isLoading) return t.loading;
  if (isCut) return t.olderGone;
  if (!begins) return '';
  const words = conv.kind === 'room' ? t.startRoom : isKept(conv) ? peopleWords.startKept : t.startDirect;
  return words(conv.name) + (isSilent ? t.firstWord : '');
}

const NAMES_SHOWN = 3;

function comingsWords({ people, counts }) {
  const words = ['came', 'left', 'visited', 'back'].map((way) => {
    const names = [...people.values()].filter((one) => one.way === way).map(({ name }) => name);
    const others = names.length > NAMES_SHOWN + 1 ? names.splice(NAMES_SHOWN).length : 0, all = others + (counts[way] ?? 0);
    return names.length + all > 0 && t.comings[way](names.length ? t.namesAnd(names, all) : t.manyPeople(all));
  });
  if (counts.renamed > 0) words.push(t.tookNames(counts.renamed));
  return words.filter(Boolean).join(t.comma);
}

const top = sentence(topWords), stub = sentence((row) => peopleWords.stub(row.count));

const KINDS = {
  message: { make: makeMessage, update: updateMessage },
  top: {
    make: top.make,
    update: (node, row, around) => {
      top.update(node, row, around);
      node.classList.toggle('begins', row.begins);
    },
  },
  stub: {
    make: stub.make,
    update: (node, row, around) => {
      stub.update(node, row, around);
      node.dataset.last = row.last;
    },
  },
  day: sentence((row) => dayWords(row.time)),
  new: sentence(() => t.newMessages),
  event: sentence((row) => row.texts.join(t.comma)),
  comings: sentence(comingsWords),
  gap: sentence(() => t.gap),
  restart: sentence(() => t.restart),
};

export const makeRow = (row) => KINDS[row.type].make(row);

/** `around`: { conv, isMarked, hasMenu }. */
export const updateRow = (node, row, around) => KINDS[row.type].update(node, row, { isOnline: store.link === 'online', ...around });
