// The list of conversations, and who one is.

import { bareRoom } from '../core/names.js';
import { changed, directs, knows, rooms, store } from '../core/store.js';
import { badgeOf, isHidden, isNews } from '../core/unread.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { $, drawAvatar, drawMark, el, reconcile, setHidden, setText } from './dom.js';
import { listenRoving, rove } from './roving.js';

export class Sidebar {
  #showsHidden = false; // the rooms that their reader has hidden

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    for (const list of ['#rooms', '#directs']) {
      listenRoving($(list));
      $(list).addEventListener('click', (event) => {
        const button = event.target.closest('button');
        if (button) this.app.router.open(store.conversations.get(button.dataset.key));
      });
    }
    $('#join-room').addEventListener('submit', (event) => {
      event.preventDefault();
      const input = event.target.querySelector('input');
      if (!bareRoom(input.value)) return input.focus();
      this.app.router.enter(input.value);
      input.value = '';
    });
    $('#open-browse').addEventListener('click', () => this.app.switcher.open());
    $('#blank-browse').addEventListener('click', () => this.app.switcher.open());
    $('#open-telling').addEventListener('click', () => this.app.tellingDialog.open());
    $('#open-help').addEventListener('click', () => this.app.help.open());
    $('#new-room').addEventListener('click', () => this.app.roomDialogs.create());
    $('#show-hidden').addEventListener('click', () => {
      this.#showsHidden = !this.#showsHidden;
      changed();
    });
    $('#me').addEventListener('click', () => (store.role ? this.app.accountMenu.open() : this.app.ask.name()));
  }

  draw() {
    const make = (conv) => el('li', {}, el('button', { type: 'button' },
      el('span', { className: conv.kind === 'room' ? 'hash' : 'avatar', ariaHidden: 'true' }), el('bdi'), el('span', { className: 'unread' })));
    const update = (item, conv) => this.#drawLinkTo(item.firstChild, conv);
    const isShown = (conv) => !isHidden(conv) || this.#showsHidden || conv.key === store.current;
    reconcile($('#rooms'), rooms().filter(isShown), make, update);
    const hidden = rooms().filter(isHidden);
    setHidden($('#show-hidden'), hidden.length === 0);
    setText($('#show-hidden'), peopleWords.hiddenRooms(hidden.length));
    $('#show-hidden').setAttribute('aria-expanded', String(this.#showsHidden));
    setHidden($('#new-room'), !store.role || !knows('room'));
    reconcile($('#directs'), directs(), make, update);
    setHidden($('#directs-box'), directs().length === 0);
    const others = [...store.conversations.values()].some((conv) => isNews(conv) && conv.key !== store.current);
    setHidden($('#open-sidebar .dot'), !others);
    for (const list of ['#rooms', '#directs']) rove($(list));
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
    setText($('#log-in'), this.app.entrance.words);
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
    button.classList.toggle('away', conv.isAway || conv.isGone);
    for (const one of ['loud', 'faint']) badge.classList.toggle(one, one === kind);
    const marks = [isRoom && peopleWords.entryShort[conv.entry], conv.isGuest && accountWords.guest, conv.unread > 0 && t.unread(conv.unread), conv.mentions > 0 && peopleWords.forYou(conv.mentions)];
    const label = [conv.name, ...marks].filter(Boolean).join(t.comma);
    if (button.getAttribute('aria-label') !== label) button.setAttribute('aria-label', label);
    const wasCurrent = button.hasAttribute('aria-current');
    if (conv.key !== store.current) button.removeAttribute('aria-current');
    else if (!wasCurrent) {
      button.setAttribute('aria-current', 'page');
      requestAnimationFrame(() => button.scrollIntoView({ block: 'nearest' }));
    }
  }
}
