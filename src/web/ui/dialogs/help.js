// The keys and the commands, explained.

import { KEYMAP } from '../../core/keymap.js';
import { t } from '../../words/index.js';
import { $, el } from '../dom.js';

/** What people call the keys of each entry of the keymap. */
const SHOWN = {
  send: 'Enter', newLine: 'Shift + Enter', recall: '↑ ↓', complete: 'Tab', commands: '/', page: 'Page ↑ ↓', step: 'Alt + ↑ ↓', rooms: 'Ctrl + K', list: '↑ ↓', menu: 'Enter', close: 'Esc',
};

export class Help {
  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  open() {
    const commands = this.app.parts.commands.help().map(({ usage, about }) => [usage, about]);
    const list = (title, rows) => [el('h3', { textContent: title }), el('dl', {}, ...rows.map(([typed, meaning]) => (
      el('div', {}, el('dt', {}, el('kbd', { textContent: typed })), el('dd', { textContent: meaning })))))];
    $('#help-list').replaceChildren(...list(t.keyboard, KEYMAP.map(({ id }) => [SHOWN[id], t.keys[id]])), ...list(t.commandList, commands));
    $('#help').showModal();
  }
}
