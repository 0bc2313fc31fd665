// A dialog whose content is one of several views: a menu, a form, a list of what can be ended. What was typed stays until the
// server has taken it; what is wrong stands below its field.

import { notify } from '../../core/store.js';
import { isText } from '../../core/text.js';
import { accountWords } from '../../words/index.js';
import { $, el, iconOf, setText } from '../dom.js';
import { pictureOf } from './qr.js';

const COPIED_MS = 2000;

/** Which field an error of the server is about, where the form has it. */
const FIELD_OF = {
  login_failed: 'password', password_refused: 'password', name_taken: 'name', name_refused: 'name', no_such_name: 'name',
  no_account: 'name', code_refused: 'code', code_required: 'code', text_refused: 'label', room_refused: 'room',
};

async function copy(input) {
  input.select();
  try {
    await navigator.clipboard.writeText(input.value);
  } catch {
    document.execCommand('copy'); // where the page did not come by https, there is no clipboard
  }
}

export async function copyText(value) {
  const input = el('input', { value, readOnly: true });
  document.body.append(input);
  await copy(input);
  input.remove();
}

/** Where an invitation leads. */
export const linkOf = ({ link, code }) => (isText(link) ? link : `${new URL('.', location.href)}#invite=${code}`);

/** What gets the focus back by that was out of reach until now, and Chromium would put no text into it: it gets it again later. */
export function closeDialog(selector) {
  $(selector).close();
  /** @type {any} */ (document.activeElement)?.blur();
}

/** A click beside a dialog closes it. */
export function listenDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) {
    let pressed = null; // a text that is selected to beyond the edge is no click beside the dialog
    dialog.addEventListener('pointerdown', (event) => { pressed = event.target; });
    dialog.addEventListener('click', (event) => {
      const at = /** @type {Element} */ (event.target);
      if ((at === dialog && pressed === dialog) || at.closest('[data-close]')) dialog.close();
    });
  }
}

let lastId = 0;

export class Views {
  #host;
  #node;

  /**
   * @param {HTMLDialogElement} node
   * @param {import('../app.js').App} app
   * @param {{ wordsOf: (error: any) => string, closed?: () => void }} host `closed`: nothing is shown any more
   */
  constructor(node, app, host) {
    this.app = app;
    this.#node = node;
    this.#host = host;
    node.addEventListener('close', () => this.#closed());
  }

  get view() { return this.#node.open ? this.#node.dataset.view : ''; }
  get isOpen() { return this.#node.open; }

  close() { this.#node.close(); }

  // -- views

  /** A secret that the server does not know any more, and a button that copies it. `ofPicture`: it is a link, which phones read. */
  shownOnce(label, value, note, ofPicture = '') {
    const input = el('input', { type: 'text', readOnly: true, value, ariaLabel: label });
    const button = el('button', { type: 'button', className: 'solid', textContent: accountWords.copy });
    button.addEventListener('click', async () => {
      await copy(input);
      button.textContent = accountWords.copied;
      setTimeout(() => { button.textContent = accountWords.copy; }, COPIED_MS);
    });
    input.addEventListener('focus', () => input.select());
    const picture = ofPicture && pictureOf(value, ofPicture);
    return [el('div', { className: 'copy' }, input, button), el('p', { className: 'note', textContent: note, role: 'status' }), ...(picture ? [picture] : [])];
  }

  /** What the server lists, each with a button that ends it. */
  async list(place, heading, request, key, none, describe) {
    const items = await this.app.session.ask(request).then((frame) => frame[key], () => []);
    const rows = (Array.isArray(items) ? items : []).map(describe).map(({ title, note, end }) => {
      const row = el('li', {}, el('div', {}, el('b', { textContent: title, dir: 'auto' }), el('small', { textContent: note.filter(Boolean).join(' · ') })));
      if (!end) return row;
      const button = el('button', { type: 'button', className: 'quiet', textContent: accountWords.end, ariaLabel: accountWords.endOf(title) });
      button.addEventListener('click', async () => {
        button.disabled = true;
        this.#node.querySelector('.result')?.replaceChildren(); // it may be what ends
        await this.app.session.ask(end).catch((error) => notify(this.#host.wordsOf(error), true));
        await this.list(place, heading, request, key, none, describe);
        this.#node.focus();
      });
      row.append(button);
      return row;
    });
    const parts = [];
    if (heading && rows.length) parts.push(el('h3', { textContent: heading }));
    if (rows.length) parts.push(el('ul', { className: 'keys' }, ...rows));
    else if (none) parts.push(el('p', { className: 'note', textContent: none }));
    place.replaceChildren(...parts);
  }

  /** `entries`: of [label, note, act, kind]. Each opens a view of its own, or closes the dialog. */
  menu(view, title, note, entries, back = null) {
    const list = entries.map(([label, about, act, kind = '']) => {
      const button = el('button', { type: 'button', className: kind }, el('span', { textContent: label }), el('small', { textContent: about }));
      button.addEventListener('click', act);
      return el('li', {}, button);
    });
    this.#draw(view, title, back, [el('p', { className: 'note', textContent: note }), el('ul', { className: 'menu' }, ...list)]);
  }

  open(view, title, ...content) { this.#draw(view, title, null, content); }

  #draw(view, title, back, content) {
    const icon = (name, label, act) => {
      const button = el('button', { type: 'button', className: 'icon', title: label, ariaLabel: label });
      button.append(iconOf(`i-${name}`));
      button.addEventListener('click', act);
      return button;
    };
    const heading = el('div', { className: 'heading' });
    if (back) heading.append(icon('back', accountWords.back, back));
    heading.append(el('h2', { id: `${this.#node.id}-title`, textContent: title, dir: 'auto' }), icon('close', accountWords.close, () => this.#node.close()));
    this.#node.dataset.view = view;
    this.#node.replaceChildren(heading, ...content);
    if (!this.#node.open) this.#node.showModal();
    const find = (selector) => /** @type {HTMLElement | null} */ (this.#node.querySelector(selector));
    const fields = /** @type {HTMLInputElement[]} */ ([...this.#node.querySelectorAll('form:first-of-type :is(input:not([hidden]), select)')]);
    const first = fields.find((field) => !field.value && field.type !== 'checkbox') ?? fields[0] ?? find('.menu button, .solid') ?? find('.icon');
    first?.focus();
  }

  /** A view whose heart is a form. `done` rejects with an error of the server, which is shown where it belongs. */
  openForm(view, title, { note = '', fields, submit, others = [], before = [], after = [], back = null, faults = {}, danger = false, done }) {
    const inputs = new Map(), form = el('form', { noValidate: true });
    if (note) form.append(el('p', { className: 'note', textContent: note }));
    for (const field of fields) form.append(this.#field(field, inputs));
    const fault = el('p', { className: 'fault', role: 'alert' });
    const button = el('button', { type: 'submit', className: danger ? 'solid danger' : 'solid', textContent: submit });
    const buttons = el('div', { className: 'buttons' }, ...others.map(([label, act]) => {
      const other = el('button', { type: 'button', className: 'quiet', textContent: label });
      other.addEventListener('click', act);
      return other;
    }), button);
    form.append(fault, buttons);
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      if (button.disabled || !this.#check(inputs)) return;
      setText(fault, '');
      button.disabled = true;
      form.ariaBusy = 'true';
      const values = Object.fromEntries([...inputs].map(([key, { read }]) => [key, read()]));
      try {
        await done(values, form);
      } catch (error) {
        if (!form.isConnected) return;
        const field = inputs.get(faults[error?.code] ?? FIELD_OF[error?.code]);
        if (field) this.#blame(field, this.#host.wordsOf(error));
        else setText(fault, this.#host.wordsOf(error));
      } finally {
        button.disabled = false;
        form.ariaBusy = null;
      }
    });
    this.#draw(view, title, back, [...before, form, ...after]);
  }

  #field({ key, label, type = 'text', note = '', value = '', choices, suggest, isHidden = false, className = '', ...attributes }, inputs) {
    const id = `${this.#node.id}-${key}-${++lastId}`;
    const input = choices
      ? el('select', { id }, ...(Array.isArray(choices) ? choices : Object.entries(choices)).map(([option, name]) => el('option', { value: option, textContent: name })))
      : el('input', { id, type, className, spellcheck: false, autocapitalize: 'none' });
    Object.assign(input, { name: key, value, required: true, ...attributes });
    if (isHidden) Object.assign(input, { hidden: true, readOnly: true });
    if (isHidden) return input;
    const fault = el('p', { className: 'fault', role: 'alert', id: `${id}-fault` });
    const hint = el('p', { className: 'hint', id: `${id}-hint`, textContent: note });
    input.setAttribute('aria-describedby', `${fault.id} ${hint.id}`);
    input.addEventListener('input', () => this.#blame({ input, fault }, ''));
    inputs.set(key, { input, fault, read: () => (type === 'checkbox' ? input.checked : type === 'password' ? input.value : input.value.trim()) });
    if (type === 'checkbox') return this.#checkbox(input, label, note, fault, hint);
    const box = el('div', { className: 'field' }, el('label', { htmlFor: id, textContent: label }), type === 'password' ? this.#withShow(input) : input, fault);
    if (suggest?.length) {
      box.append(el('datalist', { id: `${id}-list` }, ...suggest.map((name) => el('option', { value: name }))));
      input.setAttribute('list', `${id}-list`);
    }
    if (note) box.append(hint);
    return box;
  }

  #checkbox(input, label, note, fault, hint) {
    input.required = false;
    const box = el('div', { className: 'field check' }, input, el('label', { htmlFor: input.id, textContent: label }), fault);
    if (note) box.append(hint);
    return box;
  }

  /** Typed once and looked at, rather than typed twice. */
  #withShow(input) {
    const button = el('button', { type: 'button', className: 'quiet', textContent: accountWords.show, ariaPressed: 'false' });
    button.addEventListener('click', () => {
      const isShown = input.type === 'text';
      input.type = isShown ? 'password' : 'text';
      button.textContent = isShown ? accountWords.show : accountWords.hide;
      button.ariaPressed = String(!isShown);
      input.focus();
    });
    return el('div', { className: 'secret' }, input, button);
  }

  #check(inputs) {
    const wrong = [...inputs.values()].filter(({ input }) => {
      const { validity, min, max } = input;
      const fault = validity.valueMissing || validity.badInput ? accountWords.needs : validity.valid ? '' : accountWords.number(min, max);
      this.#blame({ input, fault: inputs.get(input.name).fault }, fault, false);
      return fault !== '';
    });
    wrong[0]?.input.focus();
    return wrong.length === 0;
  }

  #blame({ input, fault }, text, takesFocus = text !== '') {
    setText(fault, text);
    if (text) input.setAttribute('aria-invalid', 'true');
    else input.removeAttribute('aria-invalid');
    if (!takesFocus) return;
    input.focus();
    input.select?.();
  }

  /** Nothing that was typed stays in the page. */
  #closed() {
    this.#node.replaceChildren();
    delete this.#node.dataset.view;
    this.#host.closed?.();
    // A field that gets the focus back was out of reach until now, and Chromium would put no text into it: it gets it again.
    const at = /** @type {HTMLElement | null} */ (document.activeElement), isField = at?.matches('input, textarea');
    if (isField) at.blur();
    if (isField) setTimeout(() => document.querySelector('dialog[open]') || at.focus({ preventScroll: true }));
    else if (!at || at === document.body) this.app.composer.focus();
  }
}
