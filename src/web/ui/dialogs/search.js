// Searching what was said, and going there.

import { isMessage } from '../../core/entries.js';
import { isId, isolate, isText } from '../../core/text.js';
import { dateWords } from '../../core/time.js';
import { errorWords, t } from '../../words/index.js';
import { $, el, reconcile, setHidden, setText } from '../dom.js';
import { closeDialog } from './views.js';

export class Search {
  #found = { hits: [], next: undefined, state: '', text: '', asked: 0 }; // what was searched for last

  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    $('#search form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#search($('#search-text').value.trim());
    });
    $('#search-more').addEventListener('click', () => this.#findMore());
    $('#search-list').addEventListener('click', (event) => {
      const button = event.target.closest('button');
      const hit = button && this.#found.hits.find(({ key }) => key === button.dataset.hit);
      if (!hit) return;
      closeDialog('#search');
      this.app.parts.address.reach(hit.room === undefined ? 'direct' : 'room', hit.room ?? hit.with, hit.id);
    });
  }

  /** What was found here is not for whoever comes next. */
  forget() {
    this.#found = { hits: [], next: undefined, state: '', text: '', asked: this.#found.asked + 1 };
    $('#search-text').value = '';
  }

  /** Opens the box; with words, searches for them. Without, what was found last is still there. */
  open(text) {
    if (!$('#search').open) $('#search').showModal();
    if (text) $('#search-text').value = text;
    $('#search-text').select();
    if (text) this.#search(text);
    else this.#draw();
  }

  #search(text) {
    if (!text) return;
    this.#found = { hits: [], next: undefined, state: '', text, asked: this.#found.asked };
    this.#findMore();
  }

  #findMore() {
    const found = this.#found, asked = ++found.asked;
    const isStill = () => found === this.#found && asked === found.asked;
    found.state = t.searching;
    this.#draw();
    this.app.session.history.search(found.text, found.next, (frame) => {
      if (!isStill()) return;
      const hits = Array.isArray(frame.hits) ? frame.hits.filter((hit) => isMessage(hit) && isText(hit.name) && isText(hit.room ?? hit.with)) : [];
      found.hits.push(...hits.map((hit) => ({ ...hit, key: `${hit.room ?? `@${hit.with}`} ${hit.id}` })));
      found.next = isId(frame.next) ? frame.next : undefined;
      found.state = found.hits.length ? '' : t.nothingFound;
      this.#draw();
    }, (error) => {
      if (!isStill()) return;
      found.state = errorWords(error);
      this.#draw();
    });
  }

  #draw() {
    const { hits, next, state } = this.#found;
    reconcile($('#search-list'), hits,
      () => el('li', {}, el('button', { type: 'button' },
        el('span', { className: 'where' }), el('time', {}), el('span', { className: 'text', dir: 'auto' }))),
      (node, { key, room, with: other, name, text, time }) => {
        const [where, when, what] = node.firstChild.children;
        node.firstChild.dataset.hit = key;
        setText(where, t.where(isolate(room ?? other), isolate(name)));
        setText(when, dateWords(time));
        setText(what, text);
      });
    setHidden($('#search-more'), next === undefined || state !== '');
    setText($('#search-state'), state || (hits.length ? '' : t.searchAbout));
  }
}
