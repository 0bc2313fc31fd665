// All rooms: finding one, or naming a new one.

import { bareRoom, fold, roomKey } from '../../core/names.js';
import { knows, rooms, store } from '../../core/store.js';
import { isId, isText } from '../../core/text.js';
import { errorWords, peopleWords, t } from '../../words/index.js';
import { $, closeDialog, drawMark, el, reconcile, setHidden, setText } from '../dom.js';

// How well a room fits what was typed, best first.
const [WHOLE_NAME, START_OF_NAME, PART_OF_NAME, PART_OF_TOPIC, NOTHING] = [0, 1, 2, 3, 4];
const ROOM_PAGES_MAX = 10; // of rooms, looked through by Enter
const listed = (room) => ({ ...room, key: roomKey(room.room), about: isText(room.topic) ? fold(room.topic) : '' });

const nothingListed = () => ({ rooms: [], pages: 0, next: undefined, loading: /** @type {any} */ (null), state: '', hint: '', asked: '' });

export class Switcher {
  #browser = nothingListed();

  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const filter = $('#browse-filter');
    filter.addEventListener('input', () => {
      this.#browser.hint = '';
      this.#draw();
    });
    $('#browse form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#pickBest(filter.value);
    });
    $('#browse-list').addEventListener('click', (event) => {
      const room = event.target.closest('button')?.dataset.join;
      if (room) this.#pick(room);
    });
    $('#browse-create').addEventListener('click', () => {
      if (!store.role || !knows('room')) return this.#pick(filter.value);
      const room = bareRoom(filter.value);
      closeDialog('#browse');
      this.app.roomDialogs.create(room);
    });
    $('#browse-more').addEventListener('click', () => this.#loadRooms());
    $('#browse').addEventListener('keydown', (event) => {
      if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
      const stops = [filter, ...document.querySelectorAll('#browse-list button, #browse-create:not([hidden])')];
      event.preventDefault();
      stops[stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    });
  }

  open() {
    this.#browser = nothingListed();
    $('#browse-filter').value = '';
    this.#draw();
    if (!$('#browse').open) $('#browse').showModal();
    $('#browse-filter').focus();
    this.#loadRooms();
  }

  #pick(room) {
    if (!bareRoom(room)) return;
    closeDialog('#browse');
    this.app.router.enter(room);
  }

  /** Enter goes to the room that fits best, and makes none: who wants a new one says so with its button. */
  #pickBest(typed) {
    if (!bareRoom(typed)) return;
    const browser = this.#browser, isStill = () => $('#browse').open && browser === this.#browser && $('#browse-filter').value === typed;
    const again = () => isStill() && this.#pickBest(typed);
    const [best] = this.#matches(typed).filter(({ rank }) => rank <= PART_OF_NAME);
    if (best?.rank === WHOLE_NAME) return this.#pick(best.room);
    const isAllThere = !this.#hasMore() || store.link !== 'online' || browser.pages >= ROOM_PAGES_MAX;
    if (!isAllThere && browser.asked !== typed) {
      // One of just this name may be anywhere among those not listed yet.
      browser.asked = typed;
      return this.app.session.lists.findRoom(typed, (found) => (found && isStill() ? this.#pick(found) : again()));
    }
    if (!isAllThere) return this.#loadRooms(again);
    if (best) return this.#pick(best.room);
    browser.hint = store.link === 'online' ? t.noMatch(`#${bareRoom(typed)}`) : t.waitOnline;
    this.#draw();
  }

  #hasMore() { return this.#browser.next !== undefined || this.#browser.pages === 0; }

  #loadRooms(then = () => {}) {
    const browser = this.#browser;
    if (browser.loading) return browser.loading.push(then);
    browser.loading = [then];
    const settle = () => {
      const waiting = browser.loading;
      browser.loading = null;
      if (browser !== this.#browser) return;
      this.#draw();
      for (const next of waiting) next();
    };
    this.app.session.lists.rooms(browser.next, (frame) => {
      const found = Array.isArray(frame.rooms) ? frame.rooms.filter((room) => room && isText(room.room)) : [];
      const known = new Set(browser.rooms.map(({ key }) => key));
      browser.rooms.push(...found.map(listed).filter(({ key }) => !known.has(key)));
      browser.next = frame.next ?? undefined;
      browser.pages++;
      browser.state = browser.rooms.length ? '' : t.noRooms;
      settle();
    }, (error) => {
      browser.state = errorWords(error);
      browser.pages++;
      settle();
    });
  }

  /** The rooms that fit what was typed, best first: those listed, and one's own. */
  #matches(typed) {
    const key = fold(bareRoom(typed)), { rooms: list } = this.#browser, known = new Set(list.map((room) => room.key));
    const own = rooms().filter((conv) => !known.has(conv.key)).map((conv) => listed({ room: conv.name, members: conv.total || undefined, topic: conv.topic, entry: conv.entry }));
    const rank = (room) => {
      const name = room.key.slice(1);
      if (name === key) return WHOLE_NAME;
      if (name.startsWith(key)) return START_OF_NAME;
      return name.includes(key) ? PART_OF_NAME : room.about.includes(key) ? PART_OF_TOPIC : NOTHING;
    };
    const found = [...list, ...own].map((room) => ({ ...room, rank: rank(room) })).filter((room) => room.rank !== NOTHING);
    return key ? found.sort((a, b) => a.rank - b.rank || a.key.length - b.key.length) : found;
  }

  #draw() {
    const typed = $('#browse-filter').value, wanted = bareRoom(typed), found = this.#matches(typed);
    reconcile($('#browse-list'), found,
      () => el('li', {}, el('button', { type: 'button' },
        el('span', { className: 'hash', ariaHidden: 'true' }), el('bdi'), el('small'), el('span', { className: 'about', dir: 'auto' }))),
      (node, room) => this.#drawRoom(node, room, wanted !== '' && room.key === found[0].key));
    setHidden($('#browse-create'), !wanted || found[0]?.rank === WHOLE_NAME);
    setText($('#browse-create'), t.createRoom(`#${wanted}`));
    setHidden($('#browse-more'), this.#browser.next === undefined);
    setText($('#browse-state'), this.#browser.hint || this.#browser.state);
  }

  #drawRoom(node, { room, members, topic, key, rank, entry }, isBest) {
    const [mark, name, note, about] = node.firstChild.children;
    node.firstChild.dataset.join = room;
    drawMark(mark, { entry });
    node.classList.toggle('best', isBest && rank <= PART_OF_NAME);
    setText(name, room.replace(/^#/, ''));
    const facts = [peopleWords.entryShort[entry] ?? '', isId(members) ? t.peopleLong(members) : '', store.conversations.has(key) ? t.alreadyIn : ''];
    setText(note, facts.filter(Boolean).join(' · '));
    setText(about, isText(topic) ? topic : '');
  }
}
