// What is asked of the server to find rooms and people.

import { bareRoom } from '../core/names.js';
import { changed } from '../core/store.js';
import { isText } from '../core/text.js';

const ROOMS_PAGE = 50;

export class Finding {
  #session;

  /** @param {import('./session.js').Session} session */
  constructor(session) { this.#session = session; }

  /** Members of a room beyond those that are listed, in whose names this is. */
  async members(conv, name) {
    const frame = await this.#session.ask({ type: 'who', room: conv.name, name }).catch(() => null);
    if (Array.isArray(frame?.members)) this.#session.lists.learnMembers(conv, { ...frame, total: undefined }, false);
    changed('members');
  }

  /** A page of all rooms that there are. */
  rooms(after) { return this.#session.ask({ type: 'rooms', limit: ROOMS_PAGE, ...(after === undefined ? {} : { after }) }); }

  /** The room of this name, with members or without, as the list would have it; null if there is none. */
  async findRoom(name) {
    const { room, total } = await this.#session.ask({ type: 'who', room: `#${bareRoom(name)}`, limit: 1 }).catch(() => ({}));
    return isText(room) ? { room, members: total } : null;
  }

  /** Whether anybody has this name. What has no text is never said; but first the server looks for whom it is. */
  isSomebody(name) {
    return this.#session.ask({ type: 'msg', to: name, text: '' }).then(() => true, ({ code }) => code !== 'no_such_name');
  }
}
