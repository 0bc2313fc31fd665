// The list of conversations, and who one is.

import { bareRoom } from '../core/names.js';
import { isFavourite, RoomOrder } from '../core/order.js';
import { changed, directs, store } from '../core/store.js';
import { badgeOf, isHidden, isNews } from '../core/unread.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { $, drawAvatar, drawMark, el, reconcile, setHidden, setLabel, setText } from './dom.js';

export class Sidebar {
  #showsHidden = false; // the rooms that their reader has hidden
  #order = new RoomOrder();
  #isHeld = false; // a pointer is over the lists: what is about to be clicked does not move
  /** What there is, in the order of the list. @type {import('../core/conversation.js').Conversation[]} */
  conversations = [];

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    for (const list of ['#rooms', '#directs']) {
      $(list).addEventListener('click', (event) => {
        const button = event.target.closest('button');
        if (button) this.app.router.open(store.conversations.get(button.dataset.key));
      });
    }
    const lists = $('#sidebar .lists');
    lists.addEventListener('pointerenter', (event) => { this.#isHeld = event.pointerType === 'mouse'; });
    lists.addEventListener('pointerleave', () => {
      this.#isHeld = false;
      changed('sidebar');
    });
    $('#join-room').addEventListener('submit', (event) => {
      event.preventDefault();
      const input = event.target.querySelector('input');
      if (!bareRoom(input.value)) return input.focus();
      this.app.router.enter(input.value);
      input.value = '';
    });
    $('#open-browse').addEventListener('click', () => this.app.parts.switcher.open());
    $('#blank-browse').addEventListener('click', () => this.app.parts.switcher.open());
    $('#open-settings').addEventListener('click', () => this.app.parts.settingsDialog.open());
    $('#open-help').addEventListener('click', () => this.app.parts.help.open());
    $('#new-room').addEventListener('click', () => this.app.parts.roomDialogs.create());
    $('#show-hidden').addEventListener('click', () => {
      this.#showsHidden = !this.#showsHidden;
      changed();
    });
    $('#log-in').addEventListener('click', () => this.app.parts.entrance.comeIn());
    $('#me').addEventListener('click', () => (store.role ? this.app.parts.accountMenu.open() : this.app.parts.ask.name()));
  }

  draw() {
    const make = (conv) => el('li', {}, el('button', { type: 'button' },
      el('span', { className: conv.kind === 'room' ? 'hash' : 'avatar', ariaHidden: 'true' }), el('bdi'), ' ', el('span', { className: 'unread' })));
    const update = (item, conv) => this.#drawLinkTo(item.firstChild, conv);
    const isShown = (conv) => !isHidden(conv) || this.#showsHidden || conv.key === store.current;
    const sorted = this.#order.sorted(this.#isHeld), hidden = sorted.filter(isHidden), shown = sorted.filter(isShown);
    this.conversations = [...shown, ...directs()];
    reconcile($('#rooms'), shown, make, update);
    setHidden($('#show-hidden'), hidden.length === 0);
    setText($('#show-hidden'), peopleWords.hiddenRooms(hidden.length));
    $('#show-hidden').setAttribute('aria-expanded', String(this.#showsHidden));
    setHidden($('#new-room'), !store.role);
    reconcile($('#directs'), directs(), make, update);
    setHidden($('#directs-box'), directs().length === 0);
    const others = [...store.conversations.values()].some((conv) => isNews(conv) && conv.key !== store.current);
    setHidden($('#open-sidebar .dot'), !others);
    this.#drawMe();
  }

  /** Who one is, and the way to an account. */
  #drawMe() {
    const [avatar, who] = $('#me').children;
    drawAvatar(avatar, store.name || '?');
    setText(who.firstChild, store.name || '…');
    setText(who.lastChild, accountWords.roles[store.role] ?? (store.wish ? t.rename : t.chooseName));
    const icon = store.role ? '#i-up' : '#i-edit', use = $('#me use');
    if (use.getAttribute('href') !== icon) use.setAttribute('href', icon);
    setHidden($('#log-in'), store.role !== '' || !store.wasOnline);
    setText($('#log-in'), store.code ? accountWords.makeAccount : accountWords.logIn);
  }

  #drawLinkTo(button, conv) {
    const [mark, name, badge] = button.children, isRoom = conv.kind === 'room';
    button.dataset.key = conv.key;
    button.dataset[isRoom ? 'room' : 'direct'] = conv.name;
    if (isRoom) drawMark(mark, conv);
    else drawAvatar(mark, conv.name);
    setText(name, isRoom ? conv.name.slice(1) : conv.name);
    const { count, kind } = badgeOf(conv);
    setText(badge, count > 99 ? '99+' : String(count || ''));
    setHidden(badge, count === 0);
    button.classList.toggle('news', isNews(conv));
    button.classList.toggle('favourite', isRoom && isFavourite(conv));
    button.classList.toggle('away', conv.isAway || conv.isGone);
    for (const one of ['loud', 'faint']) badge.classList.toggle(one, one === kind);
    const marks = [conv.unread > 0 && t.unread(conv.unread), conv.mentions > 0 && peopleWords.forYou(conv.mentions), isRoom && peopleWords.entryShort[conv.entry], conv.isGuest && accountWords.guest, isRoom && isFavourite(conv) && t.favourite];
    const label = [conv.name, ...marks].filter(Boolean).join(t.comma);
    setLabel(button, label); // a long name is cut in the list
    const wasCurrent = button.hasAttribute('aria-current');
    if (conv.key !== store.current) button.removeAttribute('aria-current');
    else if (!wasCurrent) {
      button.setAttribute('aria-current', 'page');
      requestAnimationFrame(() => button.scrollIntoView({ block: 'nearest' }));
    }
  }
}
