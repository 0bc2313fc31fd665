// Who asks to be let into a room.

import { current } from '../core/store.js';
import { peopleWords } from '../words/index.js';
import { $, el, reconcile, setHidden } from './dom.js';

export class Asking {
  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  /** Above those who are in. */
  draw(conv) {
    const people = [...conv.asking].map(([key, name]) => ({ key, name }));
    setHidden($('#asking-box'), people.length === 0);
    reconcile($('#asking'), people, ({ name }) => {
      const button = (kind, label, act) => {
        const node = el('button', { type: 'button', className: kind, textContent: label });
        node.addEventListener('click', act);
        return node;
      };
      const yes = button('solid', peopleWords.accept, () => this.app.parts.roomDialogs.admit(current(), name));
      const no = button('quiet', peopleWords.refuse, () => this.app.parts.roomDialogs.refuse(current(), name));
      yes.setAttribute('aria-label', peopleWords.acceptName(name));
      no.setAttribute('aria-label', peopleWords.refuseName(name));
      return el('li', {}, el('bdi', { textContent: name }), el('span', {}, yes, no));
    }, () => {});
  }
}
