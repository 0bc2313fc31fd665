// Going from one conversation to another, and what the title of the window says of where one is.

import { current } from '../core/store.js';
import { waiting } from '../core/telling.js';
import { t } from '../words/index.js';

export class Router {
  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  open(conv) { if (conv) this.go(() => this.app.session.rooms.show(conv)); }
  enter(name, code = '') { this.go(() => this.app.session.rooms.join(name, code)); }
  message(name) { this.go(() => this.app.session.rooms.message(name)); }

  /** After choosing a conversation one wants to write in it; on a phone, to see it first. */
  go(there) {
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

  draw(conv) {
    const { unread } = waiting();
    const title = `${unread ? `(${unread}) ` : ''}${conv ? `${conv.name} · ` : ''}${t.brand}`;
    if (document.title !== title) document.title = title;
  }
}
