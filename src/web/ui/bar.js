// What stands above the log: which conversation it is, its topic, and what can be done with it.

import { isFavourite, setFavourite } from '../core/order.js';
import { changed, current } from '../core/store.js';
import { accountWords, peopleWords, t } from '../words/index.js';
import { $, el, iconOf, isLocked, setHidden, setLabel, setText } from './dom.js';

export class Bar {
  /** @param {import('./app.js').App} app */
  constructor(app) { this.app = app; }

  listen() {
    $('#open-search').addEventListener('click', () => this.app.parts.search.open(''));
    $('#topic').addEventListener('click', () => this.app.parts.ask.topic(current()));
    $('#star').addEventListener('click', () => {
      setFavourite(current(), !isFavourite(current()));
      changed('bar', 'sidebar');
    });
    $('#leave').addEventListener('click', () => current() && this.app.parts.roomDialogs.leave(current()));
    $('#open-room').addEventListener('click', () => current() && this.app.parts.roomDialogs.menu(current()));
  }

  draw(conv) {
    const isRoom = conv?.kind === 'room';
    this.#drawTitle(conv);
    const topic = $('#topic');
    setHidden(topic, !isRoom);
    setHidden($('#open-room'), !isRoom || conv.stage === 'out');
    if (isRoom) setLabel($('#open-room'), peopleWords.roomMenu(conv.name));
    setHidden($('#open-room .dot'), !conv?.asking.size);
    setText(topic, conv?.topic || t.noTopic);
    topic.classList.toggle('none', !conv?.topic);
    setLabel(topic, conv?.topic ? `${conv.topic} · ${t.changeTopic}` : t.noTopic);
    setHidden($('#open-members'), !isRoom);
    const total = conv?.total ? t.people(conv.total) : '';
    setText($('#member-count'), total);
    setLabel($('#open-members'), `${t.members} ${total}`.trim());
    const isStarred = isRoom && isFavourite(conv);
    setHidden($('#star'), !isRoom);
    if (isRoom) setLabel($('#star'), (isStarred ? t.unstar : t.star)(conv.name));
    $('#star').classList.toggle('on', isStarred);
    setHidden($('#leave'), !conv);
    if (conv) setLabel($('#leave'), isRoom ? t.leaveRoom(conv.name) : t.closeDirect);
    $('#leave use').setAttribute('href', isRoom ? '#i-leave' : '#i-close');
  }

  #drawTitle(conv) {
    const title = $('#title'), isRoom = conv?.kind === 'room';
    const note = isRoom ? '' : [conv?.isGuest && accountWords.guest, conv?.isGone && peopleWords.gone].filter(Boolean).join(t.comma);
    const of = `${conv?.name ?? ''} ${conv?.entry ?? ''} ${note}`;
    if (title.dataset.of !== of) {
      title.dataset.of = of;
      const hash = el('span', { className: 'hash', textContent: isRoom ? '#' : '' });
      title.replaceChildren(hash, el('bdi', { textContent: isRoom ? conv.name.slice(1) : conv?.name ?? '' }));
      if (isLocked(conv?.entry)) title.append(iconOf('i-lock'));
      if (note) title.append(el('small', { textContent: note }));
    }
  }
}
