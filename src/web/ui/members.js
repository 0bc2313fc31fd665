// Who is in a room.

import { membersOf } from '../core/members.js';
import { current, isMe, store } from '../core/store.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { $, drawAvatar, el, reconcile, setHidden, setLabel, setText } from './dom.js';

const FILTERED_MIN = 15; // fewer are found at a glance

export class Members {
  #room = ''; // key of the one whose members are shown

  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    $('#members').addEventListener('click', (event) => {
      const { name, more } = event.target.closest('button')?.dataset ?? {};
      if (more !== undefined && current()) return this.app.parts.order.memberMenu(current(), more);
      if (name === undefined) return;
      if (isMe(name)) return store.role ? this.app.parts.accountMenu.open() : this.app.parts.ask.name();
      this.app.router.message(name);
    });
  }

  /** Of the room that is shown. */
  show() {
    this.app.layout.showMembers();
    this.app.session.lists.refreshMembers(current());
  }

  draw(conv) {
    const isRoom = conv?.kind === 'room';
    setHidden($('#people'), !isRoom);
    if (!isRoom) return;
    const filter = $('#members-filter');
    if (this.#room !== conv.key) filter.value = '';
    this.#room = conv.key;
    setHidden(filter, conv.members.size < FILTERED_MIN);
    reconcile($('#members'), membersOf(conv, filter.value),
      () => el('li', {},
        el('button', { type: 'button' }, el('span', { className: 'avatar', ariaHidden: 'true' }), el('bdi'), ' ', el('small')),
        el('button', { type: 'button', className: 'more icon', textContent: '⋯' })),
      (node, person) => this.#drawPerson(node, conv, person));
    setText($('#members-total'), conv.total ? t.people(conv.total) : '');
    const rest = conv.total - conv.members.size;
    setHidden($('#members-more'), !(rest > 0 && conv.members.size > 0) || filter.value.trim() !== '');
    setText($('#members-more'), rest > 0 ? t.moreMembers(rest) : '');
  }

  #drawPerson(node, conv, { key, name, isMe: isSelf, isGuest, isAway, isResting }) {
    const [avatar, label, note] = node.firstChild.children;
    setHidden(node.lastChild, isSelf);
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
}
