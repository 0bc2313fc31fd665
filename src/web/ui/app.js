// The parts of the page that people see, and drawing them. Whatever another person wrote reaches it through textContent and
// nothing else.

import { LANGUAGE } from '../words/language.js';
import { changes, current, notify } from '../core/store.js';
import { t } from '../words/index.js';
import { Bar } from './bar.js';
import { Composer } from './composer.js';
import { $, setLabel } from './dom.js';
import { Entrance } from './entrance.js';
import { Keys } from './keys.js';
import { Layout } from './layout.js';
import { Link } from './link.js';
import { Log } from './log.js';
import { Members } from './members.js';
import { Notice } from './notice.js';
import { Router } from './router.js';
import { Sidebar } from './sidebar.js';
import { Telling } from './telling.js';

const DRAWING_MS = 16;

/** @typedef {import('./dialogs/index.js').Dialogs} Dialogs */

export class App {
  #drawing = 0;
  #touched = new Set(); // parts that are to be drawn
  /** What the parts do goes through it; it is here before anything is done. @type {import('../net/session.js').Session} */
  session = /** @type {any} */ (null);
  /** @type {import('../commands/table.js').Commands} */
  commands = /** @type {any} */ (null);
  #load;
  #dialogs = /** @type {Promise<Dialogs> | null} */ (null);
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
  entrance = new Entrance(this);
  telling = new Telling(this);
  accounts = this.#later('accounts');
  accountMenu = this.#later('accountMenu');
  ask = this.#later('ask');
  help = this.#later('help');
  order = this.#later('order');
  roomDialogs = this.#later('roomDialogs');
  search = this.#later('search');
  switcher = this.#later('switcher');
  tellingDialog = this.#later('tellingDialog');

  /** @param {() => Promise<typeof import('./dialogs/index.js')>} load gets their script */
  constructor(load) { this.#load = load; }

  /** The dialogs, fetched once; where that failed, it is tried again when they are needed. */
  dialogs() {
    this.#dialogs ??= this.#load().then((script) => new script.Dialogs(this), (error) => {
      this.#dialogs = null;
      throw error;
    });
    return this.#dialogs;
  }

  /**
   * One of the dialogs, of which only what it can do is used: it waits for the script. Its answers are promises.
   *
   * @template {keyof Dialogs} Name
   * @param {Name} name
   * @returns {Dialogs[Name]}
   */
  #later(name) {
    const act = (method) => (...given) => this.dialogs().then(
      (dialogs) => /** @type {any} */ (dialogs[name])[method](...given),
      () => notify(t.noDialogs, true),
    );
    return /** @type {any} */ (new Proxy({}, { get: (_, method) => act(method) }));
  }

  start() {
    document.documentElement.lang = LANGUAGE;
    this.#say();
    const { bar, composer, entrance, keys, layout, link, log, members, notice, router, sidebar } = this;
    for (const part of [bar, composer, entrance, keys, layout, log, members, notice, router, sidebar]) part.listen();
    link.listen(() => this.session.nudge());
    layout.arrange();
    if (document.activeElement === document.body) composer.focus();
    changes.on((parts) => this.#schedule(parts));
  }

  /** The words of index.html. */
  #say() {
    const all = (name) => /** @type {NodeListOf<any>} */ (document.querySelectorAll(`[data-${name}]`));
    for (const node of all('t')) node.textContent = t[node.dataset.t];
    for (const node of all('t-label')) node.setAttribute('aria-label', t[node.dataset.tLabel]);
    for (const node of all('t-title')) setLabel(node, t[node.dataset.tTitle]);
    for (const node of all('t-hint')) node.placeholder = t[node.dataset.tHint];
    $('#host').textContent = location.host;
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
    title: (conv) => {
      this.router.draw(conv);
      this.telling.draw();
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
    for (const [part, draw] of Object.entries(this.#parts)) if (touched.has(part)) draw(conv);
  }

  /** What was typed and found here is not for whoever comes next. */
  forget() {
    this.search.forget();
    this.composer.forget();
  }
}
