// The keys and the commands, explained.

import { KEYMAP } from '../../core/keymap.js';
import { t } from '../../words/index.js';
import { $, el } from '../dom.js';

export class Help {
  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  open() {
    const commands = this.app.commands.help().map(({ usage, about }) => [usage, about]);
    $('#help-list').replaceChildren(...[...KEYMAP.map(({ id, shown }) => [shown, t.keys[id]]), ...commands].map(([keys, meaning]) => (
      el('div', {}, el('dt', {}, el('kbd', { textContent: keys })), el('dd', { textContent: meaning })))));
    $('#help').showModal();
  }
}
