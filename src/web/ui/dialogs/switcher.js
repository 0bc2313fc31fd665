// Going anywhere: conversations, rooms of the server, people; and naming a new room.

import { beginning, find, highlighted, personOf, step } from '../../core/finder.js';
import { bareRoom, roomKey } from '../../core/names.js';
import { isMe, rooms, store } from '../../core/store.js';
import { isId, isText } from '../../core/text.js';
import { accountWords, errorWords, peopleWords, t } from '../../words/index.js';
import { $, drawAvatar, drawMark, el, reconcile, setHidden, setText } from '../dom.js';
import { closeDialog } from './views.js';

const FOUND_MAX = 200;
const ENOUGH = 8; // that fit; for fewer the server is asked for more
const ROOM_PAGES_MAX = 10;
const ROOMS_WITH_PEOPLE = 10; // whose members are asked for, to be found
const TYPING_MS = 150; // after the last key the server is asked

const nothingListed = () => ({ rooms: /** @type {any[]} */ ([]), pages: 0, next: undefined, asked: new Set(), state: '', loading: /** @type {Promise<void> | null} */ (null) });

export class Switcher {
  #list = nothingListed();
  #moved = null; // key of what the arrows have highlighted
  #hint = '';
  #waits = false; // Enter came before anything that fits
  #timer = 0;

  /** @param {import('../app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    const filter = $('#browse-filter');
    filter.addEventListener('input', () => {
      this.#moved = null;
      this.#hint = '';
      this.#waits = false;
      this.#draw();
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#seek(), TYPING_MS);
    });
    filter.addEventListener('keydown', (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!by || event.isComposing) return;
      event.preventDefault();
      this.#moved = step(this.#found(), this.#moved, by);
      this.#draw();
      $('#browse-list [aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    });
    $('#browse form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#enter();
    });
    $('#browse-list').addEventListener('click', (event) => {
      const key = event.target.closest('li')?.dataset.key, one = this.#found().find((other) => other.key === key);
      if (one) this.#pick(one);
    });
    $('#browse-more').addEventListener('click', () => this.#load());
  }

  open() {
    this.#list = nothingListed();
    this.#moved = null;
    this.#hint = '';
    this.#waits = false;
    $('#browse-filter').value = '';
    this.#draw();
    if (!$('#browse').open) $('#browse').showModal();
    $('#browse-filter').focus();
    $('#browse-list').scrollTop = 0;
    this.#load();
    for (const conv of rooms().slice(0, ROOMS_WITH_PEOPLE)) this.app.session.lists.askMembers(conv);
  }

  get #typed() { return $('#browse-filter').value; }

  /** All that is shown: what could be new is the last of it. */
  #found() {
    const found = find(this.#typed, this.#list.rooms), last = beginning(this.#typed, found);
    return [...found.slice(0, FOUND_MAX), ...(last ? [last] : [])];
  }

  #pick({ kind, name, isNew = false }) {
    closeDialog('#browse');
    if (kind === 'direct') this.app.router.message(name);
    else if (isNew && store.role) this.app.parts.roomDialogs.create(bareRoom(name));
    else this.app.router.enter(name);
  }

  /** Goes to what is highlighted. Where nothing fits, the rest of the server is looked through first. */
  #enter() {
    const one = highlighted(this.#found(), this.#moved);
    if (one) return this.#pick(one);
    const person = personOf(this.#typed);
    if (person !== null) return void this.#address(person);
    if (!bareRoom(this.#typed)) return;
    this.#waits = true;
    clearTimeout(this.#timer);
    this.#seek();
  }

  /** To somebody who is in no room of this page, if there is anybody of that name. */
  async #address(name) {
    if (!name || isMe(name)) return;
    const typed = this.#typed, isSomebody = await this.app.parts.finding.isSomebody(name);
    if (!$('#browse').open || typed !== this.#typed) return;
    if (isSomebody) return this.#pick({ kind: 'direct', name });
    this.#hint = t.nobody(name);
    this.#draw();
  }

  get #hasMore() { return this.#list.pages < ROOM_PAGES_MAX && (this.#list.next !== undefined || this.#list.pages === 0); }

  /** Looks beyond what is listed: for a room of just this name, then through the list, as long as little fits. */
  async #seek() {
    const list = this.#list, typed = this.#typed;
    const isStill = () => $('#browse').open && list === this.#list && typed === this.#typed;
    if (personOf(typed) !== null) return;
    const isEnough = () => find(typed, list.rooms).length >= (this.#waits ? 1 : ENOUGH);
    if (bareRoom(typed) && this.#hasMore && !list.asked.has(typed)) {
      list.asked.add(typed);
      const room = await this.app.parts.finding.findRoom(typed);
      if (room) this.#add(list, [room]);
      if (isStill()) this.#draw();
    }
    while (isStill() && bareRoom(typed) && this.#hasMore && !isEnough()) await this.#load();
    if (!isStill() || !this.#waits) return;
    this.#waits = false;
    const one = highlighted(this.#found(), this.#moved);
    if (one) return this.#pick(one);
    this.#hint = store.link === 'online' ? t.noMatch(`#${bareRoom(typed)}`) : t.waitOnline;
    this.#draw();
  }

  #add(list, found) {
    const known = new Set(list.rooms.map(({ room }) => roomKey(room)));
    list.rooms.push(...found.filter(({ room }) => !known.has(roomKey(room))));
  }

  /** The next page of the list, once. One that was asked for by a list before is none of this. */
  #load() {
    const list = this.#list;
    list.loading ??= this.#loadPage(list).finally(() => { list.loading = null; });
    return list.loading;
  }

  async #loadPage(list) {
    try {
      const frame = await this.app.parts.finding.rooms(list.next);
      this.#add(list, Array.isArray(frame.rooms) ? frame.rooms.filter((room) => room && isText(room.room)) : []);
      list.next = frame.next ?? undefined;
      list.state = list.rooms.length ? '' : t.noRooms;
    } catch (error) {
      list.state = errorWords(error);
    }
    list.pages++;
    if (list === this.#list) this.#draw();
  }

  #draw() {
    const found = this.#found(), best = highlighted(found, this.#moved);
    const rows = found.map((one, at) => ({ ...one, at, isBest: one === best }));
    reconcile($('#browse-list'), rows,
      () => el('li', { role: 'option' }, el('span', { ariaHidden: 'true' }), el('bdi'), el('small'), el('span', { className: 'about', dir: 'auto' })),
      (node, one) => this.#drawRow(node, one));
    $('#browse-filter').setAttribute('aria-activedescendant', best ? `found-${found.indexOf(best)}` : '');
    setHidden($('#browse-more'), this.#list.next === undefined || this.#typed.trim() !== '');
    setText($('#browse-state'), this.#hint || (found.length ? '' : this.#list.state));
  }

  #drawRow(node, { key, kind, name, own, topic, entry, members, where, unread, isNew, at, isBest }) {
    const [mark, label, note, about] = node.children, isRoom = kind === 'room';
    node.id = `found-${at}`;
    node.dataset.key = key;
    if (isNew) delete node.dataset.join;
    else node.dataset.join = name;
    node.className = [isBest && 'best', isNew && 'new'].filter(Boolean).join(' ');
    node.setAttribute('aria-selected', String(isBest));
    mark.className = isRoom ? 'hash' : 'avatar';
    if (isRoom) drawMark(mark, { entry });
    else drawAvatar(mark, name);
    setText(label, isNew ? (isRoom ? t.createRoom(name) : t.messageMember(name)) : isRoom ? name.replace(/^#/, '') : name);
    const facts = [peopleWords.entryShort[entry], isId(members) && t.peopleLong(members), where, own && isRoom && t.alreadyIn, unread > 0 && t.unread(unread), own && !isRoom && store.conversations.get(key)?.isGuest && accountWords.guest];
    setText(note, facts.filter(Boolean).join(' · '));
    setText(about, topic);
  }
}
