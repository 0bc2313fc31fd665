// Who is in a room, and who asks to be let in.

import { membersOf } from '../core/members.js';
import { hasMenu } from '../core/rights.js';
import { changed, current, isMe, notify, store } from '../core/store.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { $, drawAvatar, el, reconcile, setHidden, setLabel, setText } from './dom.js';
import { listenRoving, rove } from './roving.js';

const FILTERED_MIN = 15; // fewer are found at a glance

export class Members {
  #room = ''; // key of the one whose members are shown

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    listenRoving($('#members'));
    $('#members-filter').addEventListener('input', () => changed('members'));
    $('#members-filter').addEventListener('keydown', (event) => this.#onFilterKey(event));
    $('#members').addEventListener('click', (event) => {
      const { name, more } = event.target.closest('button')?.dataset ?? {};
      if (more !== undefined && current()) return this.app.order.memberMenu(current(), more);
      if (name === undefined) return;
      if (isMe(name)) return store.role ? this.app.accountMenu.open() : this.app.ask.name();
      this.app.router.message(name);
    });
  }

  show() {
    const conv = current();
    if (conv?.kind !== 'room') return notify(t.notHere, true);
    this.app.layout.showMembers();
    this.app.session.lists.refreshMembers(conv);
  }

  draw(conv) {
    const isRoom = conv?.kind === 'room';
    setHidden($('#people'), !isRoom);
    if (!isRoom) return;
    this.#drawAsking(conv);
    const filter = $('#members-filter');
    if (this.#room !== conv.key) filter.value = '';
    this.#room = conv.key;
    setHidden(filter, conv.members.size < FILTERED_MIN);
    reconcile($('#members'), membersOf(conv, filter.value),
      () => el('li', {},
        el('button', { type: 'button' }, el('span', { className: 'avatar', ariaHidden: 'true' }), el('bdi'), ' ', el('small')),
        el('button', { type: 'button', className: 'more icon', textContent: '⋯' })),
      (node, person) => this.#drawPerson(node, conv, person));
    rove($('#members'));
    setText($('#members-total'), conv.total ? t.people(conv.total) : '');
    const rest = conv.total - conv.members.size;
    setHidden($('#members-more'), !(rest > 0 && conv.members.size > 0));
    setText($('#members-more'), rest > 0 ? t.moreMembers(rest) : '');
  }

  #onFilterKey(event) {
    const first = $('#members button');
    if (event.isComposing || !['Escape', 'ArrowDown', 'Enter'].includes(event.key)) return;
    if (event.key !== 'Escape') return first?.focus();
    // Once for the filter, and then as everywhere.
    if (event.target.value) event.stopPropagation();
    event.target.value = '';
    changed('members');
  }

  #drawPerson(node, conv, { key, name, isMe: isSelf, isGuest, isAway, isResting }) {
    const [avatar, label, note] = node.firstChild.children;
    setHidden(node.lastChild, isSelf || !hasMenu({}));
    node.lastChild.dataset.more = name;
    setLabel(node.lastChild, peopleWords.moreOf(name));
    node.firstChild.dataset.name = name;
    node.firstChild.classList.toggle('away', isAway || isResting);
    drawAvatar(avatar, name);
    setText(label, name);
    const marks = [isSelf && t.you, peopleWords.roles[conv.roles.get(key)], store.ignored.has(key) && peopleWords.ignored, isGuest && accountWords.guest, isAway ? accountWords.away : isResting && peopleWords.away].filter(Boolean).join(t.comma);
    setText(note, marks);
    if (!isSelf) setLabel(node.firstChild, [t.messageMember(name), marks].filter(Boolean).join(t.comma));
  }

  /** Who asks to be let in, above those who are in. */
  #drawAsking(conv) {
    const people = [...conv.asking].map(([key, name]) => ({ key, name }));
    setHidden($('#asking-box'), people.length === 0);
    reconcile($('#asking'), people, ({ name }) => {
      const button = (kind, label, act) => {
        const node = el('button', { type: 'button', className: kind, textContent: label });
        node.addEventListener('click', act);
        return node;
      };
      const yes = button('solid', peopleWords.accept, () => this.app.roomDialogs.admit(current(), name));
      const no = button('quiet', peopleWords.refuse, () => this.app.roomDialogs.refuse(current(), name));
      yes.setAttribute('aria-label', peopleWords.acceptName(name));
      no.setAttribute('aria-label', peopleWords.refuseName(name));
      return el('li', {}, el('bdi', { textContent: name }), el('span', {}, yes, no));
    }, () => {});
  }
}
