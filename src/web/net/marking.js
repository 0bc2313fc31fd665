// What somebody decides of what is read: that it is not, and of what to be told; and all that is unread, in a sentence.

import { addressOf } from '../core/conversation.js';
import { changed, notify, store } from '../core/store.js';
import { peopleWords } from '../words/index.js';

export class Marking {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  /** All of it has been read, whatever was in sight. */
  markRead(conv) {
    if (!conv.reading) return;
    conv.isHeld = false;
    this.#session.reading.see(conv, conv.reading.newest);
    Object.assign(conv, { newFrom: null, isBehind: false });
    changed();
  }

  /** From this message on it counts as unread, until the conversation is opened the next time. */
  markUnread(conv, id) {
    this.#session.reading.unsee(conv);
    conv.isHeld = true;
    const done = () => {
      const { reading } = conv;
      reading.read = id - 1;
      Object.assign(conv, { unread: reading.newest - reading.read, newFrom: id });
      this.#session.reading.remember(conv, true);
      changed();
    };
    if (store.role) this.#session.requestNow({ type: 'read', ...addressOf(conv), id: id - 1, back: true }, done);
    else done();
  }

  setLevel(conv, level) {
    this.#session.requestNow({ type: 'level', room: conv.name, level }, () => {
      if (conv.reading) conv.reading.level = level;
      notify(peopleWords.levelDone(conv.name, peopleWords.levels[level]));
    });
  }

  /** In a sentence, for who asks. */
  summary() {
    const list = [...store.conversations.values()].filter((conv) => conv.unread > 0);
    if (list.length === 0) return peopleWords.allRead;
    return peopleWords.unreadIn(list.map(({ name, unread, mentions }) => `${name} ${unread}${mentions ? ` (${peopleWords.forYou(mentions)})` : ''}`).join(', '));
  }
}
