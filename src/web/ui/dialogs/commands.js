// What is typed with a slash, listed above the message box while its name is written. The focus stays in the box.

import { commandsLike } from '../../core/complete.js';
import { actionOf } from '../../core/keymap.js';
import { $, el, reconcile, setHidden, setText } from '../dom.js';

const OPTION = 'command-';

export class CommandList {
  #found = /** @type {{ name: string, usage: string, about: string }[]} */ ([]);
  #at = -1; // of what Enter takes; -1 for nothing
  #isMoved = false; // by the arrows
  #isShut = false; // by Escape, until something else is written

  /** @param {import('../../commands/table.js').Commands} commands */
  constructor(commands) { this.commands = commands; }

  listen() {
    const composer = $('#composer'), list = $('#commands');
    composer.addEventListener('input', (event) => this.#written(event.isComposing));
    composer.addEventListener('blur', () => this.#show([]));
    $('#compose').addEventListener('submit', () => this.#show([]));
    // Before the message box has the key.
    composer.addEventListener('keydown', (event) => {
      if (!this.#found.length || !actionOf(event, 'commands') || !this.#act(event.key)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    }, { capture: true });
    list.addEventListener('mousedown', (event) => event.preventDefault());
    list.addEventListener('click', (event) => {
      const at = [...list.children].indexOf(event.target.closest('li'));
      if (at >= 0) this.#take(at);
    });
    if (document.activeElement === composer) this.#written(false);
  }

  /** An input method that composes has the keys for itself. */
  #written(isComposing) {
    const { value } = $('#composer'), [, typed, blank] = /^[/／]([^\s/／]*)( ?)$/.exec(value) ?? [];
    this.#isShut &&= typed !== undefined;
    this.#isMoved = false;
    if (typed === undefined || isComposing || this.#isShut) return this.#show([]);
    const found = commandsLike(typed, this.commands.list());
    // Once the name is written, what it takes is told until that is written.
    if (blank) this.#show(found.filter(({ name, usage }) => name === typed.toLowerCase() && usage !== `/${name}`));
    else this.#show(found, 0);
  }

  /** Returns whether the key has been used. */
  #act(key) {
    if (key === 'Escape') {
      this.#isShut = true;
      this.#show([]);
      return true;
    }
    const one = this.#found[this.#at];
    if (!one) return false;
    if (key === 'ArrowUp' || key === 'ArrowDown') {
      const count = this.#found.length;
      this.#isMoved = true;
      this.#show(this.#found, (this.#at + (key === 'ArrowUp' ? count - 1 : 1)) % count);
      return true;
    }
    // A name that is written out is sent as any line is.
    if (key === 'Enter' && !this.#isMoved && $('#composer').value.toLowerCase() === `/${one.name}`) return false;
    this.#take(this.#at);
    return true;
  }

  /** Puts a command into the message box, where what it takes can be written. */
  #take(at) {
    const composer = $('#composer');
    composer.value = `/${this.#found[at].name} `;
    composer.dispatchEvent(new Event('input', { bubbles: true }));
  }

  #show(found, at = -1) {
    if (!found.length && !this.#found.length) return;
    this.#found = found;
    this.#at = at;
    const composer = $('#composer'), list = $('#commands');
    setHidden(list, found.length === 0);
    reconcile(list, found.map((one, place) => ({ key: one.name, place, ...one })),
      () => el('li', { role: 'option' }, el('code'), el('span')),
      (node, { place, usage, about }) => {
        node.id = OPTION + place;
        node.setAttribute('aria-selected', String(place === at));
        setText(node.firstChild, usage);
        setText(node.lastChild, about);
      });
    if (at >= 0) composer.setAttribute('aria-activedescendant', OPTION + at);
    else composer.removeAttribute('aria-activedescendant');
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  }
}
