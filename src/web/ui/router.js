// Going from one conversation to another; and what the window and its address say of where one is.

import { current } from '../core/store.js';
import { waiting } from '../core/telling.js';
import { t } from '../words/index.js';
import { $ } from './dom.js';
import { NARROW } from './layout.js';

export class Router {
  #address = null; // the query last put into the address

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  open(conv) { if (conv) this.#go(() => this.app.session.rooms.show(conv)); }
  enter(name, code = '') { this.#go(() => this.app.session.rooms.join(name, code)); }
  message(name) { this.#go(() => this.app.session.rooms.message(name)); }
  reach(kind, name, id) { this.#go(() => this.app.session.history.reach(kind, name, id)); }

  /** After choosing a conversation one wants to write in it; on a phone, to see it first. */
  #go(there) {
    const { composer, layout } = this.app;
    composer.stash();
    there();
    layout.slide('');
    composer.restore();
    this.app.draw();
    composer.focus();
  }

  /** To the conversation so many further down the list. */
  step(by) {
    const all = this.app.sidebar.conversations, conv = current();
    if (all.length) this.open(all[((conv ? all.indexOf(conv) : -1) + by + all.length) % all.length]);
  }

  /** Where the direct conversations are listed. */
  showConversations() {
    if (NARROW.matches) this.app.layout.slide('rooms');
    $('#directs button')?.focus();
  }

  draw(conv) {
    const { unread } = waiting();
    const title = `${unread ? `(${unread}) ` : ''}${conv ? `${conv.name} · ` : ''}${t.brand}`;
    if (document.title !== title) document.title = title;
    // The address names the room, so that it can be passed on; never one's own name.
    const search = conv?.kind === 'room' ? `?room=${encodeURIComponent(conv.name.slice(1))}` : '';
    // Compared with what was asked for, not with what it became: browsers escape differently, and limit such calls.
    if (this.#address !== search) history.replaceState(null, '', location.pathname + (this.#address = search));
  }
}
