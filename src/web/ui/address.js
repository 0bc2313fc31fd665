// What the page's address says of where one is, the way back, and links to other places of this page.

import { placeOf, queryOf } from '../core/address.js';
import { current, store } from '../core/store.js';
import { $ } from './dom.js';
import { NARROW } from './layout.js';

const CODE = /^#(setup|invite)=/; // see code.js

export class Address {
  #query = /** @type {string | null} */ (null); // last put into the address
  #isGoingBack = false;

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    window.addEventListener('popstate', () => this.#moved());
    $('#messages').addEventListener('click', (event) => this.#follow(event));
    // What opens over the page has an entry of its own among those of the browser, so that Back closes it.
    new MutationObserver(() => this.draw()).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['open', 'data-drawer'] });
  }

  /** Where others find what is shown, or a message of it. */
  linkTo(conv, id) { return new URL(queryOf(conv, id), new URL('.', location.href)).href; }

  /** The address names the conversation, so that it can be passed on; never one's own name. An entry knows what it stands for. */
  draw() {
    const conv = current(), query = conv ? queryOf(conv) : '', { key = null, isOver = false } = history.state ?? {};
    if (this.#isGoingBack || CODE.test(location.hash)) return; // what is written here would take the code's place
    // Compared with what was asked for, not with what it became: browsers escape differently, and limit such calls.
    if (this.#query !== query) {
      const isFirst = this.#query === null;
      this.#write(isFirst || isOver || !store.conversations.has(key) ? 'replaceState' : 'pushState', query);
    } else if (this.#isCovered && !isOver) this.#write('pushState', query, true);
    else if (!this.#isCovered && isOver) {
      this.#isGoingBack = true;
      history.back();
    }
  }

  /** @param {'pushState' | 'replaceState'} how */
  #write(how, query, isOver = false) {
    this.#query = query;
    history[how]({ key: store.current, isOver }, '', location.pathname + query);
  }

  showConversations() {
    if (NARROW.matches) this.app.layout.slide('rooms');
    $('#directs button')?.focus();
  }

  get #isCovered() { return document.body.dataset.drawer !== '' || document.querySelector('dialog[open]') !== null; }

  /** Back or Forward. What is open over the page is closed first. */
  #moved() {
    if (CODE.test(location.hash)) return; // for which there is `hashchange`
    const { key = null } = history.state ?? {}, wasGoing = this.#isGoingBack;
    this.#isGoingBack = false;
    if (wasGoing) return this.draw();
    if (this.#isCovered) {
      for (const dialog of document.querySelectorAll('dialog')) dialog.close();
      if (this.app.layout.drawer) this.app.layout.slide('');
      if (key !== store.current) this.#write('pushState', this.#query);
      return;
    }
    const conv = store.conversations.get(key);
    if (!conv || conv === current()) return this.#write('replaceState', this.#query); // it was left meanwhile
    this.#query = queryOf(conv);
    this.app.router.open(conv);
  }

  /** A link to another place of this page is no other page. */
  #follow(event) {
    const link = event.target.closest('a');
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const { origin, pathname, search, hash } = new URL(link.href), place = placeOf(search);
    if (origin !== location.origin || ![location.pathname, new URL('.', location.href).pathname].includes(pathname)) return;
    if (!place && !CODE.test(hash)) return;
    event.preventDefault();
    if (!place) location.hash = hash;
    else if (place.id) this.reach(place.kind, place.name, place.id);
    else if (place.kind === 'room') this.app.router.enter(place.name);
    else this.app.router.message(place.name);
  }

  /** To a message: its room is entered where need be. */
  reach(kind, name, id) {
    const { rooms, history: past } = this.app.session;
    this.app.router.go(() => {
      if (kind === 'room') rooms.join(name);
      else rooms.message(name);
      const conv = current();
      if (!conv) return;
      conv.sought = id;
      past.seek(conv);
    });
  }
}
