// The parts of the page that people see, and drawing them. Whatever another person wrote reaches it through textContent and
// nothing else.

import { LANGUAGE } from '../words/language.js';
import { changes, current } from '../core/store.js';
import { t } from '../words/index.js';
import { Bar } from './bar.js';
import { Composer } from './composer.js';
import { $, setLabel } from './dom.js';
import { Keys } from './keys.js';
import { Layout } from './layout.js';
import { Link } from './link.js';
import { Log } from './log.js';
import { Members } from './members.js';
import { Notice } from './notice.js';
import { Router } from './router.js';
import { Settings } from './settings.js';
import { Sidebar } from './sidebar.js';

const DRAWING_MS = 16;

/** Fills in the words of what stands in HTML. */
export function say(root) {
  const all = (name) => /** @type {any[]} */ ([...root.querySelectorAll(`[data-${name}]`)]);
  for (const node of all('t')) node.textContent = t[node.dataset.t];
  for (const node of all('t-label')) node.setAttribute('aria-label', t[node.dataset.tLabel]);
  for (const node of all('t-title')) setLabel(node, t[node.dataset.tTitle]);
  for (const node of all('t-hint')) node.placeholder = t[node.dataset.tHint];
}

export class App {
  #drawing = 0;
  #touched = new Set(); // parts that are to be drawn
  /** What the parts do goes through it; it is here before anything is done. @type {import('../net/session.js').Session} */
  session = /** @type {any} */ (null);
  link = new Link();
  notice = new Notice();
  sidebar = new Sidebar(this);
  bar = new Bar(this);
  log = new Log(this);
  members = new Members(this);
  composer = new Composer(this);
  layout = new Layout(this);
  router = new Router(this);
  keys = new Keys(this);
  settings = new Settings();

  /** @param {import('../core/later.js').Later<import('../later.js').Parts>} later */
  constructor(later) {
    this.later = later;
    this.parts = later.parts;
  }

  start() {
    document.documentElement.lang = LANGUAGE;
    this.settings.apply();
    say(document);
    $('#host').textContent = location.host;
    const { bar, composer, keys, layout, link, log, members, notice, sidebar } = this;
    for (const part of [bar, composer, keys, layout, log, members, notice, sidebar]) part.listen();
    link.listen(() => this.session.nudge());
    layout.arrange();
    if (document.activeElement === document.body) composer.focus();
    changes.on((parts) => this.#schedule(parts));
  }

  /** In this order: what is in sight of the log decides what the others count. */
  #parts = {
    link: () => this.link.draw(),
    log: (conv) => this.log.draw(conv),
    sidebar: () => this.sidebar.draw(),
    bar: (conv) => this.bar.draw(conv),
    members: (conv) => this.members.draw(conv),
    composer: (conv) => this.composer.draw(conv),
    notice: () => this.notice.draw(),
    title: (conv) => this.router.draw(conv),
  };

  /** What is drawn with them as soon as it is here. */
  #also = {
    log: (conv) => this.parts.missed.draw(conv),
    sidebar: () => {
      this.parts.hints.draw();
      this.parts.roving.draw('#rooms', '#directs');
    },
    members: (conv) => {
      if (conv?.kind === 'room') this.parts.asking.draw(conv);
      this.parts.roving.draw('#members');
    },
    title: (conv) => {
      this.parts.address.draw();
      this.parts.telling.draw();
      if (conv?.known) this.parts.entrance.entered();
    },
  };

  /** Many changes, one drawing. */
  #schedule(parts) {
    for (const part of parts.length ? parts : Object.keys(this.#parts)) this.#touched.add(part);
    this.#drawing ||= setTimeout(() => this.draw([]), DRAWING_MS);
  }

  /** Draws these parts, by default all of them, and what is waiting to be drawn. */
  draw(parts = Object.keys(this.#parts)) {
    clearTimeout(this.#drawing);
    this.#drawing = 0;
    const conv = current(), touched = new Set([...this.#touched, ...parts]);
    this.#touched.clear();
    for (const [part, draw] of Object.entries(this.#parts)) {
      if (!touched.has(part)) continue;
      draw(conv);
      if (this.later.isHere) this.#also[part]?.(conv);
    }
  }

  /** What was typed and found here is not for whoever comes next. */
  forget() {
    this.later.unasked.search.forget();
    this.composer.forget();
  }
}
